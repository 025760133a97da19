"""From a pydantic model to a structural schema, the only kind that a CRD may hold.

JSON Schema (draft 2020-12)            structural schema (OpenAPI 3.0)
`$ref` into `$defs`                    written out in place
`anyOf: [X, {type: null}]`, default null   X (an absent field is absent)
`exclusiveMinimum: 0`                  `minimum: 0, exclusiveMinimum: true`
`default: {…}` of an object            `default: {}` (its own fields have theirs)
`title`, an empty list or map by default   nothing
"""

from typing import Any

from pydantic import BaseModel

from burnish_operator.api.markers import VALIDATIONS

Schema = dict[str, Any]
_DROPPED = ("title", "$defs")
_FIRST = ("description", "type", "format", "default", "enum", "required", "properties")
_EXCLUSIVE = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


def structural_schema(model: type[BaseModel]) -> Schema:
    """The schema of a model's wire form, without `$ref`, null or title."""
    raw = model.model_json_schema(by_alias=True, mode="validation")
    return _convert(raw, raw.get("$defs", {}))


def _convert(node: Schema, definitions: Schema) -> Schema:
    node = _without_null(_inlined(node, definitions), definitions)
    schema = {key: value for key, value in node.items() if key not in _DROPPED}
    _exclusive_bounds(schema)
    _defaults(schema)
    if "properties" in schema:
        schema["properties"] = {
            name: _convert(part, definitions) for name, part in schema["properties"].items()
        }
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            schema[key] = _convert(schema[key], definitions)
    if schema.get("x-kubernetes-int-or-string"):
        del schema["type"], schema["maxLength"]
    return {key: schema[key] for key in sorted(schema, key=_reading_order)}


def _reading_order(key: str) -> tuple[int, str]:
    return (_FIRST.index(key), key) if key in _FIRST else (len(_FIRST), key)


def _inlined(node: Schema, definitions: Schema) -> Schema:
    if "$ref" not in node:
        return node
    target = _inlined(definitions[node["$ref"].rpartition("/")[2]], definitions)
    return _merged(target, {key: value for key, value in node.items() if key != "$ref"})


def _without_null(node: Schema, definitions: Schema) -> Schema:
    options = [option for option in node.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) != 1:
        return node
    outer = {key: value for key, value in node.items() if key != "anyOf"}
    return _without_null(_merged(_inlined(options[0], definitions), outer), definitions)


def _merged(inner: Schema, outer: Schema) -> Schema:
    """The outer node speaks last (a field's description beats that of its type); rules of both hold."""
    merged = inner | outer
    if rules := [*inner.get(VALIDATIONS, ()), *outer.get(VALIDATIONS, ())]:
        merged[VALIDATIONS] = rules
    return merged


def _exclusive_bounds(schema: Schema) -> None:
    for exclusive, bound in _EXCLUSIVE.items():
        if exclusive in schema:
            schema[bound], schema[exclusive] = schema[exclusive], True


def _defaults(schema: Schema) -> None:
    if schema.get("default", "absent") in (None, [], {}, ""):
        del schema["default"]
    elif "default" in schema and "properties" in schema:
        schema["default"] = {}


def without_defaults(schema: Schema) -> Schema:
    """The same schema, where the server fills in nothing: for status, which says only what was seen."""
    kept = {key: value for key, value in schema.items() if key != "default"}
    if "properties" in kept:
        kept["properties"] = {name: without_defaults(part) for name, part in kept["properties"].items()}
    if isinstance(kept.get("items"), dict):
        kept["items"] = without_defaults(kept["items"])
    return kept
