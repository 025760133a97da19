"""Settings of the operator: read, or refused in words."""

import pytest

from burnish_operator.__main__ import main, parse
from burnish_operator.settings import InvalidSettings, from_environment

IMAGES = {"BURNISH_OPTIMIZER_IMAGE": "r.example/optimizer:1", "BURNISH_SERVING_IMAGE": "r.example/serving:1"}


def test_an_image_must_be_named() -> None:
    with pytest.raises(InvalidSettings, match="BURNISH_SERVING_IMAGE"):
        from_environment({"BURNISH_OPTIMIZER_IMAGE": "r.example/optimizer:1"})


@pytest.mark.parametrize(
    ("environment", "flags", "told"),
    [
        ({}, {"workers": 0}, "--workers: found 0"),
        ({}, {"metrics_port": 70000}, "--metrics-port: found 70000"),
        ({"BURNISH_MAX_JOBS": "-1"}, {}, "BURNISH_MAX_JOBS: found -1"),
        ({"BURNISH_LOG_FORMAT": "xml"}, {}, "BURNISH_LOG_FORMAT: found xml"),
        ({"BURNISH_PROMETHEUS_URL": "prometheus:9090"}, {}, "BURNISH_PROMETHEUS_URL: found prometheus:9090"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_name(
    environment: dict[str, str], flags: dict[str, object], told: str
) -> None:
    with pytest.raises(InvalidSettings, match=told):
        from_environment(IMAGES | environment, flags)


def test_a_wrong_flag_is_a_line_and_not_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in IMAGES.items():
        monkeypatch.setenv(name, value)
    assert main(["--workers", "0"]) == 2
    assert "--workers: found 0" in capsys.readouterr().err


def test_a_lease_needs_a_namespace_which_a_pod_has() -> None:
    with pytest.raises(InvalidSettings, match=r"--lease-namespace: .* or say --no-leader-elect"):
        from_environment(IMAGES)
    assert from_environment(IMAGES, pod_namespace="system").lease_namespace == "system"
    assert from_environment(IMAGES, {"lease_namespace": "other"}, "system").lease_namespace == "other"
    assert not from_environment(IMAGES | {"BURNISH_LEADER_ELECT": "false"}).leader_elect


def test_flags_go_over_the_environment() -> None:
    flags = parse(["--no-leader-elect", "--lease-seconds", "30"])
    found = from_environment(IMAGES | {"BURNISH_LEADER_ELECT": "true", "BURNISH_LEASE_SECONDS": "20"}, flags)
    assert (found.leader_elect, found.lease_seconds) == (False, 30)
