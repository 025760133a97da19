"""What a request to load a model says: Triton's model repository extension, with one parameter of ours.

The engine is the parameter `burnish.engine`. Clients that know Triton's parameters alone say it in `config`:
`{"parameters": {"burnish.engine": {"string_value": "oci://…"}}}`.
Source: triton-inference-server/server, docs/protocol/extension_model_repository.md
"""

import json
from collections.abc import Mapping
from typing import Any

from burnish_serving.errors import InvalidRequest

ENGINE, CONFIG = "burnish.engine", "config"


def requested_engine(parameters: Mapping[str, Any]) -> str | None:
    """The engine that a request to load names, None where it names none.

    Raises: InvalidRequest: parameters that are not known here, or that are not what they should be.
    """
    unknown = sorted(parameters.keys() - {ENGINE, CONFIG})
    if unknown:
        raise InvalidRequest("parameters", found=", ".join(unknown)[:200], expected=f"{ENGINE}, or {CONFIG}")
    engine, config = parameters.get(ENGINE), parameters.get(CONFIG)
    if config is not None and not isinstance(config, str):
        raise InvalidRequest(f"parameter {CONFIG}", found=type(config).__name__, expected="JSON, as a string")
    if engine is None and config is not None:
        told = json_object(json_object(config).get("parameters", {}), "config.parameters").get(ENGINE)
        engine = told.get("string_value") if isinstance(told, dict) else told
    if engine is not None and not isinstance(engine, str):
        raise InvalidRequest(f"parameter {ENGINE}", found=type(engine).__name__, expected="a string")
    return engine


def json_object(value: Any, subject: str = "body") -> dict[str, Any]:
    """A JSON object, or its text; nothing is an empty one. Raises: InvalidRequest."""
    if isinstance(value, bytes | str):
        try:
            value = json.loads(value or "{}")
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(subject, found=str(error)[:200], expected="a JSON object") from error
    if not isinstance(value, dict):
        raise InvalidRequest(subject, found=type(value).__name__, expected="a JSON object")
    return value
