"""Merging parallel projections of one input: x W₁, x W₂ … = x [W₁ W₂ …]."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.choose import opset
from burnish_optimizer.rewrite.horizontal_cost import pays
from burnish_optimizer.rewrite.horizontal_read import Projection, projection
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.values import (
    attribute,
    dtype,
    initializer,
    lazy_initializer,
    node_of,
    op_key,
    rank,
    tensor,
    used_once,
)

SPLIT_OPSET = 13  # Split takes its sizes as an input since then
ELEMENTWISE = frozenset({"Relu", "Sigmoid", "Tanh", "LeakyRelu", "Elu", "HardSigmoid", "HardSwish", "Erf"})


@dataclass(frozen=True)
class MergeConcatenated:
    """Concat(f(x W₁ + b₁), f(x W₂ + b₂) …) → f(x [W₁ W₂ …] + [b₁ b₂ …]); MatMul, Gemm, Conv, f any or none.

    Less work on every target: the same products, one pass over x, no copies.
    """

    name: str = "merge-concatenated"
    anchors: frozenset[str] = frozenset({"Concat"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        outer = _same_outer(node.inputs)
        inner = [_through(value) if outer is not None else value for value in node.inputs]
        found = [projection(value) for value in inner]
        run = _run(found)
        if run is None or (outer is not None and len(run) < len(node.inputs)):
            return None
        if not _joined_over_width(node, found[run.start]):
            scope.decline(self.name, "concatenated over another axis")
            return None
        return _concatenated(node, outer, [p for p in found[run.start : run.stop] if p is not None], run)


@dataclass(frozen=True)
class MergeAndSplit:
    """x W₁ + b₁, x W₂ + b₂ … → Split(x [W₁ W₂ …] + [b₁ b₂ …]), where that pays (`horizontal_cost`)."""

    name: str = "merge-and-split"
    anchors: frozenset[str] = frozenset({"MatMul", "Gemm", "Add"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        own = projection(node.outputs[0], ends=True)
        if own is None or own.op == "Conv" or opset(scope) < SPLIT_OPSET or _goes_on(own):
            return None
        group = _siblings(own)
        if len(group) == 1 or _first(group) is not node:
            return None
        widths = tuple(p.width for p in group)
        if not pays(scope.target.name, widths, biased=own.adds_bias):
            scope.decline(self.name, f"a Split costs more than it saves on {scope.target.name}")
            return None
        return _split(group, widths)


def _same_outer(values: Sequence[ir.Value | None]) -> ir.Node | None:
    """One of the element-wise nodes, all alike, that make all the values; None where they are not that."""
    nodes = [v.producer() if v is not None and used_once(v) else None for v in values]
    first = nodes[0] if nodes else None
    if first is None or op_key(first) not in ELEMENTWISE:
        return None
    wanted = (op_key(first), _attributes(first))
    return first if all(n is not None and (op_key(n), _attributes(n)) == wanted for n in nodes) else None


def _through(value: ir.Value | None) -> ir.Value | None:
    node = value.producer() if value is not None else None
    return node.inputs[0] if node is not None else None


def _attributes(node: ir.Node) -> dict[str, Any]:
    return {name: attribute(node, name) for name in node.attributes}


def _run(found: Sequence[Projection | None]) -> range | None:
    """The longest run of projections that can be one, of two or more."""
    best: range | None = None
    start = 0
    for stop in range(1, len(found) + 1):
        first, here = found[start], found[stop] if stop < len(found) else None
        if first is not None and here is not None and first.joins(here):
            continue
        if first is not None and stop - start > max(1, len(best or ())):
            best = range(start, stop)
        start = stop
    return best


def _joined_over_width(concat: ir.Node, first: Projection | None) -> bool:
    axis, dims = attribute(concat, "axis"), rank(concat.outputs[0])
    if first is None or axis is None:
        return False
    if first.op == "Conv":
        return bool(axis == 1 or (dims is not None and axis == 1 - dims))
    return bool(axis == -1 or (dims is not None and axis == dims - 1))


def _concatenated(concat: ir.Node, outer: ir.Node | None, group: list[Projection], run: range) -> Replacement:
    nodes, constants = _merged(group)
    if outer is not None:
        nodes.append(node_of(outer.op_type, [nodes[-1].outputs[0]], _attributes(outer), domain=outer.domain))
    rest = list(concat.inputs)
    rest[run.start : run.stop] = [nodes[-1].outputs[0]]
    if len(rest) > 1:
        nodes.append(node_of("Concat", rest, _attributes(concat)))
    return Replacement([concat.outputs[0]], [nodes[-1].outputs[0]], nodes, constants)


def _goes_on(own: Projection) -> bool:
    """Whether its bias is still to come."""
    users = tuple(own.output.uses())
    return (
        not own.adds_bias and len(users) == 1 and projection(users[0].node.outputs[0], ends=True) is not None
    )


def _siblings(own: Projection) -> list[Projection]:
    found: list[Projection] = []
    for use in own.source.uses():
        output = use.node.outputs[0]
        ends = next(iter(output.uses())).node.outputs[0] if own.adds_bias and used_once(output) else output
        other = projection(ends, ends=True) if use.idx == 0 else None
        if other is not None and own.joins(other) and other.output.name not in {p.output.name for p in found}:
            found.append(other)
    return found


def _first(group: Sequence[Projection]) -> ir.Node | None:
    """The node, first in graph order, whose output is one of the results."""
    ends = {id(p.output.producer()): p.output.producer() for p in group}
    graph = next(iter(ends.values())).graph  # type: ignore[union-attr]
    return next((node for node in graph or () if id(node) in ends), None)


def _split(group: list[Projection], widths: tuple[int, ...]) -> Replacement:
    nodes, constants = _merged(group)
    sizes = initializer("widths", np.array(widths, np.int64))
    whole = nodes[-1].outputs[0]
    nodes.append(node_of("Split", [whole, sizes], {"axis": -1}, outputs=len(group)))
    new = list(nodes[-1].outputs)
    return Replacement([p.output for p in group], new, nodes, [*constants, sizes])


def _merged(group: list[Projection]) -> tuple[list[ir.Node], list[ir.Value]]:
    """One projection for all: its nodes, and its constants."""
    first = group[0]
    weight = joined([p.weight for p in group], first.axis)
    biases = [p.bias for p in group if p.bias is not None]
    bias = joined(biases, 0) if biases else None
    inside: list[ir.Value | None] = (
        [first.source, weight, bias] if not first.adds_bias else [first.source, weight]
    )
    nodes = [node_of(first.op, inside, _attributes(first.node))]
    if first.adds_bias:
        nodes.append(node_of("Add", [nodes[0].outputs[0], bias]))
    return nodes, [weight, bias] if bias is not None else [weight]


def joined(values: Sequence[ir.Value], axis: int) -> ir.Value:
    """Constants, concatenated where they are written: weights are not held twice."""
    parts = [found for value in values if (found := tensor(value)) is not None]
    dims = [list(part.shape.numpy()) for part in parts]
    whole = [*dims[0][:axis], sum(d[axis] for d in dims), *dims[0][axis + 1 :]]
    kind = dtype(values[0]) or ir.DataType.FLOAT
    return lazy_initializer("joined", _concatenate(parts, axis), kind, tuple(whole))


def _concatenate(parts: Sequence[ir.TensorProtocol], axis: int) -> Callable[[], np.ndarray[Any, Any]]:
    return lambda: np.concatenate([part.numpy() for part in parts], axis)
