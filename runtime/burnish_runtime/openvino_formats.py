"""The formats that OpenVINO really computes in: a hint is a wish, and the execution graph tells.

Source: OpenVINO, `ov::CompiledModel::get_runtime_model` and `openvino/runtime/exec_model_info.hpp`.
"""

from collections import Counter
from typing import Any

from burnish_engine.coverage import Coverage

# Layers of the CPU plugin's execution graph that hold, move or convert values, and compute nothing.
MOVING = frozenset({
    "Broadcast", "Concatenation", "Const", "Convert", "Gather", "Input", "MemoryInput", "MemoryOutput",
    "Output", "Reorder", "Reshape", "ShapeOf", "Split", "StridedSlice", "Transpose",
})  # fmt: skip
FLOATS = frozenset({"bf16", "f16", "f32", "f64", "f8e4m3", "f8e5m2"})
WHOLE = frozenset({"i4", "i8", "u4", "u8"})


def coverage(executed: Any) -> Coverage:
    """Layers that compute, by format. A model that compiled runs here whole: the CPU plugin has no other.

    Args: executed: the runtime model of a compiled model.
    """
    told = [node.get_rt_info() for node in executed.get_ops()]
    kinds = [(_text(info, "layerType"), _text(info, "runtimePrecision")) for info in told]
    formats = Counter(each for kind, each in kinds if kind not in MOVING and each in FLOATS | WHOLE)
    return Coverage(nodes=len(kinds), formats=dict(formats.most_common()))


def _text(info: Any, name: str) -> str:
    return str(info[name].astype(str)) if name in info else ""
