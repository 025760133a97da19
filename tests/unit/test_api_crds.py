"""The CRDs are generated: current, structural, and documented field by field."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from pydantic import BaseModel, Field

from burnish_operator.api import crds
from burnish_operator.api.markers import Rule
from burnish_operator.api.schema import structural_schema

ROOT = Path(__file__).resolve().parents[2]
DEFINITIONS = {definition["spec"]["names"]["kind"]: definition for definition in crds.definitions()}
# apiextensions.k8s.io/v1 JSONSchemaProps, as far as a structural schema may use it.
KNOWN = {
    "description", "type", "format", "default", "enum", "required", "properties", "items",
    "additionalProperties", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "pattern",
    "anyOf", "x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
    "x-kubernetes-int-or-string",
}  # fmt: skip


def schema_of(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = DEFINITIONS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every sub-schema with its path."""
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from nodes(part, f"{path}.{name}")
    for key, suffix in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key], path + suffix)


ALL = [(f"{kind}{path}", node) for kind in DEFINITIONS for path, node in nodes(schema_of(kind))]


def test_the_files_are_current() -> None:
    assert crds.stale(ROOT) == []


def test_check_tells_which_file_is_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    crds.write(tmp_path)
    assert crds.main(["--check", str(tmp_path)]) == 0
    (tmp_path / "crds" / "optimizedmodels.yaml").write_text("edited")
    assert crds.main(["--check", str(tmp_path)]) == 1
    assert "crds/optimizedmodels.yaml is stale" in capsys.readouterr().err


@pytest.mark.parametrize(("path", "node"), ALL, ids=[path for path, _ in ALL])
def test_every_field_is_structural_bounded_and_told(path: str, node: dict[str, Any]) -> None:
    assert set(node) <= KNOWN
    assert "type" in node or node.get("x-kubernetes-int-or-string")
    if not path.endswith(("[]", "{}", ".metadata")):
        assert len(node["description"]) > 3, path
    if node.get("type") == "array":
        assert {"maxItems", "x-kubernetes-list-type"} <= set(node)
    if isinstance(node.get("additionalProperties"), dict):
        assert "maxProperties" in node
    if node.get("type") == "string" and not path.endswith((".apiVersion", ".kind")):
        assert {"maxLength", "enum", "format"} & set(node)


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_nothing_of_the_status_is_filled_in(kind: str) -> None:
    assert all("default" not in node for _, node in nodes(schema_of(kind)["properties"]["status"]))


def test_names_subresources_and_categories() -> None:
    model, hardware = (DEFINITIONS[kind]["spec"] for kind in ("OptimizedModel", "AcceleratorClass"))
    assert (model["scope"], hardware["scope"]) == ("Namespaced", "Cluster")
    assert (model["names"]["shortNames"], hardware["names"]["shortNames"]) == (["om"], ["ac"])
    assert model["names"]["categories"] == hardware["names"]["categories"] == ["burnish"]
    assert model["versions"][0]["subresources"]["scale"] == {
        "specReplicasPath": ".spec.serving.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_columns_point_at_fields_that_exist(kind: str) -> None:
    known = {path for path, _ in nodes(schema_of(kind))} | {".metadata.creationTimestamp"}
    for column in DEFINITIONS[kind]["spec"]["versions"][0]["additionalPrinterColumns"]:
        path = column["jsonPath"].partition("[?")[0].replace(".facts.product", ".facts")
        assert path in known


def test_the_yaml_says_what_the_definition_says() -> None:
    for definition in DEFINITIONS.values():
        assert yaml.safe_load(crds.to_yaml(definition)) == definition


class Inner(BaseModel):
    """The type's own words."""

    size: Annotated[int, Field(gt=0), Rule("self != 13", "any other number")] | None = Field(
        default=None, description="A number."
    )


class Outer(BaseModel):
    """A model."""

    inner: Inner = Field(default=Inner(), description="The field's words.")
    maybe: Inner | None = Field(default=None, description="Perhaps.")
    names: tuple[str, ...] = Field(default=(), description="Names.")


def test_a_model_becomes_a_structural_schema() -> None:
    size = {
        "description": "A number.",
        "type": "integer",
        "exclusiveMinimum": True,
        "minimum": 0,
        "x-kubernetes-validations": [{"rule": "self != 13", "message": "any other number"}],
    }
    inner = {"type": "object", "properties": {"size": size}}
    assert structural_schema(Outer) == {
        "description": "A model.",
        "type": "object",
        "properties": {
            "inner": inner | {"description": "The field's words.", "default": {}},
            "maybe": inner | {"description": "Perhaps."},
            "names": {"description": "Names.", "type": "array", "items": {"type": "string"}},
        },
    }
