"""Slices of one tensor that share it out completely, as one Split."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.choose import opset
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.values import constant, initializer, is_op, node_of, shape

SIZES_AS_INPUT = 13  # of Split
LEAST = 2


@dataclass(frozen=True)
class Part:
    """One stretch of an axis."""

    node: ir.Node
    axis: int
    begin: int
    end: int


class SlicesSplit:
    """x[0:a], x[a:b], x[b:n] along one axis = Split(x)"""

    name, anchors = "slices-to-split", frozenset({"Slice"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        x, own = node.inputs[0], part(node)
        if x is None or own is None or opset(scope) < SIZES_AS_INPUT:
            return None
        dims = shape(x)
        found = [p for p in map(part, _slices(x)) if p is not None and p.axis == own.axis]
        found.sort(key=lambda p: p.begin)
        edges = [p.begin for p in found] + [found[-1].end]
        size = dims[own.axis] if dims is not None else None
        if len(found) < LEAST or edges[0] != 0 or edges[-1] != size or not _adjoin(found):
            return None
        if any(p.node.graph is not node.graph for p in found) or not _first(node, found):
            return None
        sizes = initializer("sizes", np.array([p.end - p.begin for p in found], np.int64))
        made = node_of("Split", [x, sizes], {"axis": own.axis}, outputs=len(found))
        pairs = sorted(zip(found, made.outputs, strict=True), key=lambda pair: pair[0].node is not node)
        old = [p.node.outputs[0] for p, _ in pairs]
        return Replacement(old, [value for _, value in pairs], [made], [sizes])


def part(node: ir.Node) -> Part | None:
    """A slice of one axis by constants, with step 1, of a tensor whose size there is known."""
    dims = shape(node.inputs[0])
    if dims is None:
        return None
    held = [constant(value, 8) for value in node.inputs[1:]]
    if len(held) < 2 or any(array is None for array in held):
        return None
    begin, end, axes, steps = ([*held, None, None])[:4]
    if begin is None or end is None or begin.size != 1 or (steps is not None and np.any(steps != 1)):
        return None
    axis = int(axes.reshape(-1)[0]) % len(dims) if axes is not None else 0
    size = dims[axis]
    if size is None:
        return None
    first, last = (_place(int(array.reshape(-1)[0]), size) for array in (begin, end))
    return Part(node, axis, first, last) if first < last else None


def _place(index: int, size: int) -> int:
    return min(max(index + size if index < 0 else index, 0), size)


def _slices(x: ir.Value) -> list[ir.Node]:
    return [u for u, _ in x.uses() if is_op(u.outputs[0], "Slice") and u.inputs[0] is x]


def _adjoin(parts: list[Part]) -> bool:
    return all(one.end == two.begin for one, two in pairwise(parts))


def _first(node: ir.Node, parts: list[Part]) -> bool:
    """Whether `node` comes before the other parts: the Split takes its place."""
    members = {id(p.node) for p in parts}
    return next((other for other in node.graph or () if id(other) in members), None) is node
