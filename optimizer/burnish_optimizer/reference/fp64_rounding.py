"""How far one node may round away: the local error of its outputs, derived from its operands.

u is the unit roundoff of the output's type. What is returned is meant as the size of one random error.

- Elementwise arithmetic: u·|y|; sums u·Σ|operands|, so that (a + b) + c = a + (b + c) is covered.
- Functions: figures of KERNEL_ERRORS. Measured on ONNX Runtime 1.32, x86-64 (MLAS), 500,000 points an
  operator against FP64, largest error: Erf 1.4 u·|y|; Exp 1.2; Tanh 5.3 (2.5 u absolute); Sigmoid 1.2 u
  absolute, its tail is flushed below -18; Log 3.3; Softplus 4.7; Mish 7.7; Sin, Cos 2.9; Atan 4.0;
  Gelu 1.8 u·|x|; FastGelu 3.3 u·|x|; QuickGelu 3.0 u·|x|; Elu, Selu e^x - 1 without expm1: u absolute.
- Sums of terms: see `fp64_rounding_sums`.
- Anything else: what the operator makes of operands that are each off by PROBE·u, at random; and u·max|y|,
  for such operators mix elements on the way.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from burnish_optimizer.reference import fp64_rounding_sums
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


MAGNITUDES: Mapping[str, Magnitude] = {
    **fp64_rounding_sums.MAGNITUDES,
    **{name: _by_table(*figures) for name, figures in KERNEL_ERRORS.items()},
    **dict.fromkeys(("Add", "Sub", "Sum"), _operands), "Mean": _average,
    **dict.fromkeys(("com.microsoft::BiasGelu", "com.microsoft::FastGelu"), _biased_gelu),
}  # fmt: skip
