"""Self-attention with its three projections as one operator."""

from dataclasses import dataclass

import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.horizontal import joined
from burnish_optimizer.rewrite.horizontal_read import Projection, projection
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.values import attribute, dtype, kernel_type, node_of, rank
from burnish_optimizer.targets.kernels import MICROSOFT

MAX_WIDTH = 512
"""The widest Q, K and V that are packed. Measured on the CPU with ONNX Runtime 1.32, one thread (CPU time, 30
runs in turns, lower quartile), paraphrase-MiniLM-L3 rewritten, width 384: packed 1.00 to 1.03 times as fast
as MultiHeadAttention with its projections apart (1×16 … 1×384 and 8×32 tokens). At width 768 (synthetic, see
`attention_write`) 0.96 to 1.03: it lost at batch 8."""

SIDES = 3
BIAS = 5  # the place of attention_bias, in both operators


@dataclass(frozen=True)
class PackedRule:
    """MultiHeadAttention(x Wq + bq, x Wk + bk, x Wv + bv, m) → Attention(x, [Wq Wk Wv], [bq bk bv], m)."""

    name: str = "packed-attention"
    anchors: frozenset[str] = frozenset({f"{MICROSOFT}::MultiHeadAttention"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        sides = _projections(node)
        if sides is None or len(node.outputs) > 1 or any(v is not None for v in _others(node)):
            return None
        kind = dtype(sides[0].weight)
        if kind is None or not scope.target.has_kernel(MICROSOFT, "Attention", kernel_type(kind), 1):
            return None
        if sides[0].width > MAX_WIDTH:
            scope.decline(self.name, f"projections wider than {MAX_WIDTH} are faster apart")
            return None
        return _replacement(node, sides)


def _projections(node: ir.Node) -> list[Projection] | None:
    """Q, K and V from one x of three axes, each with weights and a bias of its own, all of one width."""
    sides = [p for p in (projection(value) for value in node.inputs[:SIDES]) if p is not None]
    if len(sides) < SIDES or not all(side.adds_bias and sides[0].joins(side) for side in sides):
        return None
    return sides if rank(sides[0].source) == SIDES and len({side.width for side in sides}) == 1 else None


def _others(node: ir.Node) -> list[ir.Value | None]:
    """Inputs that Attention takes in another way: biases of Q, K and V, key padding, past."""
    return [*node.inputs[SIDES:BIAS], *node.inputs[BIAS + 1 :]]


def _replacement(node: ir.Node, sides: list[Projection]) -> Replacement:
    weight = joined([side.weight for side in sides], 1)
    bias = joined([side.bias for side in sides if side.bias is not None], 0)
    added = node.inputs[BIAS] if len(node.inputs) > BIAS else None
    kept = {name: attribute(node, name) for name in ("num_heads", "scale") if name in node.attributes}
    inputs = [sides[0].source, weight, bias, None, None, added]
    new = node_of("Attention", inputs, kept, domain=MICROSOFT)
    return Replacement([node.outputs[0]], [new.outputs[0]], [new], [weight, bias], domains=((MICROSOFT, 1),))
