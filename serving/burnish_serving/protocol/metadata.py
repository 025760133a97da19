"""What the server and a model say of themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

from burnish_engine import __version__
from burnish_engine.descriptor import EngineDescriptor, TensorSpec
from burnish_serving.protocol.datatypes import DATATYPES

SERVER_NAME = "burnish"
MODEL_VERSION = "1"
EXTENSIONS = (
    *("binary_tensor_data", "classification", "model_configuration", "statistics"),
    "model_repository",
)
# https://github.com/triton-inference-server/common, `protobuf/model_config.proto`, DataType.
_CONFIG_TYPES: Mapping[str, str] = {"BYTES": "TYPE_STRING"}


def server_metadata() -> dict[str, Any]:
    """`GET /v2`."""
    return {"name": SERVER_NAME, "version": __version__, "extensions": list(EXTENSIONS)}


def model_metadata(name: str, descriptor: EngineDescriptor) -> dict[str, Any]:
    """`GET /v2/models/{name}`: a dynamic dimension is -1."""
    return {
        "name": name,
        "versions": [MODEL_VERSION],
        "platform": descriptor.backend.value,
        "inputs": [_tensor(spec) for spec in descriptor.inputs],
        "outputs": [_tensor(spec) for spec in descriptor.outputs],
    }


def model_config(name: str, descriptor: EngineDescriptor) -> dict[str, Any]:
    """`GET /v2/models/{name}/config`, as Triton's clients read it. Batching is the caller's, hence 0."""
    return {
        "name": name,
        "platform": descriptor.backend.value,
        "backend": descriptor.backend.value,
        "max_batch_size": 0,
        "input": _config_tensors(descriptor.inputs),
        "output": _config_tensors(descriptor.outputs),
    }


def repository_index(states: Mapping[str, str]) -> list[dict[str, str]]:
    """`POST /v2/repository/index`: the models with their states (READY, LOADING, UNAVAILABLE)."""
    return [{"name": name, "version": MODEL_VERSION, "state": state} for name, state in states.items()]


def _shape(spec: TensorSpec) -> list[int]:
    return [-1 if size is None else size for size in spec.shape]


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": DATATYPES[spec.dtype], "shape": _shape(spec)}


def _config_tensors(specs: Sequence[TensorSpec]) -> list[dict[str, Any]]:
    return [{"name": s.name, "data_type": _config_type(s), "dims": _shape(s)} for s in specs]


def _config_type(spec: TensorSpec) -> str:
    datatype = DATATYPES[spec.dtype]
    return _CONFIG_TYPES.get(datatype, f"TYPE_{datatype}")
