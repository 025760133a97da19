"""Parts of tensors: slices of slices, concatenations of what was cut apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.cleanup_noops import TO_THE_END, integers, put
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.shapes import dims
from burnish_optimizer.rewrite.values import attribute, constant, initializer, is_op, node_of, rank, used_once

MAX_INDICES = 1 << 16
END = 2**63 - 1


@dataclass(frozen=True)
class Cut:
    """One axis of a Slice."""

    start: int
    end: int
    step: int = 1

    @property
    def forward(self) -> bool:
        """Counted from the front, one by one: the only kind that adds up without the dimension."""
        return self.step == 1 and self.start >= 0 and self.end >= 0


def cuts(node: ir.Node | None) -> dict[int, Cut] | None:
    """axis → cut, axes counted from the front; None where something is not constant."""
    if node is None:
        return None
    lists = [integers(node, name, i) for i, name in enumerate(("starts", "ends", "axes", "steps"), 1)]
    given = [len(node.inputs) > i and node.inputs[i] is not None for i in (3, 4)]
    starts, ends, axes, steps = lists
    if starts is None or ends is None or (given[0] and axes is None) or (given[1] and steps is None):
        return None
    axes, steps = axes or tuple(range(len(starts))), steps or (1,) * len(starts)
    dimensions = rank(node.inputs[0])
    if min(axes, default=0) < 0 and dimensions is None:
        return None
    front = [a if a >= 0 else a + (dimensions or 0) for a in axes]
    return {a: Cut(*cut) for a, *cut in zip(front, starts, ends, steps, strict=True)}


def slice_node(source: ir.Value | None, parts: dict[int, Cut]) -> tuple[ir.Node, list[ir.Value]]:
    """A Slice (opset 10 on) with its constants."""
    rows = [(c.start, c.end, axis, c.step) for axis, c in sorted(parts.items())]
    columns = zip(("starts", "ends", "axes", "steps"), zip(*rows, strict=True), strict=True)
    constants = [initializer(name, np.array(column, np.int64)) for name, column in columns]
    return node_of("Slice", [source, *constants]), constants


class SliceOfSlice:
    """`x[a:b][c:d]` = `x[a+c : min(b, a+d)]`; cuts of different axes become one Slice"""

    name, anchors = "slice-of-slice", frozenset({"Slice"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        inner = is_op(node.inputs[0], "Slice")
        first, second = cuts(inner), cuts(node)
        if inner is None or first is None or second is None or "starts" in node.attributes:
            return None
        both = set(first) & set(second)
        if not all(first[axis].forward and second[axis].forward for axis in both):
            scope.decline(self.name, "an axis is cut twice, from its end or in steps")
            return None
        merged = {**first, **second, **{axis: _within(first[axis], second[axis]) for axis in both}}
        made, constants = slice_node(inner.inputs[0], merged)
        return Replacement([node.outputs[0]], [made.outputs[0]], [made], constants)


def _within(outer: Cut, inner: Cut) -> Cut:
    return Cut(outer.start + inner.start, max(outer.start, min(outer.end, outer.start + inner.end)))


class GatherOfGather:
    """`Gather(Gather(x, i), j)` = `Gather(x, i[j])` on one axis, i a constant vector, j constant"""

    name, anchors = "gather-of-gather", frozenset({"Gather"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        inner = is_op(node.inputs[0], "Gather")
        if inner is None or attribute(inner, "axis", 0) != attribute(node, "axis", 0):
            return None
        first, second = constant(inner.inputs[1], MAX_INDICES), constant(node.inputs[1], MAX_INDICES)
        if first is None or second is None or first.ndim != 1 or first.dtype.kind not in "i":
            return None
        if second.size and not (-len(first) <= second.min() and second.max() < len(first)):
            return None
        indices = initializer("indices", np.asarray(first[second], np.int64))
        made = node_of("Gather", [inner.inputs[0], indices], {"axis": attribute(node, "axis", 0)})
        return Replacement([node.outputs[0]], [made.outputs[0]], [made], [indices])


class ConcatOfConcat:
    """`Concat(Concat(a, b), c)` = `Concat(a, b, c)` on one axis"""

    name, anchors = "concat-of-concat", frozenset({"Concat"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        inputs: list[ir.Value | None] = []
        for value in node.inputs:
            inner = is_op(value, "Concat")
            flat = (
                inner is not None and value is not None and used_once(value) and _axis(inner) == _axis(node)
            )
            inputs += inner.inputs if inner is not None and flat else [value]
        if len(inputs) == len(node.inputs) or _axis(node) is None:
            return None
        made = node_of("Concat", inputs, {"axis": _axis(node)})
        return Replacement([node.outputs[0]], [made.outputs[0]], [made])


def _axis(node: ir.Node, default: int | None = None) -> int | None:
    """The axis counted from the front; None where it counts from the end of an unknown rank."""
    given, dimensions = attribute(node, "axis", default), rank(node.inputs[0])
    if given is None or given >= 0:
        return None if given is None else int(given)
    return None if dimensions is None else int(given) + dimensions


class ConcatOfSplit:
    """`Concat(Split(x))` = `x`: all parts, in order, on the same axis"""

    name, anchors = "concat-of-split", frozenset({"Concat"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        split = is_op(node.inputs[0], "Split")
        if split is None or list(node.inputs) != list(split.outputs) or _axis(node) is None:
            return None
        return put(node, split.inputs[0]) if _axis(node) == _axis(split, 0) else None


class SplitOfConcat:
    """`Split(Concat(a, b, …))` = `a, b, …` where the sizes are the same"""

    name, anchors = "split-of-concat", frozenset({"Split"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        concat = is_op(node.inputs[0], "Concat")
        if concat is None or len(concat.inputs) != len(node.outputs):
            return None
        axis = _axis(concat)
        if axis is None or axis != _axis(node, 0):
            return None
        given, cut = _sizes(concat.inputs, axis), _sizes(node.outputs, axis)
        if given is None or given != cut or any(v is None or v.is_graph_output() for v in node.outputs):
            return None
        return Replacement(list(node.outputs), [v for v in concat.inputs if v is not None])


def _sizes(values: Sequence[ir.Value | None], axis: int) -> list[int] | None:
    shapes = [dims(value) for value in values]
    sizes = [shape[axis] for shape in shapes if shape is not None and len(shape) > axis]
    numbers = [size for size in sizes if isinstance(size, int)]
    return numbers if len(numbers) == len(values) else None


class ConcatOfSlices:
    """`Concat(x[a:b], x[b:c], …)` = `x[a:c]`, `x` where that is all of it"""

    name, anchors = "concat-of-slices", frozenset({"Concat"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        slices = [is_op(value, "Slice") for value in node.inputs]
        axis = _axis(node)
        found = [_one_cut(cutter, axis) for cutter in slices]
        runs = [cut for cut in found if cut is not None]
        sources = {cutter.inputs[0] for cutter in slices if cutter is not None}
        if axis is None or len(runs) < max(2, len(found)) or len(sources) != 1:
            return None
        source = sources.pop()
        size = (dims(source) or ())[axis : axis + 1]
        if not _consecutive(runs, size[0] if size else None):
            return None
        whole = Cut(runs[0].start, runs[-1].end)
        if whole.start == 0 and (whole.end >= TO_THE_END or (whole.end,) == size):
            return put(node, source)
        made, constants = slice_node(source, {axis: whole})
        return Replacement([node.outputs[0]], [made.outputs[0]], [made], constants)


def _one_cut(node: ir.Node | None, axis: int | None) -> Cut | None:
    found = cuts(node)
    if found is None or axis is None or set(found) != {axis} or "starts" in (node.attributes if node else ()):
        return None
    return found[axis] if found[axis].forward else None


def _consecutive(runs: list[Cut], size: int | str | None) -> bool:
    """Each begins where the last one ended, which is where it was cut: within the dimension."""
    inner = [run.end for run in runs[:-1]]
    ordered = all(run.start <= run.end for run in runs)
    met = all(end == run.start for end, run in zip(inner, runs[1:], strict=True))
    return ordered and met and (not isinstance(size, str) and size is not None and max(inner) <= size)


SLICES = (
    SliceOfSlice(),
    GatherOfGather(),
    ConcatOfConcat(),
    ConcatOfSplit(),
    SplitOfConcat(),
    ConcatOfSlices(),
)
