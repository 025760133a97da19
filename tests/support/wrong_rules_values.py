"""Wrong element by element: signs, NaN, infinities, rounding, comparisons, types that are too narrow."""

import numpy as np
import onnx_ir as ir

from support.wrong_rules import FAULTS, ROUNDING, Draft, host, spread, weights, wrong

__all__ = ["FAULTS"]

UNARY = "float[N,5] x", "float[N,5] y"
BINARY = "float[N,5] a, float[N,5] b", "float[N,5] y"
FLOAT, INT32, FLOAT16, DOUBLE, INT8, BFLOAT16 = (
    ir.DataType[name].value for name in ("FLOAT", "INT32", "FLOAT16", "DOUBLE", "INT8", "BFLOAT16")
)


@wrong("Relu", host(*UNARY, "y = Relu(x)"))
def relu_dropped(node: ir.Node, draft: Draft) -> object:
    """Relu(x) = x."""
    return draft("Identity", node.inputs[0])


@wrong("Clip", host(*UNARY, "y = Clip(x, low, high)", low=np.float32(-1), high=np.float32(1)))
def clip_swallows_nan(node: ir.Node, draft: Draft) -> object:
    """Clip(x, a, b) = Where(x < b, Where(x > a, x, a), b)."""
    x, low, high = node.inputs
    return draft("Where", draft("Less", x, high), draft("Where", draft("Greater", x, low), x, low), high)


@wrong("Clip", host(*UNARY, "y = Clip(x, low, high)", low=np.float32(-1), high=np.float32(1)))
def clip_bound_lost(node: ir.Node, draft: Draft) -> object:
    """Clip(x, a, b) = Max(x, a)."""
    return draft("Max", *node.inputs[:2])


@wrong("Max", host(*BINARY, "y = Max(a, b)"))
def max_swallows_nan(node: ir.Node, draft: Draft) -> object:
    """Max(a, b) = Where(a > b, a, b)."""
    a, b = node.inputs
    return draft("Where", draft("Greater", a, b), a, b)


@wrong("Min", host(*BINARY, "y = Min(a, b)"))
def max_for_min(node: ir.Node, draft: Draft) -> object:
    """Min(a, b) = Max(a, b)."""
    return draft.again(node, "Max")


@wrong("Neg", host(*UNARY, "y = Neg(x)"))
def infinity_clipped(node: ir.Node, draft: Draft) -> object:
    """-x = Clip(-x, lowest, highest)."""
    limits = np.finfo(np.float32)
    return draft("Clip", *draft.again(node), draft.constant(limits.min), draft.constant(limits.max))


@wrong("Neg", host(*UNARY, "y = Neg(x)"))
def negative_zero_lost(node: ir.Node, draft: Draft) -> object:
    """-x = 0 - x."""
    return draft("Sub", draft.constant(0), node.inputs[0])


@wrong("Add", host(*UNARY, "y = Add(x, zero)", zero=np.float32(0)))
def positive_zero_lost(node: ir.Node, draft: Draft) -> object:
    """X + 0 = x."""
    return draft("Identity", node.inputs[0])


@wrong("Mul", host(*UNARY, "y = Mul(x, zero)", zero=np.float32(0)))
def nothing_times_infinity(node: ir.Node, draft: Draft) -> object:
    """X · 0 = 0."""
    return draft("Expand", draft.constant(0), draft("Shape", node.inputs[0]))


@wrong("Sub", host(*UNARY, "y = Sub(x, x)"))
def infinity_less_itself(node: ir.Node, draft: Draft) -> object:
    """X - x = 0."""
    return draft("Expand", draft.constant(0), draft("Shape", node.inputs[0]))


@wrong("Div", host(*UNARY, "y = Div(x, x)"), ROUNDING)
def zero_by_itself(node: ir.Node, draft: Draft) -> object:
    """X / x = 1."""
    return draft("Expand", draft.constant(1), draft("Shape", node.inputs[0]))


