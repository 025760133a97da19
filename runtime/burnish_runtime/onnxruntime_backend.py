"""ONNX Runtime: on the CPU, and on its providers for NVIDIA devices (see `onnxruntime_providers`)."""

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from burnish_engine.coverage import Coverage
from burnish_engine.descriptor import RunOptions, TensorSpec
from burnish_engine.errors import one_line
from burnish_engine.request import Backend
from burnish_runtime import check, cpu
from burnish_runtime.dtypes import BFLOAT16, ONNXRUNTIME_TYPES
from burnish_runtime.errors import (
    InferenceFailed,
    InvalidInput,
    InvalidModel,
    InvalidOptions,
    UnsupportedBackend,
)
from burnish_runtime.onnxruntime_providers import (
    NO_FALLBACK,
    RECORD,
    Provider,
    check_available,
    check_taken,
    coverage,
    providers,
)
from burnish_runtime.session import Array

# Errors arrive as exceptions; the library would also write each of them to standard error.
FATAL_ONLY = 4
ONNX_BFLOAT16 = 16
LEVELS = {
    "disabled": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}


class OnnxRuntimeSession:
    """A model in ONNX Runtime. Its `run` is thread-safe: concurrent runs share one thread pool."""

    def __init__(
        self, library: Any, model: Path, options: RunOptions, backend: Backend = Backend.ONNXRUNTIME
    ) -> None:
        self._library, self._model = library, model
        wanted = providers(backend, options.provider_options)
        check_available(library, wanted)
        made = session_options(library, options, on_cpu=backend == Backend.ONNXRUNTIME)
        self._session = _create(library, model, made, wanted)
        check_taken(self._session.get_providers(), wanted)
        self._provider = wanted[0].name
        self.inputs = _specs(self._session.get_inputs(), model)
        self.outputs = _specs(self._session.get_outputs(), model)
        self._has_bfloat16 = any(spec.dtype == BFLOAT16 for spec in (*self.inputs, *self.outputs))

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """See `burnish_runtime.session.Session.run`."""
        names = check.requested(outputs, self.outputs)
        arrays = check.feeds(feeds, self.inputs)
        compute = self._run_values if self._has_bfloat16 else self._session.run
        try:
            return dict(zip(names, compute(names, arrays) if names else (), strict=True))
        except Exception as error:
            raise self._explained(error) from error

    def coverage(self) -> Coverage:
        """See `burnish_runtime.session.Session.coverage`: nodes by the execution provider that took them."""
        return coverage(self._session.get_provider_graph_assignment_info(), self._provider)

    def close(self) -> None:
        """Give back the memory."""
        self._session = None

    def _run_values(self, names: list[str], arrays: dict[str, Array]) -> list[Array]:
        """As `run`, through ONNX Runtime's own values: NumPy has no bfloat16 to pass."""
        values = {
            spec.name: self._library.OrtValue.ortvalue_from_numpy_with_onnx_type(
                arrays[spec.name], ONNX_BFLOAT16
            )
            if spec.dtype == BFLOAT16
            else self._library.OrtValue.ortvalue_from_numpy(arrays[spec.name])
            for spec in self.inputs
        }
        return [_to_array(value) for value in self._session.run_with_ort_values(names, values)]

    def _explained(self, error: Exception) -> InvalidInput | InferenceFailed:
        kind = InvalidInput if type(error).__name__ == "InvalidArgument" else InferenceFailed
        return kind(self._model.name, found=one_line(error, 500), expected="feeds that the model can compute")


def open_session(
    model: Path, options: RunOptions, backend: Backend = Backend.ONNXRUNTIME
) -> OnnxRuntimeSession:
    """Load a model file (.onnx, its external data beside it) into the execution provider of a backend.

    Raises: UnsupportedBackend, InvalidModel, InvalidOptions.
    """
    try:
        import onnxruntime  # noqa: PLC0415 - only engines that need the library pay for it
    except ImportError as error:
        raise UnsupportedBackend(
            "onnxruntime",
            found=str(error),
            expected="the onnxruntime library",
            remedy='Install it: pip install "burnish[serving]".',
        ) from error
    onnxruntime.disable_telemetry_events()
    return OnnxRuntimeSession(onnxruntime, model, options, backend)


def session_options(library: Any, options: RunOptions, *, on_cpu: bool = True) -> Any:
    """ONNX Runtime's session options for ours.

    Off the CPU its provider is refused as a fallback, unless the options allow it.
    Threads default to the CPU quota. Under a quota idle threads sleep: spinning ones spend it. A
    property (a session config entry) overrides whatever is set here.
    Raises: InvalidOptions.
    """
    if options.graph_optimization not in LEVELS:
        raise InvalidOptions(
            "graph_optimization", found=repr(options.graph_optimization), expected=" or ".join(LEVELS)
        )
    if options.static_shapes:
        raise InvalidOptions(
            "static_shapes", found="some", expected="none: ONNX Runtime gains nothing by them"
        )
    made = library.SessionOptions()
    made.log_severity_level = FATAL_ONLY
    made.graph_optimization_level = getattr(
        library.GraphOptimizationLevel, LEVELS[options.graph_optimization]
    )
    made.intra_op_num_threads = options.threads or cpu.default_threads()
    made.inter_op_num_threads = 1
    refused = {} if on_cpu or options.allow_fallback else {NO_FALLBACK: "1"}
    for name, value in {RECORD: "1", **refused, **_spinning(), **options.properties}.items():
        _add_entry(made, name, value)
    return made


def _spinning() -> dict[str, str]:
    return {"session.intra_op.allow_spinning": "0"} if cpu.is_limited() else {}


def _add_entry(made: Any, name: str, value: str) -> None:
    try:
        made.add_session_config_entry(name, value)
    except RuntimeError as error:
        raise InvalidOptions(
            name[:80], found=one_line(error, 500), expected="a session config entry"
        ) from error


def _create(library: Any, model: Path, options: Any, wanted: Sequence[Provider]) -> Any:
    named = [(provider.name, dict(provider.options)) for provider in wanted]
    try:
        return library.InferenceSession(str(model), options, providers=named)
    except Exception as error:
        raise InvalidModel(
            str(model), found=one_line(error, 500), expected="a model that ONNX Runtime can load"
        ) from error


def _specs(nodes: Sequence[Any], model: Path) -> tuple[TensorSpec, ...]:
    return tuple(_spec(node, model) for node in nodes)


def _spec(node: Any, model: Path) -> TensorSpec:
    dtype = ONNXRUNTIME_TYPES.get(node.type)
    if dtype is None:
        raise InvalidModel(
            str(model),
            found=f"{node.name!r} of type {node.type}",
            expected="tensors of a plain element type as inputs and outputs",
        )
    return TensorSpec(
        name=node.name, dtype=dtype, shape=tuple(d if isinstance(d, int) else None for d in node.shape)
    )


def _to_array(value: Any) -> Array:
    if value.element_type() != ONNX_BFLOAT16:
        array: Array = value.numpy()
        return array
    raw = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
    return np.frombuffer(bytearray(raw), dtype=np.uint16).reshape(value.shape())
