"""Runs a model in ONNX Runtime with every graph optimization off: the same kernels, nothing rewritten."""

import ctypes
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import onnx

BASE_FOLDER = "session.model_external_initializers_file_folder_path"
FATAL_ONLY = 4
NO_PREPACKING = "session.disable_prepacking"
# Kernels keep packed copies of weights; above this the mapped files themselves must do.
MAPPED_BYTES = 128 << 20
MANY_INPUTS = 1000
# Element types that NumPy has no type for travel as their bits.
BITS = {16: np.uint16, 17: np.uint8, 18: np.uint8, 19: np.uint8, 20: np.uint8}
Feeds = dict[str, Any]


class Executable:
    """A loaded model. Sequences travel as lists, bfloat16 and float8 as their bits."""

    def __init__(
        self, model: onnx.ModelProto, base: Path | None = None, threads: int = 1, *, optimized: bool = False
    ) -> None:
        """Load it; `optimized`: as ONNX Runtime does by default.

        Raises: whatever ONNX Runtime raises: the model is not valid there.
        """
        import onnxruntime  # noqa: PLC0415 - a second to import

        self._library = onnxruntime
        options = onnxruntime.SessionOptions()
        if not optimized:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = FATAL_ONLY
        # Planned on the first run, in time that grows with the square of the values: few runs pay it back.
        options.enable_mem_pattern = False
        if base is not None:
            options.add_session_config_entry(BASE_FOLDER, str(base))
        if weight_bytes(model) > MAPPED_BYTES:
            options.add_session_config_entry(NO_PREPACKING, "1")
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._types = {v.name: v.type.tensor_type.elem_type for v in model.graph.input}
        self.inputs = tuple(v.name for v in self._session.get_inputs())
        self.outputs = tuple(v.name for v in self._session.get_outputs())

    def run(self, feeds: Mapping[str, Any], outputs: Sequence[str] | None = None) -> Feeds:
        """All outputs, or those that are named. Raises: whatever ONNX Runtime raises on these feeds."""
        names = list(outputs or self.outputs)
        given = {name: feeds[name] for name in self.inputs if name in feeds}
        if not any(self._types.get(name) in BITS for name in given):
            try:
                return dict(zip(names, self._call(names, given), strict=True))
            except Exception as error:
                if "bfloat16" not in str(error).lower() and "numpy" not in str(error).lower():
                    raise
        values = {name: self._value(name, array) for name, array in given.items()}
        found = self._session.run_with_ort_values(names, values)
        return {name: _array(value) for name, value in zip(names, found, strict=True)}

    def _call(self, names: Sequence[str], given: Mapping[str, Any]) -> Any:
        """`InferenceSession.run` looks each input up in a list of all: the square of many."""
        if len(given) < MANY_INPUTS or len(given) < len(self.inputs):
            return self._session.run(names, given)
        return self._session._sess.run(names, given, None)  # what it calls itself then

    def accepts(self, feeds: Mapping[str, Any]) -> bool:
        """Whether it runs on these feeds: what it refuses, it refuses in many ways."""
        try:
            self.run(feeds)
        except Exception:  # noqa: BLE001 - whatever ONNX Runtime raises
            return False
        return True

    def _value(self, name: str, array: Any) -> Any:
        kind = self._types.get(name, 0)
        make = self._library.OrtValue
        if kind in BITS:
            return make.ortvalue_from_numpy_with_onnx_type(np.asarray(array).view(BITS[kind]), kind)
        return make.ortvalue_from_numpy(np.asarray(array))


class Lazily:
    """A model that is loaded when it first runs."""

    def __init__(self, model: onnx.ModelProto, base: Path | None = None, threads: int = 1) -> None:
        """See `Executable`."""
        self._model, self._base, self._threads = model, base, threads

    def run(self, feeds: Mapping[str, Any]) -> Feeds:
        """All outputs. Raises: whatever ONNX Runtime raises on this model or on these feeds."""
        return self._session.run(feeds)

    @cached_property
    def _session(self) -> Executable:
        return Executable(self._model, self._base, self._threads)


def _array(value: Any) -> Any:
    if not value.is_tensor() or value.element_type() not in BITS:
        return value.numpy()
    raw = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
    return np.frombuffer(raw, dtype=BITS[value.element_type()]).reshape(value.shape())


def weight_bytes(model: onnx.ModelProto) -> int:
    """Bytes of the main graph's constants, wherever they are: in files, initializers or Constant nodes.

    What decides on kernels must be the same before and after a constant was moved.
    """
    values = (a.t for node in model.graph.node if node.op_type == "Constant" for a in node.attribute)
    return sum(_bytes(tensor) for tensor in chain(model.graph.initializer, values))


def _bytes(tensor: onnx.TensorProto) -> int:
    lengths = [int(entry.value) for entry in tensor.external_data if entry.key == "length"]
    return lengths[0] if lengths else tensor.ByteSize()
