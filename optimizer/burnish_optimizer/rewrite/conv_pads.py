"""Pad taken into the convolution or the pooling behind it."""

from typing import Any

import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.affine import inner
from burnish_optimizer.rewrite.choose import standard
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.values import attribute, constant, node_of, rank, scalar

INFINITY = float("inf")


class PadInto:
    """Conv(Pad(x, p)) = Conv(x, pads + p); AveragePool counts the zeros; MaxPool takes pads of -∞"""

    name, anchors = "pad-into", frozenset({"Conv", "AveragePool", "MaxPool"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        pad = inner(node.inputs[0], "Pad")
        found = spatial_pads(pad) if pad is not None else None
        if pad is None or found is None:
            return None
        pads, value = found
        against = _objection(node, pads, value)
        if against:
            scope.decline(self.name, against)
            return None
        own = attribute(node, "pads", (0,) * len(pads))
        attributes: dict[str, Any] = {key: attribute(node, key) for key in node.attributes}
        attributes.pop("auto_pad", None)
        attributes["pads"] = [one + two for one, two in zip(own, pads, strict=True)]
        if node.op_type == "AveragePool":
            attributes["count_include_pad"] = 1
        made = node_of(node.op_type, [pad.inputs[0], *node.inputs[1:]], attributes)
        return standard(node.outputs[0], made)


def spatial_pads(pad: ir.Node) -> tuple[tuple[int, ...], float] | None:
    """Begins and ends of all axes but the first two, and the value; None where others are padded too."""
    dims = rank(pad.inputs[0])
    given = attribute(pad, "pads")
    if len(pad.inputs) > 1:
        held = constant(pad.inputs[1], 64)
        given = tuple(int(size) for size in held) if held is not None else None
    if len(pad.inputs) > 3 and pad.inputs[3] is not None:
        return None
    if given is None or dims is None or dims < 3 or len(given) != 2 * dims:
        return None
    value: Any = attribute(pad, "value", 0.0)
    if len(pad.inputs) > 2 and pad.inputs[2] is not None:
        value = scalar(pad.inputs[2])
    begins, ends = given[:dims], given[dims:]
    if value is None or any((*begins[:2], *ends[:2])) or min(given) < 0:
        return None
    if str(attribute(pad, "mode", "constant")) != "constant":
        return None
    return (*begins[2:], *ends[2:]), float(value)


def _objection(node: ir.Node, pads: tuple[int, ...], value: float) -> str:
    """Why this operator does not pad so by itself; empty where it does."""
    own = attribute(node, "pads", (0,) * len(pads))
    if str(attribute(node, "auto_pad", "NOTSET")) not in ("NOTSET", "VALID"):
        return "the operator pads by itself"
    if node.op_type == "MaxPool":
        return _too_wide(node, pads, own) if value == -INFINITY else "a maximum is not padded with numbers"
    if value != 0.0:
        return "padded with another value than 0"
    if node.op_type == "Conv":
        return ""
    if attribute(node, "ceil_mode", 0) or (any(own) and not attribute(node, "count_include_pad", 0)):
        return "the average does not count its own padding"
    return _too_wide(node, pads, own)


def _too_wide(node: ir.Node, pads: tuple[int, ...], own: tuple[int, ...]) -> str:
    """Pooling wants less padding than its window is wide."""
    window = attribute(node, "kernel_shape", ())
    sums = [one + two for one, two in zip(own, pads, strict=True)]
    wide = any(size >= window[place % len(window)] for place, size in enumerate(sums))
    return "padded as wide as the window" if wide else ""
