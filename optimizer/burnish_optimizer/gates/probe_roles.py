"""What an input of an operator may hold: indices, lengths, axes, sizes. Data, from the operators' pages.

Positions are those of the ONNX operators (newest opset); older ones take the same as attributes.
"""

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """What values must be to be legal there."""

    INDEX = "index"  # into an axis of the node's data
    COUNT = "count"  # a small positive number
    AXIS = "axis"  # distinct axes of the node's data
    LENGTHS = "lengths"  # dimensions of a new tensor
    RESHAPE = "reshape"  # dimensions that hold as many elements as the data
    EXPAND = "expand"  # dimensions that the data broadcasts to
    ZERO = "zero"  # offsets from which everything is there
    END = "end"  # beyond the last element
    SPLIT = "split"  # parts of an axis
    PAD = "pad"  # 0 to 2 more at each side
    SCALE = "scale"  # positive, about 1
    SHARE = "share"  # from 0 to 1
    DIVISOR = "divisor"  # integer division by zero ends the process (SIGFPE)
    CONDITION = "condition"  # decides which branch runs
    EQUAL = "equal"  # compared with a constant
    POWER = "power"  # shifts and exponents: small
    NUMERAL = "numeral"  # a text that is a number
    MASK = "mask"  # made a float or a truth value: 0 or 1


_REDUCTIONS = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")

_COMPARISONS = ("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual")

ROLES: Mapping[tuple[str, int], Role] = {
    **{(op, 1): Role.INDEX for op in ("Gather", "GatherElements", "GatherND", "Scatter", "ScatterElements",
                                      "ScatterND", "TensorScatter")},
    ("OneHot", 0): Role.INDEX,
    ("com.microsoft::EmbedLayerNormalization", 0): Role.INDEX,
    ("com.microsoft::EmbedLayerNormalization", 1): Role.INDEX,
    ("TopK", 1): Role.COUNT,
    ("OneHot", 1): Role.COUNT,
    ("Loop", 0): Role.COUNT,
    ("Range", 0): Role.ZERO,
    ("Range", 1): Role.COUNT,
    ("Range", 2): Role.COUNT,
    ("Tile", 1): Role.COUNT,
    ("NonMaxSuppression", 2): Role.COUNT,
    ("NonMaxSuppression", 3): Role.SHARE,
    ("NonMaxSuppression", 4): Role.SHARE,
    ("STFT", 1): Role.COUNT,
    ("DFT", 1): Role.COUNT,
    **{(op, 0): Role.COUNT for op in ("BlackmanWindow", "HammingWindow", "HannWindow", "EyeLike")},
    **{(f"Reduce{kind}", 1): Role.AXIS for kind in _REDUCTIONS},
    **{(op, 1): Role.AXIS for op in ("Squeeze", "Unsqueeze", "CumSum", "CumProd")},
    ("Slice", 3): Role.AXIS,
    ("Pad", 3): Role.AXIS,
    ("DFT", 2): Role.AXIS,
    ("SequenceAt", 1): Role.ZERO,
    ("SequenceErase", 1): Role.ZERO,
    ("SequenceInsert", 2): Role.ZERO,
    ("Trilu", 1): Role.ZERO,
    ("Slice", 1): Role.ZERO,
    ("Slice", 2): Role.END,
    ("Slice", 4): Role.COUNT,
    ("ConstantOfShape", 0): Role.LENGTHS,
    ("Resize", 3): Role.LENGTHS,
    ("AffineGrid", 1): Role.LENGTHS,
    ("CenterCropPad", 1): Role.LENGTHS,
    ("MaxUnpool", 2): Role.LENGTHS,
    ("Reshape", 1): Role.RESHAPE,
    ("Expand", 1): Role.EXPAND,
    ("Split", 1): Role.SPLIT,
    ("SplitToSequence", 1): Role.SPLIT,
    ("Pad", 1): Role.PAD,
    ("Resize", 1): Role.SHARE,
    ("Resize", 2): Role.SCALE,
    ("Upsample", 1): Role.SCALE,
    ("QuantizeLinear", 1): Role.SCALE,
    ("DequantizeLinear", 1): Role.SCALE,
    ("Dropout", 1): Role.SHARE,
    ("Div", 1): Role.DIVISOR,
    ("Mod", 1): Role.DIVISOR,
    ("BitShift", 1): Role.POWER,
    ("Pow", 1): Role.POWER,
    ("If", 0): Role.CONDITION,
    ("Loop", 1): Role.CONDITION,
    **{(op, at): Role.EQUAL for op in _COMPARISONS for at in (0, 1)},
}  # fmt: skip

# fmt: off
_MOVERS = (
    "Identity", "Cast", "CastLike", "Unsqueeze", "Squeeze", "Reshape", "Flatten", "Transpose", "Slice",
    "Gather", "GatherElements", "GatherND", "Expand", "Tile", "Split", "Pad", "Clip", "Div", "Mod",
    "Neg", "Abs", "Trilu", "ReduceMax", "ReduceMin", "ScatterND",
)
# fmt: on
ANY = frozenset(range(16))
DATA = frozenset({0})
# Operators that pass values on as they are (or nearly), and the inputs through which they do.
CARRIERS: Mapping[str, frozenset[int]] = {
    **dict.fromkeys(_MOVERS, DATA),
    **dict.fromkeys(("Concat", "Min", "Max", "Add", "Sub", "Mul"), ANY),
    "Where": frozenset({1, 2}),
}  # fmt: skip
# Operators whose ONNX Runtime kernels were seen to abort the process on an empty dimension, and raise nothing
# (1.32; LSTM without rows, GRU without rows or steps, Unique along an empty axis). Found by emptying axes 0
# and 1 of the data of ONNX's node cases, many of which refuse that: others may exist, in other domains too.
FATAL_WHERE_EMPTY = frozenset({"LSTM", "GRU", "Unique"})
# Roles under which a floating-point input sizes something: no values are to be made up for it at large.
SIZING = frozenset(
    {Role.COUNT, Role.LENGTHS, Role.SCALE, Role.ZERO, Role.END, Role.PAD, Role.RESHAPE, Role.EXPAND}
)