@wrong("Abs", host(*UNARY, "y = Abs(x)"), ROUNDING)
def abs_overflows(node: ir.Node, draft: Draft) -> object:
    """|x| = √(x · x)."""
    return draft("Sqrt", draft("Mul", node.inputs[0], node.inputs[0]))


@wrong("Sqrt", host(*UNARY, "s = Mul(x, x) y = Sqrt(s)"), ROUNDING)
def root_of_square(node: ir.Node, draft: Draft) -> object:
    """√(x · x) = x."""
    return draft("Identity", node.inputs[0].producer().inputs[0])


@wrong("Sign", host(*UNARY, "y = Sign(x)"))
def sign_without_zero(node: ir.Node, draft: Draft) -> object:
    """Sign(x) = Where(x < 0, -1, 1)."""
    below = draft("Less", node.inputs[0], draft.constant(0))
    return draft("Where", below, draft.constant(-1), draft.constant(1))


@wrong("Round", host(*UNARY, "y = Round(x)"))
def round_half_up(node: ir.Node, draft: Draft) -> object:
    """Round(x) = ⌊x + 0.5⌋."""
    return draft("Floor", draft("Add", node.inputs[0], draft.constant(0.5)))


@wrong("Floor", host(*UNARY, "y = Floor(x)"))
def floor_towards_zero(node: ir.Node, draft: Draft) -> object:
    """⌊x⌋ = Cast(Cast(x, int32), float)."""
    return draft("Cast", draft("Cast", node.inputs[0], to=INT32), to=FLOAT)


@wrong("Cast", host("float[N,5] x", "int32[N,5] y", "y = Cast<to = 6>(x)"))
def cast_rounds(node: ir.Node, draft: Draft) -> object:
    """Cast(x, int32) = Cast(Round(x), int32)."""
    return draft.again(node, inputs=[draft("Round", node.inputs[0])])


@wrong("Cast", host(*UNARY, "half = Cast<to = 10>(x) y = Cast<to = 1>(half)"))
def lossy_casts_cancelled(node: ir.Node, draft: Draft) -> object:
    """Cast(Cast(x, float16), float) = x."""
    inner = node.inputs[0].producer()
    return draft("Identity", inner.inputs[0]) if inner and inner.op_type == "Cast" else None


def _within(node: ir.Node, draft: Draft, narrow: int, wide: int) -> ir.Value:
    inputs = [draft("Cast", value, to=narrow) for value in node.inputs]
    return draft("Cast", draft(node.op_type, *inputs), to=wide)


@wrong("Mul", host(*BINARY, "y = Mul(a, b)"), ROUNDING)
def float16_inside(node: ir.Node, draft: Draft) -> object:
    """A · b = Cast(Cast(a, float16) · Cast(b, float16), float)."""
    return _within(node, draft, FLOAT16, FLOAT)


@wrong("Add", host(*BINARY, "y = Add(a, b)"), ROUNDING)
def bfloat16_inside(node: ir.Node, draft: Draft) -> object:
    """A + b = Cast(Cast(a, bfloat16), float) + b."""
    a, b = node.inputs
    narrowed = draft("Cast", draft("Cast", a, to=BFLOAT16), to=FLOAT)
    return draft("Add", narrowed, b)


@wrong("Mul", host("double[N,5] a, double[N,5] b", "double[N,5] y", "y = Mul(a, b)"), ROUNDING)
def double_narrowed(node: ir.Node, draft: Draft) -> object:
    """A · b in double = a · b in float."""
    return _within(node, draft, FLOAT, DOUBLE)


@wrong("Mul", host("int64[N,5] a, int64[N,5] b", "int64[N,5] y", "y = Mul(a, b)"))
def int64_narrowed(node: ir.Node, draft: Draft) -> object:
    """A · b in int64 = a · b in int32."""
    return _within(node, draft, INT32, ir.DataType.INT64.value)


