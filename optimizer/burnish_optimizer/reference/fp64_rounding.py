"""How far one node may round away: the local error of its outputs, derived from its operands.

u is the unit roundoff of the output's type. What is returned is meant as the size of one random error.

- Elementwise arithmetic: u·|y|; sums u·Σ|operands|, so that (a + b) + c = a + (b + c) is covered.
- Functions: figures of KERNEL_ERRORS. Measured on ONNX Runtime 1.32, x86-64 (MLAS), 500,000 points an
  operator against FP64, largest error: Erf 1.4 u·|y|; Exp 1.2; Tanh 5.3 (2.5 u absolute); Sigmoid 1.2 u
  absolute, its tail is flushed below -18; Log 3.3; Softplus 4.7; Mish 7.7; Sin, Cos 2.9; Atan 4.0;
  Gelu 1.8 u·|x|; FastGelu 3.3 u·|x|; QuickGelu 3.0 u·|x|; Elu, Selu e^x - 1 without expm1: u absolute.
- Sums of n terms: every partial sum S_k is rounded once, by at most u·|S_k|, and these errors are
  independent in sign (Higham and Mary, "A New Approach to Probabilistic Rounding Error Analysis", 2019):
  u·√(Σ S_k²). S_k are those of the operands at hand, at up to eight points of the sum, linear in between.
  For terms of one sign this is √(n/3)·u·|y|, for terms of random signs far below √n·u·Σ|a·b|.
- Anything else: what the operator makes of operands that are each off by PROBE·u, at random; and u·max|y|,
  for such operators mix elements on the way.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from burnish_optimizer.reference import fp64_linear
from burnish_optimizer.reference.fp64_reduce import channelwise, reduced_axes, softmax_view
from burnish_optimizer.reference.fp64_values import Call, DType, Kernel, Magnitude, is_float, unit_roundoff
from burnish_runtime.session import Array

PROBE = 8
PROBES = 3
EXACT = frozenset({
    "Identity", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Concat", "Split", "Slice",
    "Gather", "GatherElements", "GatherND", "Expand", "Tile", "Pad", "Where", "Neg", "Abs", "Relu", "Max",
    "Min", "Clip", "Floor", "Ceil", "Round", "Sign", "MaxPool", "GlobalMaxPool", "ReduceMax", "ReduceMin",
    "DepthToSpace", "SpaceToDepth", "Dropout", "Constant", "ConstantOfShape", "EyeLike", "Trilu",
    "Compress", "TopK", "OneHot", "ScatterElements", "ScatterND", "Scatter", "ReverseSequence",
    "CenterCropPad", "Unique", "Shape", "Size", "ThresholdedRelu", "MaxUnpool", "Hardmax", "NonZero",
    "ArgMax", "ArgMin", "SequenceConstruct", "SequenceAt", "SequenceInsert", "SequenceErase",
    "SequenceEmpty", "SequenceLength", "SplitToSequence", "ConcatFromSequence", "Optional",
    "OptionalGetElement", "OptionalHasElement",
})  # fmt: skip
# Error in u: relative to |y|, absolute, and relative to |x|.
KERNEL_ERRORS: Mapping[str, tuple[float, float, float]] = {
    "Erf": (2, 0, 0), "Exp": (2, 0, 0), "Tanh": (5, 0, 0), "Sigmoid": (2, 2, 0), "Log": (4, 0, 0),
    "Softplus": (5, 0, 0), "Softsign": (3, 0, 0), "Mish": (8, 0, 0), "Sin": (3, 1, 0), "Cos": (3, 1, 0),
    "Tan": (4, 1, 0), "Atan": (4, 0, 0), "Sqrt": (1, 0, 0), "Reciprocal": (1, 0, 0), "Elu": (2, 1, 0),
    "Selu": (2, 2, 0), "Celu": (2, 1, 0), "HardSigmoid": (2, 1, 0), "HardSwish": (2, 0, 2), "Gelu": (2, 0, 2),
    "Swish": (3, 0, 2), "LeakyRelu": (1, 0, 0), "PRelu": (1, 0, 0), "Mul": (1, 0, 0), "Div": (1, 0, 0),
    "Pow": (2, 0, 0), "Cast": (1, 0, 0), "CastLike": (1, 0, 0),
    "com.microsoft::Gelu": (2, 0, 2), "com.microsoft::QuickGelu": (3, 0, 3),
}  # fmt: skip


def walk(parts: fp64_linear.Parts) -> tuple[Any, Any]:
    """The sum of the parts, and √(Σ S_k²) over its partial sums, each part spread evenly over its terms."""
    total: Any = 0.0
    energy: Any = 0.0
    for part, terms in parts:
        energy = energy + terms * (total * total + total * part + part * part / 3)
        total = total + part
    return total, np.sqrt(np.maximum(energy, 0))


def local_errors(
    call: Call, outputs: Sequence[Any], types: Sequence[DType | None], kernel: Kernel
) -> list[Any]:
    """The size of one random local error of every output, None for what is exact.

    Args: types: what each output stands for; None: no tensor of floats.
    """
    name = (
        call.node.op_type
        if call.node.domain in ("", "ai.onnx")
        else f"{call.node.domain}::{call.node.op_type}"
    )
    rounded = any(t is not None for t in types) and name not in EXACT
    if not rounded or _widens(call, types):
        return [None] * len(outputs)
    measure = MAGNITUDES.get(name)
    if measure is None:
        return _probe(call, outputs, types, kernel)
    sizes = measure(call, outputs)
    return [
        _finite(unit_roundoff(t) * size, y) if t is not None else None
        for t, size, y in zip(
            types,
            [*sizes, *[0.0 if y is None else np.abs(y) for y in outputs[len(sizes) :]]],
            outputs,
            strict=True,
        )
    ]


def _widens(call: Call, types: Sequence[DType | None]) -> bool:
    """A Cast that loses nothing: from an integer of few bits, or from a narrower float type."""
    if call.node.op_type not in {"Cast", "CastLike"} or types[0] is None:
        return False
    source = call.dtype(0)
    if is_float(source):
        return unit_roundoff(types[0]) <= unit_roundoff(source) and types[0].itemsize > source.itemsize
    return bool(np.all(call.data[0].astype(types[0]).astype(np.float64) == call.data[0]))


def _finite(size: Any, y: Array) -> Array:
    """Where the size itself overflows or is not a number, nothing is added."""
    size = np.broadcast_to(size, y.shape)
    return np.where(np.isfinite(size), size, 0.0)


def _probe(call: Call, outputs: Sequence[Any], types: Sequence[DType | None], kernel: Kernel) -> list[Any]:
    """Root mean square of f(x·(1 ± PROBE·u)) - f(x), the signs at random, and u·max|f(x)|."""
    random = np.random.default_rng(PROBE)
    squares: list[Any] = [0.0] * len(outputs)
    for _ in range(PROBES):
        moved = tuple(_moved(call, index, random) for index in range(len(call.data)))
        others = kernel(Call(call.node, call.version, call.inputs, moved, call.bound, call.graph))
        for index, (y, other, t) in enumerate(zip(outputs, others, types, strict=False)):
            if t is not None and np.shape(y) == np.shape(other):
                squares[index] = squares[index] + np.square(other - y) / PROBES
    return [
        None if t is None else _finite(np.sqrt(total) + unit_roundoff(t) * _largest(y), y)
        for total, y, t in zip(squares, outputs, types, strict=True)
    ]


def _largest(y: Array) -> float:
    return float(np.max(np.abs(y), where=np.isfinite(y), initial=0.0))


def _moved(call: Call, index: int, random: np.random.Generator) -> Any:
    """One operand, each element off by PROBE roundings of its type."""
    x = call.data[index]
    if not isinstance(x, np.ndarray) or x.dtype != np.float64:
        return x
    return x * (1 + PROBE * unit_roundoff(call.dtype(index)) * random.choice((-1.0, 1.0), x.shape))


def _by_table(relative: float, absolute: float, operand: float) -> Magnitude:
    def size(call: Call, outputs: Sequence[Any]) -> Sequence[Any]:
        found = relative * np.abs(outputs[0])
        found = found + absolute if absolute else found
        return [found + operand * np.abs(call.data[0]) if operand else found]

    return size


def _operands(call: Call, _outputs: Sequence[Any]) -> Sequence[Any]:
    return [sum(np.abs(x) for x in call.data)]


def _average(call: Call, outputs: Sequence[Any]) -> Sequence[Any]:
    return [_operands(call, outputs)[0] / len(call.data)]


def _biased_gelu(call: Call, outputs: Sequence[Any]) -> Sequence[Any]:
    bias = call.given(1)
    x = np.abs(call.data[0]) + (0.0 if bias is None else np.abs(bias))
    return [2 * np.abs(outputs[0]) + 4 * x]


def _sum_of(parts: Callable[..., fp64_linear.Parts], bias: int | None) -> Magnitude:
    def size(call: Call, outputs: Sequence[Any]) -> Sequence[Any]:
        total, wander = walk(parts(call, whole=False))
        found = wander + np.abs(outputs[0]) + np.abs(total)
        added = None if bias is None else call.given(bias)
        return [found if added is None else found + np.abs(channelwise(added, np.ndim(found)))]

    return size


def _matmul_parts(call: Call, *, whole: bool) -> fp64_linear.Parts:
    return fp64_linear.matmul_parts(call.data[0], call.data[1], whole=whole)


def _gemm(call: Call, outputs: Sequence[Any]) -> Sequence[Any]:
    total, wander = walk(fp64_linear.matmul_parts(*fp64_linear.gemm_operands(call), whole=False))
    added = call.given(2)
    found = wander + np.abs(total) + np.abs(outputs[0])
    return [found if added is None else found + abs(call.attr("beta", 1.0)) * np.abs(added)]


def _chunked(x: Array, axes: Sequence[int]) -> Iterable[tuple[Array, int]]:
    """Sums of up to eight runs of the reduced elements, those axes kept with size 1."""
    rest = [a for a in range(x.ndim) if a not in axes]
    flat = np.transpose(x, [*rest, *axes]).reshape(*(x.shape[a] for a in rest), -1)
    shape = [1 if a in axes else n for a, n in enumerate(x.shape)]
    for cut in fp64_linear.chunks(flat.shape[-1]):
        yield np.sum(flat[..., cut], axis=-1).reshape(shape), cut.stop - cut.start


def _reduction(name: str) -> Magnitude:
    """Sum and Mean of x, L1 of |x|, SumSquare of x², L2 = √(SumSquare)."""

    def size(call: Call, outputs: Sequence[Any]) -> Sequence[Any]:
        x, y = call.data[0], outputs[0]
        axes = tuple(range(2, x.ndim)) if name == "GlobalAveragePool" else reduced_axes(call)
        if axes is None or x.size == 0:
            return [np.abs(y)]
        terms = np.abs(x) if name == "ReduceL1" else x * x if name in {"ReduceL2", "ReduceSumSquare"} else x
        _, wander = walk(iter(_chunked(terms, axes)))
        wander = wander.reshape(y.shape)
        if name in {"ReduceMean", "GlobalAveragePool"}:
            wander = wander * y.size / x.size
        elif name == "ReduceL2":
            wander = wander / np.maximum(2 * y, np.finfo(np.float64).tiny)
        return [wander + 2 * np.abs(y)]

    return size


def _softmax(call: Call, outputs: Sequence[Any]) -> Sequence[Any]:
    """The exponent x - max x is rounded, e^x is, the sum of n positive terms is, and the quotient."""
    view, axis = softmax_view(call)
    top = np.max(view, axis=axis, keepdims=True, initial=-np.inf)
    relative = 4 + np.abs(view - top) + np.sqrt(view.shape[axis] / 3) + 0 * top
    relative = relative.reshape(outputs[0].shape)
    return [
        relative * np.abs(outputs[0]) if call.node.op_type == "Softmax" else relative + np.abs(outputs[0])
    ]


def _batch_norm(call: Call, outputs: Sequence[Any]) -> Sequence[Any]:
    """Kernels compute x·s + (bias - mean·s): every term of it is rounded, whatever cancels."""
    x = call.data[0]
    scale, bias, mean, variance = (channelwise(v, x.ndim) for v in call.data[1:5])
    factor = np.abs(scale) / np.sqrt(np.abs(variance + call.attr("epsilon", 1e-5)))
    return [2 * (np.abs(x) + np.abs(mean)) * factor + np.abs(bias) + np.abs(outputs[0])]


def _normalized(x: Array, axes: Sequence[int], scale: Any, *, centred: bool, terms: Any = 0.0) -> Any:
    """Error of scale·(x - mean) / σ, both from sums of n terms; without the mean where not `centred`.

    Args: terms: Σ|addends| of x, where the kernel adds them up itself.
    """
    count = np.prod([x.shape[a] for a in axes])
    mean, wander = walk(iter(_chunked(x, axes)))
    mean, wander = (mean / count, wander / count) if centred else (0.0, 0.0)
    square, rough = walk(iter(_chunked(np.square(x - mean), axes)))
    square = np.maximum(square, np.finfo(np.float64).tiny)
    sigma = np.sqrt(square / count)
    shift = np.abs(x) + np.abs(mean) + wander + terms
    return np.abs(scale) * (shift + np.abs(x - mean) * (4 + rough / square / 2)) / sigma


def _layer_norm(call: Call, outputs: Sequence[Any]) -> Sequence[Any]:
    """ε lessens it; that is left out."""
    x, bias = call.data[0], call.given(2)
    axes = tuple(range(call.attr("axis", -1) % x.ndim, x.ndim))
    found = _normalized(x, axes, call.data[1], centred=call.node.op_type == "LayerNormalization")
    return [found + np.abs(outputs[0]) + (0.0 if bias is None else np.abs(bias))]


def _skip_norm(call: Call, outputs: Sequence[Any]) -> Sequence[Any]:
    """Outputs: the result, mean, 1/σ, the sum that was normalized."""
    centred = call.node.op_type == "SkipLayerNormalization"
    beta, bias = (call.given(3), call.given(4)) if centred else (None, call.given(3))
    addends = [x for x in (*call.data[:2], bias) if x is not None]
    total, terms = sum(addends), sum(np.abs(x) for x in addends)
    found = _normalized(total, (total.ndim - 1,), call.data[2], centred=centred, terms=terms)
    found = found + np.abs(outputs[0]) + (0.0 if beta is None else np.abs(beta))
    return [found, *(0.0 if y is None else np.abs(y) for y in outputs[1:3]), *[terms] * len(outputs[3:])]


def _instance_norm(call: Call, outputs: Sequence[Any]) -> Sequence[Any]:
    x = call.data[0]
    found = _normalized(x, tuple(range(2, x.ndim)), channelwise(call.data[1], x.ndim), centred=True)
    return [found + np.abs(outputs[0]) + np.abs(channelwise(call.data[2], x.ndim))]


MAGNITUDES: Mapping[str, Magnitude] = {
    **{name: _by_table(*figures) for name, figures in KERNEL_ERRORS.items()},
    **dict.fromkeys(("Add", "Sub", "Sum"), _operands),
    **{name: _reduction(name) for name in ("ReduceSum", "ReduceMean", "ReduceL1", "ReduceL2",
                                           "ReduceSumSquare", "GlobalAveragePool")},
    "Mean": _average, "Softmax": _softmax, "LogSoftmax": _softmax, "BatchNormalization": _batch_norm,
    "com.microsoft::BiasGelu": _biased_gelu, "com.microsoft::FastGelu": _biased_gelu,
    **dict.fromkeys(("LayerNormalization", "com.microsoft::LayerNormalization", "RMSNormalization",
                     "SimplifiedLayerNormalization"), _layer_norm),
    "com.microsoft::SkipLayerNormalization": _skip_norm,
    "com.microsoft::SkipSimplifiedLayerNormalization": _skip_norm, "InstanceNormalization": _instance_norm,
    "MatMul": _sum_of(_matmul_parts, None), "Gemm": _gemm, "com.microsoft::FusedMatMul": _gemm,
    "Conv": _sum_of(fp64_linear.conv_parts, 2), "ConvTranspose": _sum_of(fp64_linear.conv_transpose_parts, 2),
}  # fmt: skip
