"""Whether two values surely have one shape, though their dimensions are not known.

Shape inference gives what it cannot know a new symbol each time. Many operators keep the shape of their data:
two values that come from one value through such operators alone are of one shape, whatever it is.
"""

import onnx_ir as ir

from burnish_optimizer.rewrite.shapes import same_shape as equal_shapes
from burnish_optimizer.rewrite.values import op_key, rank, shape, tensor
from burnish_optimizer.targets.kernels import MICROSOFT

DEPTH = 32
KEEP = frozenset({
    *("Relu", "Gelu", "Tanh", "Sigmoid", "Erf", "Softmax", "Cast", "Identity", "LayerNormalization"),
    *("RMSNormalization", "Elu", "HardSwish", "HardSigmoid", "Mish", "Swish", "Clip", "Neg"),
    *(f"{MICROSOFT}::{op}" for op in ("Gelu", "FastGelu", "BiasGelu", "QuickGelu", "Attention")),
    *(f"{MICROSOFT}::{op}" for op in ("MultiHeadAttention", "SkipLayerNormalization")),
    f"{MICROSOFT}::SkipSimplifiedLayerNormalization",
})  # fmt: skip
BROADCAST = frozenset({"Add", "Sub", "Mul", "Div"})


def same_shape(one: ir.Value | None, two: ir.Value | None) -> bool:
    """Equal numbers and symbols, or one origin and equal last dimensions."""
    if one is None or two is None or rank(one) is None or rank(one) != rank(two):
        return False
    if equal_shapes(one, two):
        return True
    first, second = shape(one), shape(two)
    last = first is not None and second is not None and first[-1] is not None and first[-1] == second[-1]
    return last and bool(_origins(one) & _origins(two))


def _origins(value: ir.Value) -> set[ir.Value]:
    """`value`, and those that its dimensions but the last are surely of."""
    found = {value}
    here: ir.Value | None = value
    for _ in range(DEPTH):
        here = _before(here) if here is not None else None
        if here is None:
            break
        found.add(here)
    return found


def _before(value: ir.Value) -> ir.Value | None:
    """The input of the operator behind `value` that has its dimensions, all but the last."""
    node = value.producer()
    if node is None or node.outputs[0] is not value:
        return None
    name, dims = op_key(node), rank(value)
    if name in KEEP:
        return node.inputs[0]
    if name == "MatMul":
        right = tensor(node.inputs[1])
        return node.inputs[0] if right is not None and right.shape.rank() == 2 else None
    if name in BROADCAST and dims is not None:
        for x, other in (node.inputs, node.inputs[::-1]):
            held = tensor(other)
            if held is not None and held.shape.rank() < min(dims, 2):
                return x
    return None