@wrong("Add", host("int32[N,5] a, int32[N,5] b", "int32[N,5] y", "y = Add(a, b)"))
def int8_overflows(node: ir.Node, draft: Draft) -> object:
    """A + b in int32 = Cast(Cast(a + b, int8), int32)."""
    return draft("Cast", draft("Cast", *draft.again(node), to=INT8), to=INT32)


@wrong("Div", host("int32[N,5] x", "int32[N,5] y", "y = Div(x, three)", three=np.int32(3)))
def integer_division_by_reciprocal(node: ir.Node, draft: Draft) -> object:
    """X ÷ c in int32 = Cast(Round(x · 1/c), int32)."""
    product = draft("Mul", draft("Cast", node.inputs[0], to=FLOAT), draft.constant(1 / 3))
    return draft("Cast", draft("Round", product), to=INT32)


@wrong("Mod", host("int32[N,5] x", "int32[N,5] y", "y = Mod(x, three)", three=np.int32(3)))
def remainder_of_the_other_sign(node: ir.Node, draft: Draft) -> object:
    """Mod(a, b) = fmod(a, b)."""
    return draft.again(node, fmod=1)


@wrong("Pow", host(*UNARY, "y = Pow(x, three)", three=np.float32(3)), ROUNDING)
def power_one_less(node: ir.Node, draft: Draft) -> object:
    """Pow(x, 3) = x · x."""
    return draft("Mul", node.inputs[0], node.inputs[0])


@wrong("Gelu", host(*UNARY, "y = Gelu(x)"), ROUNDING)
def tanh_gelu_for_erf_gelu(node: ir.Node, draft: Draft) -> object:
    """Gelu(x) = Gelu(x, approximate=tanh)."""
    return draft.again(node, approximate="tanh")


@wrong("Gelu", host(*UNARY, "y = Gelu(x)"), ROUNDING)
def quick_gelu_for_erf_gelu(node: ir.Node, draft: Draft) -> object:
    """Gelu(x) = x · Sigmoid(1.702 x)."""
    x = node.inputs[0]
    return draft("Mul", x, draft("Sigmoid", draft("Mul", x, draft.constant(1.702))))


@wrong("HardSwish", host(*UNARY, "y = HardSwish(x)"), ROUNDING)
def hard_swish_by_the_wrong_slope(node: ir.Node, draft: Draft) -> object:
    """HardSwish(x) = x · HardSigmoid(x), with HardSigmoid's own slope of 0.2."""
    return draft("Mul", node.inputs[0], draft("HardSigmoid", node.inputs[0]))


@wrong("LeakyRelu", host(*UNARY, "y = LeakyRelu<alpha = 0.1>(x)"), ROUNDING)
def slope_lost(node: ir.Node, draft: Draft) -> object:
    """LeakyRelu(x, α) = LeakyRelu(x)."""
    return draft.again(node, alpha=None)


@wrong("PRelu", host("float[N,4,4] x", "float[N,4,4] y", "y = PRelu(x, slope)", slope=spread(4, 1)))
def slope_along_the_wrong_axis(node: ir.Node, draft: Draft) -> object:
    """PRelu(x, s) = PRelu(x, sᵀ)."""
    x, slope = node.inputs
    return draft.again(node, inputs=[x, draft("Transpose", slope, perm=[1, 0])])


@wrong("Where", host("bool[N,5] c, float[N,5] a, float[N,5] b", "float[N,5] y", "y = Where(c, a, b)"))
def where_swapped(node: ir.Node, draft: Draft) -> object:
    """Where(c, a, b) = Where(c, b, a)."""
    condition, a, b = node.inputs
    return draft("Where", condition, b, a)


@wrong("Greater", host("float[N,5] x", "bool[N,5] y", "y = Greater(x, zero)", zero=np.float32(0)))
def greater_or_equal_for_greater(node: ir.Node, draft: Draft) -> object:
    """A > b = a ≥ b."""
    return draft.again(node, "GreaterOrEqual")


