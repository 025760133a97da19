"""What the driver reads and tells: images, examples, engines to forget, the last lines, failures."""

import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from burnish_demo import deploy, drive, main
from burnish_demo.commands import run_logged
from burnish_demo.drive import Result
from burnish_demo.errors import DemoError
from burnish_demo.place import Place
from burnish_engine.errors import RegistryUnavailable
from burnish_engine.oci.reference import Reference
from burnish_operator.api import OptimizedModelSpec

INSIDE, OUTSIDE = "10.250.0.1:5000/burnish", "127.0.0.1:15000/burnish"
EMBEDDED = Place(
    "e", ("/cache/bin/kubectl",), ("helm",), INSIDE, OUTSIDE, kubeconfig="/state/kubeconfig", cluster="demo"
)
USERS = Place("u", ("kubectl", "--context=kind"), ("helm",), "registry.example/team", "registry.example/team")
DIGEST = "sha256:" + "0" * 64


def test_images_are_named_as_pods_reach_them() -> None:
    listed = {
        name: {"reference": f"127.0.0.1:15000/burnish/{name}@{DIGEST}"}
        for name in ("operator", "optimizer", "serving")
    }
    said = f"operator: building\noperator: built in 3 s\n{json.dumps(listed, indent=2)}\n"
    found = deploy.image_references(EMBEDDED, said)
    assert found["operator"] == f"10.250.0.1:5000/burnish/operator@{DIGEST}"


def test_a_build_that_tells_no_images_is_an_error_with_what_it_said() -> None:
    with pytest.raises(DemoError) as caught:
        deploy.image_references(EMBEDDED, "nothing of use")
    assert caught.value.detail == "nothing of use"


@pytest.mark.parametrize("name", ["page-orientation", "text-detector"])
def test_examples_are_valid_once_the_registry_is_put_in(name: str) -> None:
    manifest = yaml.safe_load(drive.example(USERS, name))
    spec = OptimizedModelSpec.model_validate(manifest["spec"])
    assert manifest["metadata"]["name"] == name
    for material in (spec.source, spec.calibration, spec.evaluation):
        assert material is not None
        assert Reference.parse(material.uri).host == "registry.example"


def test_the_examples_name_what_the_demo_publishes() -> None:
    from burnish_demo import materials, models

    published = {each.repository for each in materials.RECIPES}
    published |= {f"models/{each.name}" for each in (models.PAGE_ORIENTATION, models.TEXT_DETECTOR)}
    for name in ("page-orientation", "text-detector"):
        spec = yaml.safe_load(drive.example(USERS, name))["spec"]
        for role in ("source", "calibration", "evaluation"):
            path = spec[role]["uri"].removeprefix("oci://registry.example/team/")
            assert path.removesuffix(":1") in published


def test_the_shortest_example_has_few_lines_of_spec() -> None:
    text = drive.example(USERS, "page-orientation")
    assert len(text.partition("spec:\n")[2].splitlines()) <= 5


def result(place: Place, *, built: dict[str, str], reused: dict[str, str]) -> Result:
    return Result(place, [], {"t": Path("r.html")}, built, reused)


def test_engines_that_were_there_are_told_as_such_and_how_to_build_anew() -> None:
    lines = main.origin_lines(result(EMBEDDED, built={}, reused={"large": "ab" * 32}))
    assert lines[0] == "large: engine key abababababababab is already in the registry: not built again"
    assert "FRESH=1" in lines[1]
    assert main.origin_lines(result(EMBEDDED, built={"large": "ab" * 32}, reused={})) == [
        "large: built by this run's Job, key abababababababab"
    ]


def test_next_commands_fit_the_cluster() -> None:
    embedded = "\n".join(main.next_lines(EMBEDDED, {}))
    users = "\n".join(main.next_lines(USERS, {}))
    assert "make demo-down" in embedded
    assert "export KUBECONFIG=/state/kubeconfig PATH=/cache/bin:" in embedded
    assert "make demo-down" not in users
    assert "kubectl --context=kind get om,ac -n demo" in users
    assert "s#REGISTRY#registry.example/team#" in users


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DemoError("helm", found="exit status 1", expected="success", detail="the log's tail"), 3),
        (RegistryUnavailable("registry.example", found="no answer", expected="one"), 4),
    ],
)
def test_a_failure_is_told_with_evidence_and_an_exit_code(
    error: DemoError | RegistryUnavailable, code: int
) -> None:
    out = io.StringIO()
    assert main.told(Console(file=out, width=200), error) == code
    text = out.getvalue()
    assert str(error) in text
    assert "the log's tail" in text or not isinstance(error, DemoError)


def test_a_users_cluster_without_a_registry_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path))
    monkeypatch.setattr("burnish_demo.materials.all_materials", lambda cache: [])
    assert main.main(["--context", "kind"]) == 3
    assert "REGISTRY=host/path" in capsys.readouterr().out


def test_wrong_usage_is_told_with_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--no-such-option"]) == 2
    assert "no-such-option" in capsys.readouterr().err


def test_a_job_counts_as_this_runs_work_only_if_it_completed_in_it() -> None:
    moment = datetime(2026, 5, 4, 10, 0, 0, 500, tzinfo=UTC)
    assert drive.ended_after({"status": {"completionTime": "2026-05-04T10:00:00Z"}}, moment)
    assert not drive.ended_after({"status": {"completionTime": "2026-05-04T09:59:59Z"}}, moment)
    assert not drive.ended_after({"status": {}}, moment)


def test_what_a_command_says_is_its_own_whoever_else_writes_the_log(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    noisy = f"import time; print('mine', flush=True); open({str(log)!r}, 'a').write('theirs')"
    assert run_logged([sys.executable, "-c", noisy], log) == "mine\n"
