"""Settings of the operator: read, or refused in words."""

import pytest

from burnish_operator.__main__ import main
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
