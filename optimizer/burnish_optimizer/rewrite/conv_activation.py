"""Convolutions with what follows them, as ONNX Runtime's FusedConv."""

from typing import Any, ClassVar

import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.affine import inner
from burnish_optimizer.rewrite.choose import contrib, may_write
from burnish_optimizer.rewrite.clips import INFINITY, bounds
from burnish_optimizer.rewrite.layout import facts
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.values import attribute, node_of, shape
from burnish_optimizer.targets.kernels import MICROSOFT

LARGEST = 3.4028234663852886e38  # of float32: an open limit of a Clip


class ConvActivation:
    """f(Conv(x, W, b)) = FusedConv(x, W, b, activation = f)"""

    name = "conv-activation"
    # ONNX Runtime 1.32, core/providers/cpu/fused_activation.cc; parameters in its order.
    PARAMETERS: ClassVar[dict[str, tuple[tuple[str, float], ...]]] = {
        "Relu": (),
        "Sigmoid": (),
        "Tanh": (),
        "LeakyRelu": (("alpha", 0.01),),
        "HardSigmoid": (("alpha", 0.2), ("beta", 0.5)),
        "Clip": (),
    }
    anchors = frozenset(PARAMETERS)

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        below = inner(node.inputs[0], "Conv")
        if below is None or not may_write(scope, self.name, node.inputs[0], "FusedConv", domain=MICROSOFT):
            return None
        parameters = [float(attribute(node, key, free)) for key, free in self.PARAMETERS[node.op_type]]
        if node.op_type == "Clip":
            low, high = bounds(node)
            if low is None or high is None or low == -INFINITY:
                scope.decline(self.name, "the limits of Clip are not constant, or open below")
                return None
            parameters = [low, min(high, LARGEST)]
        return fused(node.outputs[0], below, list(below.inputs), node.op_type, parameters)


class ConvAddRelu:
    """max(0, Conv(x, W, b) + z) = FusedConv(x, W, b, z, activation = Relu)

    Not where the target blocks channels at load: it fuses sums there too, but takes no FusedConv with one.
    Two such blocks of 64 channels at 56 x 56 took 5.8 ms so, 4.7 ms as they were (ONNX Runtime 1.32, CPU).
    """

    name, anchors = "conv-add-relu", frozenset({"Relu"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        add = inner(node.inputs[0], "Add")
        if add is None or not may_write(scope, self.name, node.inputs[0], "FusedConv", domain=MICROSOFT):
            return None
        if facts(scope.target.name).blocks_at_load:
            return None
        for value, other in (add.inputs, add.inputs[::-1]):
            below = inner(value, "Conv")
            if below is None or other is None or other is value:
                continue
            if shape(other) is None or None in (shape(other) or ()) or shape(other) != shape(value):
                scope.decline(self.name, "the addend is not surely of the convolution's shape")
                continue
            inputs = [*below.inputs, None, None][:3]
            return fused(node.outputs[0], below, [*inputs, other], "Relu", [])
        return None


def fused(
    old: ir.Value, conv: ir.Node, inputs: list[ir.Value | None], activation: str, parameters: list[float]
) -> Replacement:
    """FusedConv with the attributes of `conv` in the place of `old`."""
    attributes: dict[str, Any] = {key: attribute(conv, key) for key in conv.attributes}
    attributes["activation"] = activation
    if parameters:
        attributes["activation_params"] = parameters
    return contrib(old, node_of("FusedConv", inputs, attributes, domain=MICROSOFT))
