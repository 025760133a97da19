"""Which nodes answer row by row, so that all perturbed runs can be taken as one, on a batch of them.

A value of rows has them on its first axis, as many as everything that goes into the region has there; a
constant is broadcast over them. What is not in the table is run again and again.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from burnish_optimizer.reference import fp64_elementwise
from burnish_optimizer.reference.fp64_reduce import REDUCTIONS, reduced_axes
from burnish_optimizer.reference.fp64_values import Call, Wide

Test = Callable[[Call, int], bool]


def rowwise(key: str, call: Call, outputs: list[Any], rows: int) -> bool:
    """Whether this node, on its rows alone or beside others, gives the same rows.

    Args: key: the op type, with its domain where that is not ONNX's.   outputs: what it gave.
    """
    test = TESTS.get(key)
    made = all(isinstance(y, Wide) and y.data.ndim > 0 and y.data.shape[0] == rows for y in outputs)
    return made and test is not None and test(call, np.ndim(outputs[0].data))


def _fed(call: Call, index: int) -> bool:
    value = call.inputs[index] if index < len(call.inputs) else None
    return isinstance(value, Wide) and value.fed


def _elementwise(call: Call, rank: int) -> bool:
    """Rows on the same axis everywhere; constants broadcast over them."""
    return all(
        np.ndim(x) == rank if _fed(call, i) else np.ndim(x) < rank or np.shape(x)[0] == 1
        for i, x in enumerate(call.data)
        if x is not None
    )


def _weighted(call: Call, _rank: int) -> bool:
    """The first input and an addend have rows; weights are constant. One output: indices count elements."""
    return len(call.node.outputs) == 1 and _fed(call, 0) and not any(_fed(call, i) for i in (1, 2, 4, 5))


def _normalized(call: Call, _rank: int) -> bool:
    x = call.data[0]
    inner = call.attr("axis", -1) % np.ndim(x) > 0
    return bool(inner and _fed(call, 0) and not any(_fed(call, i) for i in range(1, len(call.inputs))))


def _softmax(call: Call, rank: int) -> bool:
    axis = call.attr("axis", -1 if call.version >= 13 else 1)
    return bool(axis % rank > 0)


def _matmul(call: Call, rank: int) -> bool:
    a, b = call.data[:2]
    if not _fed(call, 0):
        return False
    return np.ndim(a) == rank and (np.ndim(a) == np.ndim(b) > 2 if _fed(call, 1) else np.ndim(b) == 2)


def _gemm(call: Call, _rank: int) -> bool:
    c = call.given(2)
    broadcast = c is None or np.ndim(c) < 2 or np.shape(c)[0] == 1
    return _fed(call, 0) and not _fed(call, 1) and not call.attr("transA", 0) and (broadcast or _fed(call, 2))


def _reduced(call: Call, _rank: int) -> bool:
    axes = reduced_axes(call)
    return axes is not None and 0 not in axes and not _fed(call, 1)


def _transposed(call: Call, rank: int) -> bool:
    perm = call.attr("perm")
    return perm is not None and perm[0] == 0 and rank > 0


def _concatenated(call: Call, rank: int) -> bool:
    return call.attr("axis", 0) % rank > 0 and all(_fed(call, i) for i in range(len(call.inputs)))


TESTS: Mapping[str, Test] = {
    **dict.fromkeys(fp64_elementwise.KERNELS, _elementwise),
    **dict.fromkeys(("Cast", "CastLike", "Dropout"), _elementwise),
    **dict.fromkeys(("Conv", "ConvTranspose", "com.microsoft::FusedConv", "BatchNormalization",
                     "InstanceNormalization", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"),
                    _weighted),
    **dict.fromkeys(("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization",
                     "com.microsoft::LayerNormalization"), _normalized),
    **dict.fromkeys(("Softmax", "LogSoftmax"), _softmax),
    **dict.fromkeys(REDUCTIONS, _reduced),
    "MatMul": _matmul, "Gemm": _gemm, "Transpose": _transposed, "Concat": _concatenated,
}  # fmt: skip
