"""Where the demo runs, how it reaches inside, and what it shows of its steps."""

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from burnish_demo import commands, kube, place
from burnish_demo.errors import DemoError
from burnish_demo.steps import Steps

FACTS = {
    "name": "demo",
    "kubeconfig": "/state/kubeconfig",
    "bin": "/cache/bin",
    "nodes": ["large", "small"],
    "addresses": {
        "inside": {"registry": "10.250.0.1:5000", "prometheus": "10.250.0.1:9090"},
        "host": {"registry": "127.0.0.1:15000", "prometheus": "127.0.0.1:19090"},
    },
}


def test_the_embedded_registry_has_two_names_and_each_side_gets_its_own() -> None:
    found = place.embedded(FACTS)
    assert found.engines == "10.250.0.1:5000/burnish/engines"
    assert found.from_here(f"oci://{found.engines}:k") == "127.0.0.1:15000/burnish/engines:k"
    assert found.from_here("oci://elsewhere.example/x:1") == "oci://elsewhere.example/x:1"
    assert found.plain_http == "10.250.0.1:5000"
    assert found.prometheus_url == "http://127.0.0.1:19090"
    assert found.embedded


def test_a_users_cluster_needs_a_registry() -> None:
    with pytest.raises(DemoError, match="REGISTRY=host/path"):
        place.users_own("kind", "", None)


def test_a_users_cluster_is_chosen_by_context_for_every_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kubectl", "helm"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = place.users_own("kind", "oci://registry.example/team/", None)
    assert found.kubectl == (str(tmp_path / "kubectl"), "--context=kind")
    assert found.helm == (str(tmp_path / "helm"), "--kube-context=kind")
    assert found.engines == "registry.example/team/engines"
    assert not found.embedded


def test_a_program_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DemoError, match="Install kubectl"):
        place.users_own("kind", "registry.example/team", None)


def test_a_services_address_is_that_of_the_named_port() -> None:
    ports = [{"name": "metrics", "port": 9090}, {"name": "http", "port": 80}]
    service = {"spec": {"clusterIP": "10.96.0.7", "ports": ports}}
    assert kube.cluster_address(service, "http") == "10.96.0.7:80"


def test_a_forward_yields_the_port_that_kubectl_chose(tmp_path: Path) -> None:
    program = tmp_path / "kubectl"
    program.write_text("#!/bin/sh\necho 'Forwarding from 127.0.0.1:43211 -> 8080'\nexec sleep 60\n")
    program.chmod(0o755)
    with kube.forwarded([str(program)], "service/x", "http") as address:
        assert address == "127.0.0.1:43211"


def test_a_forward_that_fails_tells_what_kubectl_said(tmp_path: Path) -> None:
    program = tmp_path / "kubectl"
    program.write_text("#!/bin/sh\necho 'error: no pods'\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(DemoError) as caught, kube.forwarded([str(program)], "service/x", "http"):
        pass
    assert caught.value.detail == "error: no pods"


def test_a_failed_command_shows_the_end_of_its_log_and_where_it_is(tmp_path: Path) -> None:
    script = "for i in range(100): print('line', i)\nraise SystemExit(3)"
    log = tmp_path / "logs" / "x.log"
    with pytest.raises(DemoError, match="exit status 3") as caught:
        commands.run_logged([sys.executable, "-c", script], log)
    assert caught.value.detail.splitlines()[-1] == "line 99"
    assert str(log) in str(caught.value)
    assert len(log.read_text().splitlines()) == 100


def test_a_command_that_does_not_end_is_ended(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="no end after"):
        commands.run_logged(["sleep", "60"], tmp_path / "x.log", timeout_seconds=0.2)


def test_a_missing_program_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="no-such-program"):
        commands.output_of([tmp_path / "no-such-program"])


def test_steps_print_one_plain_line_each_off_a_terminal() -> None:
    out = io.StringIO()
    with Steps(Console(file=out, width=120)) as steps:
        with steps.step("first") as step:
            step.note = "cached"
        with pytest.raises(DemoError), steps.step("second"):
            raise DemoError("x", found="a", expected="b")
    lines = out.getvalue().splitlines()
    assert [line[:7] for line in lines] == ["✓ first", "✗ secon"]
    assert "cached" in lines[0]
    assert [step.failed for step in steps.finished] == [False, True]
