"""What the image build hashes is what the Dockerfile copies, and every package is pinned."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "hack" / "images"))

import inputs  # noqa: E402
import wheels  # noqa: E402
from registry import Registry  # noqa: E402

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


STARTS_FROM = {
    name: parent for parent, name in re.findall(r"^FROM (\S+) AS (\w+)$", DOCKERFILE, re.MULTILINE)
}


def copied(stage: str) -> set[str]:
    """What a stage, and those that it starts from, copy out of the repository."""
    if stage not in STARTS_FROM:
        return set()
    body = re.split(rf"^FROM \S+ AS {stage}$", DOCKERFILE, flags=re.MULTILINE)[1].split("\nFROM ")[0]
    found = {path for line in re.findall(r"^COPY (.+)$", body, re.MULTILINE) for path in line.split()[:-1]}
    return found | copied(STARTS_FROM[stage])


@pytest.mark.parametrize("target", inputs.OF_TARGET)
def test_what_is_hashed_is_what_is_copied(target: str) -> None:
    assert set(inputs.paths(target)) == copied(target) | {"Dockerfile", ".dockerignore"}


def test_every_direct_dependency_of_an_image_is_pinned_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra in ("operator", "optimizer", "serving"):
        text = (ROOT / "constraints" / f"{extra}.txt").read_text(encoding="utf-8")
        pinned = set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))
        wanted = [*project["dependencies"], *project["optional-dependencies"][extra]]
        assert {re.split(r"[\[>=<]", line)[0].lower() for line in wanted} <= pinned


@pytest.mark.parametrize(
    ("part", "whole"), [("core", "runtime"), ("core", "operator"), ("runtime", "serving")]
)
def test_a_shared_layer_holds_what_the_next_one_wants(part: str, whole: str) -> None:
    lines = {
        name: (ROOT / "constraints" / f"{name}.txt").read_text("utf-8").splitlines() for name in (part, whole)
    }
    assert set(lines[part]) <= set(lines[whole])


def test_the_operator_has_no_numpy_and_nothing_reports_home() -> None:
    # OpenTelemetry speaks to whom OTEL_EXPORTER_OTLP_ENDPOINT names, and to nobody where it names nobody.
    others = [pin for pin in wheels.pins() if not pin.startswith("opentelemetry-")]
    assert not [pin for pin in others if "telemetry" in pin]
    assert "numpy" not in (ROOT / "constraints" / "operator.txt").read_text(encoding="utf-8")


def test_another_base_is_another_image() -> None:
    one, other = (inputs.digest_of("operator", base) for base in ("host/base@sha256:1", "host/base@sha256:2"))
    assert one != other
    assert one == inputs.digest_of("operator", "host/base@sha256:1")


@pytest.mark.parametrize(
    "reference", ["python:3.11", "localhost/base:1", "host.example/base@sha256:0a", "host.example:5000/base"]
)
def test_a_base_whose_registry_cannot_be_asked_is_taken_as_it_is(reference: str) -> None:
    assert Registry.pinned(reference, plain_http=True) == reference
