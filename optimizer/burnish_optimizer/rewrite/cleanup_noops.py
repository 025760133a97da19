"""Operators that do nothing: removed where that is certain from constants, types and shapes."""

import numpy as np
import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.shapes import dims, same_shape
from burnish_optimizer.rewrite.shapes_content import content
from burnish_optimizer.rewrite.values import attribute, constant, dtype, node_of, rank, scalar, tensor

# "To the end" of a dimension that is not known: ONNX recommends INT_MAX; exporters write this or more.
TO_THE_END = 2**31 - 1
MAX_AXES = 64
PACKING = frozenset({"MatMul", "Gemm", "LSTM", "GRU", "RNN"})


def put(node: ir.Node, value: ir.Value | None) -> Replacement | None:
    """`value` in the place of a node with one output that counts."""
    if value is None or any(v.uses() or v.is_graph_output() for v in node.outputs[1:]):
        return None
    old = node.outputs[0]
    if tensor(value) is not None and (feeds_packed(old) or takes_scalars(old, rank(value) or 0)):
        return None
    return Replacement([node.outputs[0]], [value])


def feeds_packed(value: ir.Value) -> bool:
    """Whether a kernel takes the value that computes otherwise where it is a constant: it packs its weights
    when the model is loaded, and adds in another order. (Measured: up to 5e-5 on sums of 300 products.)"""
    kind = dtype(value)
    return (
        kind is not None and kind.is_floating_point() and any(u.node.op_type in PACKING for u in value.uses())
    )


def takes_scalars(value: ir.Value, rank: int) -> bool:
    """Whether a value that is no scalar goes to Range. ONNX Runtime lets that pass while it runs, and refuses
    the model where the value is a constant."""
    return rank > 0 and any(use.node.op_type == "Range" for use in value.uses())


def integers(node: ir.Node, name: str, position: int) -> tuple[int, ...] | None:
    """A list of integers that is an attribute in old operator sets, a constant input in new ones."""
    given = attribute(node, name)
    if given is not None:
        return tuple(given)
    found = constant(node.inputs[position], MAX_AXES) if len(node.inputs) > position else None
    return None if found is None else tuple(int(n) for n in found.reshape(-1))


