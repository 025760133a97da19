"""Schemas of the bodies, in JSON Schema 2020-12 as OpenAPI 3.1 has it."""

from collections.abc import Mapping
from typing import Any

from burnish_serving.protocol.datatypes import DTYPES

Schema = Mapping[str, Any]

_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_DATATYPE: Schema = {"type": "string", "enum": list(DTYPES)}
_DATA: Schema = {
    "type": "array",
    "description": "The elements in row-major order: flat, or nested as the shape says.",
}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _object(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": {**required, **optional}}


def _shape(minimum: int) -> Schema:
    return _list({"type": "integer", "minimum": minimum})


def _tensor(direction: str) -> Schema:
    size = {**_COUNT, "description": f"Bytes of this {direction} behind the JSON, in place of `data`."}
    return _object(
        {"name": _TEXT, "datatype": _DATATYPE, "shape": _shape(0)},
        data=_DATA,
        parameters=_object({}, binary_data_size=size),
    )


_DURATION = _object({"count": _COUNT, "ns": _COUNT})
_SIGNATURE = _list(_object({"name": _TEXT, "datatype": _DATATYPE, "shape": _shape(-1)}))
_CONFIG_TENSORS = _list(_object({"name": _TEXT, "data_type": _TEXT, "dims": _shape(-1)}))
_DURATIONS = (
    *("success", "fail", "queue", "compute_input", "compute_infer", "compute_output"),
    *("cache_hit", "cache_miss"),
)
_MODEL_STATISTICS = _object(
    {
        "name": _TEXT,
        "version": _TEXT,
        "last_inference": _COUNT,
        "inference_count": _COUNT,
        "execution_count": _COUNT,
        "inference_stats": _object(dict.fromkeys(_DURATIONS, _DURATION)),
        "batch_stats": _list({"type": "object"}),
    }
)

SCHEMAS: Mapping[str, Schema] = {
    "Error": _object({"error": _TEXT}),
    "Live": _object({"live": _FLAG}),
    "Ready": _object({"ready": _FLAG}),
    "OpenApi": {"type": "object"},
    "Empty": _object({}),
    "ServerMetadata": _object({"name": _TEXT, "version": _TEXT, "extensions": _list(_TEXT)}),
    "ModelNames": _object({"models": _list(_TEXT)}),
    "ModelMetadata": _object(
        {
            "name": _TEXT,
            "versions": _list(_TEXT),
            "platform": _TEXT,
            "inputs": _SIGNATURE,
            "outputs": _SIGNATURE,
        }
    ),
    "ModelConfig": _object(
        {
            "name": _TEXT,
            "platform": _TEXT,
            "backend": _TEXT,
            "max_batch_size": _COUNT,
            "input": _CONFIG_TENSORS,
            "output": _CONFIG_TENSORS,
        }
    ),
    "Statistics": _object({"model_stats": _list(_MODEL_STATISTICS)}),
    "RepositoryIndex": _list(_object({"name": _TEXT, "version": _TEXT, "state": _TEXT})),
    "RequestInput": _tensor("input"),
    "RequestOutput": _object(
        {"name": _TEXT},
        parameters=_object(
            {},
            binary_data=_FLAG,
            classification={**_COUNT, "description": "That many `value:index` strings a row, best first."},
        ),
    ),
    "InferenceRequest": _object(
        {"inputs": _list(_ref("RequestInput"))},
        id=_TEXT,
        outputs=_list(_ref("RequestOutput")),
        parameters=_object({}, binary_data_output=_FLAG),
    ),
    "InferenceResponse": _object(
        {"model_name": _TEXT, "model_version": _TEXT, "outputs": _list(_tensor("output"))}, id=_TEXT
    ),
}