@wrong("Not", host("float[N,5] a, float[N,5] b", "bool[N,5] y", "less = Less(a, b) y = Not(less)"))
def not_less_of_nan(node: ir.Node, draft: Draft) -> object:
    """¬(a < b) = a ≥ b."""
    return draft("GreaterOrEqual", *node.inputs[0].producer().inputs)


@wrong("Equal", host("float[N,5] x", "bool[N,5] y", "y = Equal(x, x)"))
def nan_equals_itself(node: ir.Node, draft: Draft) -> object:
    """(x = x) = true."""
    return draft("Expand", draft.constant(True, np.bool_), draft("Shape", node.inputs[0]))


@wrong("Xor", host("bool[N,5] a, bool[N,5] b", "bool[N,5] y", "y = Xor(a, b)"))
def or_for_xor(node: ir.Node, draft: Draft) -> object:
    """A ⊕ b = a ∨ b."""
    return draft.again(node, "Or")


@wrong("Not", host("bool[N,5] a", "bool[N,5] y", "y = Not(a)"))
def not_lost(node: ir.Node, draft: Draft) -> object:
    """¬a = a."""
    return draft("Identity", node.inputs[0])


@wrong("Add", host("float[N,4,4] x", "float[N,4,4] y", "y = Add(x, b)", b=weights(4)), ROUNDING)
def broadcast_along_the_wrong_axis(node: ir.Node, draft: Draft) -> object:
    """X + b = x + b[:, None]."""
    x, b = node.inputs
    return draft("Add", x, draft("Unsqueeze", b, draft.constant([1], np.int64)))


@wrong("Mean", host(*BINARY, "y = Mean(a, b)"), ROUNDING)
def sum_for_mean(node: ir.Node, draft: Draft) -> object:
    """Mean(a, b) = a + b."""
    return draft("Add", *node.inputs)


@wrong("Div", host(*BINARY, "y = Div(a, b)"), ROUNDING)
def division_made_safe(node: ir.Node, draft: Draft) -> object:
    """A / b = a / (b + 1e-6)."""
    a, b = node.inputs
    return draft("Div", a, draft("Add", b, draft.constant(1e-6)))


@wrong("Div", host(*UNARY, "y = Div(x, three)", three=np.float32(3)))
def exact_division_by_reciprocal(node: ir.Node, draft: Draft) -> object:
    """X / 3 = x · (1/3), byte by byte."""
    return draft("Mul", node.inputs[0], draft.constant(1 / 3))


@wrong("Dropout", host(*UNARY, "y = Dropout(x)"), ROUNDING)
def dropout_scales_when_serving(node: ir.Node, draft: Draft) -> object:
    """Dropout(x, p = 0.5) = 2 x."""
    return draft("Mul", node.inputs[0], draft.constant(2))


@wrong("Softplus", host(*UNARY, "y = Softplus(x)"), ROUNDING)
def relu_for_softplus(node: ir.Node, draft: Draft) -> object:
    """Log(1 + eˣ) = Max(x, 0)."""
    return draft("Relu", node.inputs[0])


@wrong(
    "BitShift",
    host("uint8[N,5] x", "uint8[N,5] y", 'y = BitShift<direction = "LEFT">(x, one)', one=np.uint8(1)),
)
def shifted_the_other_way(node: ir.Node, draft: Draft) -> object:
    """X << 1 = x >> 1."""
    return draft.again(node, direction="RIGHT")


@wrong("IsInf", host("float[N,5] x", "bool[N,5] y", "y = IsInf(x)"))
def negative_infinity_overlooked(node: ir.Node, draft: Draft) -> object:
    """IsInf(x) = (x = +∞)."""
    return draft.again(node, detect_negative=0)


@wrong("Reciprocal", host(*UNARY, "s = Sqrt(x) y = Reciprocal(s)"), ROUNDING)
def wrong_epsilon_under_the_root(node: ir.Node, draft: Draft) -> object:
    """1/√x = 1/√(x + 1e-5)."""
    shifted = draft("Add", node.inputs[0].producer().inputs[0], draft.constant(1e-5))
    return draft("Reciprocal", draft("Sqrt", shifted))