class NoIdentity:
    """`Identity(x)` = `x`"""

    name, anchors = "identity", frozenset({"Identity"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        return put(node, node.inputs[0])


class NoCast:
    """`Cast(x, to=type of x)` = `x`"""

    name, anchors = "no-cast", frozenset({"Cast", "CastLike"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        to = dtype(node.inputs[1]) if node.op_type == "CastLike" else attribute(node, "to", 0)
        kind = dtype(node.inputs[0])
        return put(node, node.inputs[0]) if kind is not None and kind == to else None


class CastLikeKnown:
    """`CastLike(x, t)` = `Cast(x, to=type of t)`: t is no longer needed"""

    name, anchors = "cast-like-known", frozenset({"CastLike"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        kind = dtype(node.inputs[1])
        if kind is None:
            return None
        given = {
            name: attribute(node, name) for name in ("saturate", "round_mode") if name in node.attributes
        }
        made = node_of("Cast", [node.inputs[0]], {"to": int(kind), **given})
        return Replacement([node.outputs[0]], [made.outputs[0]], [made])


class NoTranspose:
    """`Transpose(x, perm=[0, 1, …])` = `x`; so does any order of less than two dimensions."""

    name, anchors = "no-transpose", frozenset({"Transpose"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        source = node.inputs[0]
        order, dimensions = attribute(node, "perm"), rank(source)
        stays = list(order) == sorted(order) if order else dimensions is not None and dimensions < 2
        return put(node, source) if stays else None


class NoReshape:
    """`Reshape(x, shape of x)` = `x`; Flatten, Squeeze and Unsqueeze that change no shape, too."""

    name, anchors = "no-reshape", frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        source = node.inputs[0]
        if same_shape(source, node.outputs[0]) or self._copies(node, source):
            return put(node, source)
        return None

    def _copies(self, node: ir.Node, source: ir.Value | None) -> bool:
        """Each element is the dimension's own number or symbol, or 0 (copy); one may be -1 (the rest)."""
        wanted, own = content(node.inputs[1]) if node.op_type == "Reshape" else None, dims(source)
        if wanted is None or own is None or len(own) != len(wanted.elements):
            return False
        copy = 0 if not attribute(node, "allowzero", 0) else None
        differ = [w for w, d in zip(wanted.elements, own, strict=True) if w is None or w not in (d, copy)]
        return differ in ([], [-1])


class NoPad:
    """`Pad(x, pads=0)` = `x`"""

    name, anchors = "no-pad", frozenset({"Pad"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        pads = integers(node, "pads", 1)
        return put(node, node.inputs[0]) if pads is not None and not any(pads) else None


class NoSlice:
    """`x[0:end]` = `x`, on every axis that it names"""

    name, anchors = "no-slice", frozenset({"Slice"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        starts, ends = integers(node, "starts", 1), integers(node, "ends", 2)
        axes, steps = integers(node, "axes", 3), integers(node, "steps", 4)
        own = dims(node.inputs[0])
        named = len(node.inputs) > 3 and node.inputs[3] is not None
        stepped = len(node.inputs) > 4 and node.inputs[4] is not None
        if starts is None or ends is None or (named and axes is None) or (stepped and steps is None):
            return None
        if any(starts) or any(s != 1 for s in steps or ()):
            return None
        if all(_to_end(own, axis, end) for axis, end in zip(axes or range(len(ends)), ends, strict=False)):
            return put(node, node.inputs[0])
        return None


def _to_end(own: tuple[int | str | None, ...] | None, axis: int, end: int) -> bool:
    size = own[axis] if own is not None and -len(own) <= axis < len(own) else None
    return end >= TO_THE_END or (isinstance(size, int) and end >= size)


class NoDropout:
    """`Dropout(x)` = `x` where it is not training: no training_mode (opset 12 on), no mask that is read"""

    name, anchors = "no-dropout", frozenset({"Dropout"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        if attribute(node, "is_test", 1) == 0:
            return None  # opset 1 and 6: training is an attribute
        if len(node.inputs) > 2 and node.inputs[2] is not None and scalar(node.inputs[2]) is not False:
            scope.decline(self.name, "training, or not known to be inference")
            return None
        return put(node, node.inputs[0])


class NoExpand:
    """`Expand(x, shape of x, or ones)` = `x`"""

    name, anchors = "no-expand", frozenset({"Expand"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        source, wanted, own = node.inputs[0], content(node.inputs[1]), dims(node.inputs[0])
        if same_shape(source, node.outputs[0]):
            return put(node, source)
        if wanted is None or own is None or len(wanted.elements) > len(own):
            return None
        behind = own[len(own) - len(wanted.elements) :]
        kept = all(w == 1 or (w is not None and w == d) for w, d in zip(wanted.elements, behind, strict=True))
        return put(node, source) if kept else None


class NoTile:
    """`Tile(x, ones)` = `x`"""

    name, anchors = "no-tile", frozenset({"Tile"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        repeats = content(node.inputs[1])
        ones = repeats is not None and all(r == 1 for r in repeats.elements)
        return put(node, node.inputs[0]) if ones else None


class OfOne:
    """`Concat(x)` = `Sum(x)` = `Max(x)` = `Min(x)` = `Mean(x)` = `Split(x) to one` = `x`"""

    name, anchors = "of-one", frozenset({"Concat", "Sum", "Max", "Min", "Mean", "Split"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        if node.op_type == "Split":
            return put(node, node.inputs[0]) if len(node.outputs) == 1 else None
        return put(node, node.inputs[0]) if len(node.inputs) == 1 else None


class NoReduction:
    """`Reduce…(x, axes=[], noop_with_empty_axes=1)` = `x`"""

    name = "no-reduction"
    anchors = frozenset({"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        if not attribute(node, "noop_with_empty_axes", 0) or attribute(node, "axes"):
            return None
        axes = node.inputs[1] if len(node.inputs) > 1 else None
        found = constant(axes, MAX_AXES)
        empty = axes is None or (found is not None and np.size(found) == 0)
        return put(node, node.inputs[0]) if empty else None


class WhereKnown:
    """`Where(true, x, y)` = `x`, `Where(false, x, y)` = `y`, where broadcasting changes no shape

    Not for floats: ONNX Runtime's kernel adds the two sides, and gives 0.0 for -0.0.
    """

    name, anchors = "where-known", frozenset({"Where"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        known = content(node.inputs[0])
        found = constant(node.inputs[0], 1 << 20) if known is None else np.array(known.elements, dtype=object)
        if found is None or found.size == 0 or any(e is None for e in set(found.reshape(-1).tolist())):
            return None
        if not (found.all() or not found.any()):
            return None
        chosen = node.inputs[1 if found.all() else 2]
        kind = dtype(chosen)
        if kind is None or kind.is_floating_point():
            scope.decline(self.name, "ONNX Runtime's Where gives 0.0 for -0.0")
            return None
        if not same_shape(chosen, node.outputs[0]):
            scope.decline(
                self.name, "the shape of the chosen side is not known to be the shape of the result"
            )
            return None
        return put(node, chosen)


NO_OPS = (
    NoIdentity(),
    NoCast(),
    CastLikeKnown(),
    NoTranspose(),
    NoReshape(),
    NoPad(),
    NoSlice(),
    NoDropout(),
    NoExpand(),
    NoTile(),
    OfOne(),
    NoReduction(),
    WhereKnown(),
)
