"""Affine steps by constants taken into the weights of a linear operator, from behind it or from before it."""

import numpy as np
import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.affine import inner
from burnish_optimizer.rewrite.affine_steps import STEPS, Array, along, first_step, step, takes
from burnish_optimizer.rewrite.conv_weights import LINEAR, Linear, linear
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.values import attribute, dtype, rank

# The shift is summed over weights in FP64, all at once: not over larger ones than these.
SUMMED_BYTES = 128 << 20


class AffineAfter:
    """s · (W ∗ x + b) + t = (s · W) ∗ x + (s · b + t), for Conv, ConvTranspose, Gemm, MatMul"""

    name, anchors = "affine-after", frozenset(STEPS)

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        after = step(node) if takes(node, *LINEAR) else None
        below = inner(after.x, *LINEAR) if after is not None else None
        found = linear(below) if below is not None else None
        if after is None or below is None or found is None or found.rank is None:
            return None
        scale, shift = (along(v, found.rank, found.axis, found.outputs) for v in (after.scale, after.shift))
        if scale is None or shift is None:
            scope.decline(self.name, "the constants are not by output channel")
            return None
        bias = shift if found.bias is None else scale * found.bias + shift
        needed = found.bias is not None or bool(shift.any())
        if needed and below.op_type == "MatMul" and found.rank != 2:
            return None  # no operator adds a bias there
        if not may_change(found, scope, self.name) or not fits(found, found.by_output(scale), bias):
            return None
        return found.scaled(
            found.by_output(scale), bias if needed else None, node.outputs[0], below.inputs[0]
        )


class AffineBefore:
    """W ∗ (s · x + t) + b = (W · s) ∗ x + (W ∗ t + b); a padded Conv only where t = 0"""

    name, anchors = "affine-before", frozenset({"Conv", "Gemm", "MatMul"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        below = inner(node.inputs[0], *STEPS)
        before = first_step(below) if below is not None else None
        found = linear(node) if before is not None else None
        if before is None or found is None or found.rank is None or attribute(node, "transA", 0):
            return None
        dims = rank(before.x)
        if dims != found.rank:
            return None
        scale, shift = (along(v, dims, found.axis, found.inputs) for v in (before.scale, before.shift))
        if scale is None or shift is None or (shift.any() and (padded(node) or found.bytes > SUMMED_BYTES)):
            scope.decline(self.name, "not by input channel, padded with what would be shifted, or too large")
            return None
        bias = shifted(found, shift)
        if bias is not None and node.op_type == "MatMul" and found.rank != 2:
            return None
        if not may_change(found, scope, self.name) or not fits(found, found.by_input(scale), bias):
            return None
        return found.scaled(found.by_input(scale), bias, node.outputs[0], before.x)


def shifted(found: Linear, shift: Array) -> Array | None:
    """The bias of W ∗ (x + shift); None where there is none."""
    if not shift.any():
        return found.bias
    return found.applied_to(shift) + (0.0 if found.bias is None else found.bias)


def padded(node: ir.Node) -> bool:
    """Whether a Conv pads, or may."""
    automatic = str(attribute(node, "auto_pad", "NOTSET"))
    return automatic not in ("NOTSET", "VALID") or any(attribute(node, "pads", ()))


def may_change(found: Linear, scope: Scope, rule: str) -> bool:
    """Weights that others share would be there twice."""
    if len(found.weight.uses()) > 1 and found.bytes > scope.size_limit_bytes:
        scope.decline(rule, "the weights are shared, and too large to have twice")
        return False
    return True


def fits(found: Linear, factor: Array, bias: Array | None) -> bool:
    """Whether the constants stay in the range of the element type (the gate looks at the weights)."""
    kind = (dtype(found.weight) or ir.DataType.FLOAT).numpy()
    with np.errstate(over="ignore"):
        return all(v is None or bool(np.isfinite(v.astype(kind)).all()) for v in (factor, bias))
