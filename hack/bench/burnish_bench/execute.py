"""One run of a model file on the inputs of a case."""

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper

from support.onnx_suites import read_inputs

FATAL_ONLY = 4
PLAIN = frozenset(np.dtype(letter).name for letter in "?bBhHiIlLefdFD")


def execute(path: Path, folder: str, *, optimized: bool = False) -> dict[str, Any]:
    """Outputs by name, on one thread, with every graph optimization disabled or as ONNX Runtime has them."""
    session = load(path, optimized=optimized)
    names = [each.name for each in session.get_outputs()]
    feeds = feeds_of(session, Path(folder))
    if not any(_is_narrow(value) for value in feeds.values()):
        try:
            return dict(zip(names, session.run(names, feeds), strict=True))
        except RuntimeError as error:  # an output that NumPy has no type for
            if "Numpy" not in str(error):
                raise
    found = session.run_with_ort_values(names, {name: _value(array) for name, array in feeds.items()})
    return {name: _array(value) for name, value in zip(names, found, strict=True)}


def load(path: Path, *, optimized: bool) -> ort.InferenceSession:
    """A session on one thread."""
    options = ort.SessionOptions()
    if not optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = FATAL_ONLY
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def feeds_of(session: ort.InferenceSession, folder: Path) -> Mapping[str, Any]:
    """The inputs of a case that the session asks for."""
    given = read_inputs(folder, onnx.load(folder / "model.onnx", load_external_data=False))
    wanted = {each.name for each in session.get_inputs()}
    return {name: value for name, value in given.items() if name in wanted}


def _is_narrow(value: Any) -> bool:
    """An element type that NumPy does not have: bfloat16, float8, 4 and 2 bits."""
    return isinstance(value, np.ndarray) and value.dtype.kind not in "OSU" and value.dtype.name not in PLAIN


def _value(array: Any) -> ort.OrtValue:
    if not _is_narrow(array):
        return ort.OrtValue.ortvalue_from_numpy(array)
    bits = array.view(np.uint16 if array.dtype.itemsize == 2 else np.uint8)
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(bits, helper.np_dtype_to_tensor_dtype(array.dtype))


def _array(value: ort.OrtValue) -> Any:
    if not value.is_tensor():
        return value.numpy()
    dtype = helper.tensor_dtype_to_np_dtype(value.element_type())
    if not _is_narrow(np.empty(0, dtype)):
        return value.numpy()
    raw = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
    count = int(np.prod(value.shape()))
    if len(raw) == count * dtype.itemsize:
        return np.frombuffer(raw, dtype).reshape(value.shape())
    return np.frombuffer(raw, np.uint8)  # several elements a byte: compared as they are packed
