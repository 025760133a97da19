"""What OpenVINO Model Server takes as `config.json`, as far as we write it. Closed: wrong names are refused.

Written after its documentation: "Model Server Parameters", "Model Version Policy", "Metrics".
"""

from typing import Any

_COUNT = {"type": "integer", "minimum": 0}
_VERSION = {"type": "integer", "minimum": 1}


def _closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": list(required),
    }


_POLICY = {
    "oneOf": [
        _closed({"all": _closed({})}, "all"),
        _closed({"latest": _closed({"num_versions": _VERSION}, "num_versions")}, "latest"),
        _closed(
            {"specific": _closed({"versions": {"type": "array", "items": _VERSION}}, "versions")}, "specific"
        ),
    ]
}
_MODEL = _closed(
    {
        "name": {"type": "string", "minLength": 1},
        "base_path": {"type": "string", "pattern": r"^(?!.*\.\.).+$"},
        "target_device": {"type": "string", "pattern": "^(CPU|GPU|NPU|AUTO|HETERO)"},
        "nireq": _COUNT,
        "batch_size": {"type": ["integer", "string"], "minimum": 0},
        "shape": {"type": ["string", "object"], "additionalProperties": {"type": "string"}},
        "layout": {"type": ["string", "object"], "additionalProperties": {"type": "string"}},
        "plugin_config": {
            "type": "object",
            "additionalProperties": {"type": ["string", "boolean", "number"]},
        },
        "model_version_policy": _POLICY,
    },
    "name",
    "base_path",
)
_METRICS = _closed(
    {"enable": {"type": "boolean"}, "metrics_list": {"type": "array", "items": {"type": "string"}}}, "enable"
)
SCHEMA: dict[str, Any] = _closed(
    {
        "model_config_list": {"type": "array", "items": _closed({"config": _MODEL}, "config")},
        "monitoring": _closed({"metrics": _METRICS}, "metrics"),
    },
    "model_config_list",
)
