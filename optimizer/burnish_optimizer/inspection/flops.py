"""Floating-point operations of a node, from the shapes of its values. Pure.

A multiplication and an addition are two. Linear operators are counted exactly; the others by the work
that each element takes (Softmax: maximum, difference, exponential, sum, quotient). A transcendental
function counts as one. What only moves data counts nothing.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import onnx_ir as ir

from burnish_optimizer.rewrite.values import attribute, op_key, shape

Dims = tuple[int, ...]


def flops(node: ir.Node) -> int | None:
    """Operations of one run of this node (without its subgraphs); None where a shape is not known."""
    name = op_key(node).removeprefix("com.microsoft::")
    if name in MOVES:
        return 0
    if name in LINEAR:
        return LINEAR[name](node)
    if name in PER_INPUT:
        return _times(PER_INPUT[name], known(node.inputs[0] if node.inputs else None))
    return _times(PER_OUTPUT.get(name, 1), known(node.outputs[0] if node.outputs else None))


def known(value: ir.Value | None) -> Dims | None:
    """The shape, where every dimension is known."""
    dims = shape(value)
    if dims is None or None in dims:
        return None
    return tuple(dim for dim in dims if dim is not None)


def _times(work: int, dims: Dims | None) -> int | None:
    return None if dims is None else work * math.prod(dims)


def _shapes(values: Sequence[ir.Value | None], count: int) -> list[Dims] | None:
    found = [known(value) for value in values[:count]]
    return [dims for dims in found if dims is not None] if len(found) == count and None not in found else None


def _conv(node: ir.Node, weight: int = 1) -> int | None:
    """2 · outputs · (channels of a group · kernel). The weight is [C_out, C_in / groups, kernel…]."""
    kernel, out = known(node.inputs[weight]), known(node.outputs[0])
    return None if kernel is None or out is None else 2 * math.prod(out) * math.prod(kernel[1:])


def _conv_transpose(node: ir.Node) -> int | None:
    """2 · inputs · (channels out of a group · kernel). The weight is [C_in, C_out / groups, kernel…]."""
    found = _shapes(node.inputs, 2)
    return None if found is None else 2 * math.prod(found[0]) * math.prod(found[1][1:])


def _matmul(node: ir.Node) -> int | None:
    """2 · outputs · inner size."""
    left, out = known(node.inputs[0]), known(node.outputs[0])
    if left is None or out is None or not left:
        return None
    inner = left[-2] if attribute(node, "transA", 0) and len(left) > 1 else left[-1]
    return 2 * math.prod(out) * inner


def _recurrent(gates: int) -> Callable[[ir.Node], int | None]:
    """2 · gates · hidden · (input + hidden), for each step, row and direction."""

    def count(node: ir.Node) -> int | None:
        found = _shapes(node.inputs, 3)
        if found is None:
            return None
        (steps, rows, size), directions, hidden = found[0], found[1][0], found[2][2]
        return 2 * gates * hidden * (size + hidden) * steps * rows * directions

    return count


def _attention(node: ir.Node) -> int | None:
    """Q·Kᵀ and its product with V: 4 · batch · queries · keys · width of all heads."""
    found = _shapes(node.inputs, 2)
    if found is None or len(found[0]) not in (3, 4):
        return None
    query, key = found
    return 4 * math.prod(query) * key[-2] if len(key) == len(query) else None


def _packed_attention(node: ir.Node) -> int | None:
    """com.microsoft::Attention: the projection to Q, K and V, then attention over the own sequence."""
    found = _shapes(node.inputs, 2)
    if found is None or len(found[0]) != 3 or len(found[1]) != 2:
        return None
    (batch, length, size), width = found[0], found[1][1]
    return 2 * batch * length * size * width + 4 * batch * length * length * (width // 3)


def _einsum(node: ir.Node) -> int | None:
    """2 · the product of the sizes of all indices."""
    terms = str(attribute(node, "equation", "")).replace(" ", "").split("->")[0].split(",")
    found = _shapes(node.inputs, len(node.inputs))
    if found is None or any(
        "." in term or len(term) != len(d) for term, d in zip(terms, found, strict=False)
    ):
        return None
    sizes = {
        index: size
        for term, dims in zip(terms, found, strict=False)
        for index, size in zip(term, dims, strict=True)
    }
    return (2 if len(found) > 1 else 1) * math.prod(sizes.values())


def _pool(node: ir.Node) -> int | None:
    """One operation for each element of each window."""
    return _times(math.prod(attribute(node, "kernel_shape", (1,))), known(node.outputs[0]))


LINEAR: Mapping[str, Callable[[ir.Node], int | None]] = {
    **dict.fromkeys(("Conv", "ConvInteger", "FusedConv", "DeformConv", "NhwcFusedConv"), _conv),
    "QLinearConv": lambda node: _conv(node, weight=3),
    "ConvTranspose": _conv_transpose,
    **dict.fromkeys(
        (
            "MatMul",
            "Gemm",
            "MatMulInteger",
            "QLinearMatMul",
            "FusedMatMul",
            "FusedGemm",
            "MatMulNBits",
            "DynamicQuantizeMatMul",
        ),
        _matmul,
    ),
    "Einsum": _einsum,
    "LSTM": _recurrent(4),
    "GRU": _recurrent(3),
    "RNN": _recurrent(1),
    **dict.fromkeys(("MultiHeadAttention", "GroupQueryAttention"), _attention),
    "Attention": lambda node: _packed_attention(node) if node.domain == "com.microsoft" else _attention(node),
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), _pool),
}
# Operations for each element of the first input, where the output is smaller.
PER_INPUT: Mapping[str, int] = {
    **dict.fromkeys(
        ("GlobalAveragePool", "GlobalMaxPool", "ArgMax", "ArgMin", "ReduceSum", "ReduceMean", "ReduceMax"), 1
    ),
    **dict.fromkeys(("ReduceMin", "ReduceProd", "ReduceL1", "ReduceLogSum", "TopK", "NonMaxSuppression"), 1),
    **dict.fromkeys(("ReduceL2", "ReduceSumSquare", "GlobalLpPool", "ReduceLogSumExp"), 2),
}
# Operations for each element of the output; what is not named here takes one.
PER_OUTPUT: Mapping[str, int] = {
    "BatchNormalization": 2,
    **dict.fromkeys(("LayerNormalization", "InstanceNormalization", "GroupNormalization"), 8),
    **dict.fromkeys(("SkipLayerNormalization", "EmbedLayerNormalization"), 9),
    **dict.fromkeys(("RMSNormalization", "SimplifiedLayerNormalization", "LpNormalization"), 5),
    **dict.fromkeys(("Softmax", "LogSoftmax", "MeanVarianceNormalization"), 5),
    **dict.fromkeys(("Gelu", "FastGelu", "BiasGelu", "Mish", "HardSwish", "LRN", "RotaryEmbedding"), 4),
    **dict.fromkeys(
        ("Sigmoid", "HardSigmoid", "Swish", "QuickGelu", "Elu", "Selu", "Celu", "Resize", "GridSample"), 3
    ),
}
# No arithmetic: shapes, indices, copies, choices.
MOVES = frozenset(
    ("Reshape", "Transpose", "Identity", "Shape", "Size", "Constant", "ConstantOfShape", "Concat",
     "Split", "Slice", "Gather", "GatherElements", "GatherND", "Scatter", "ScatterElements",
     "ScatterND", "Squeeze", "Unsqueeze", "Flatten", "Expand", "Tile", "Pad", "Cast", "CastLike",
     "Where", "DepthToSpace", "SpaceToDepth", "Dropout", "Range", "OneHot", "NonZero", "Compress",
     "ReverseSequence", "EyeLike", "If", "Loop", "Scan", "Unique", "SequenceAt", "SequenceConstruct",
     "SequenceEmpty", "SequenceInsert", "SequenceErase", "SequenceLength", "SplitToSequence",
     "ConcatFromSequence", "Optional", "OptionalGetElement", "OptionalHasElement", "ReorderInput",
     "ReorderOutput", "Trilu")
)  # fmt: skip
