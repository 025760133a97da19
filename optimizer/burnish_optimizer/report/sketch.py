"""A graph as a reader needs it: op types, who feeds whom, and what differs from another graph."""

from collections.abc import Iterator
from dataclasses import dataclass

import onnx_ir as ir

from burnish_optimizer.rewrite.values import op_key

MOST_NODES = 60


@dataclass(frozen=True)
class SketchNode:
    """One node, input or output. `style`: same, changed, input or output. `title`: the tooltip."""

    label: str
    title: str
    style: str


@dataclass(frozen=True)
class Sketch:
    """Nodes in topological order, and edges as pairs of their positions."""

    nodes: tuple[SketchNode, ...]
    edges: tuple[tuple[int, int], ...]


def sketches(before: ir.Model, after: ir.Model) -> tuple[Sketch, Sketch] | None:
    """Both main graphs, what differs marked; None where one is too large to be read."""
    if max(len(_shown(before)), len(_shown(after))) > MOST_NODES:
        return None
    old, new = (frozenset(map(signature, _shown(model))) for model in (before, after))
    return _sketch(before, unchanged=new), _sketch(after, unchanged=old)


def signature(node: ir.Node) -> tuple[object, ...]:
    """What makes two nodes of two graphs the same: op type, names of inputs and outputs, attributes."""
    names = (
        tuple(v.name if v is not None else None for v in values) for values in (node.inputs, node.outputs)
    )
    attributes = tuple(sorted((name, _attribute(a)) for name, a in node.attributes.items()))
    return (op_key(node), *names, attributes)


def _attribute(attribute: ir.Attr) -> str:
    """The value of an attribute as text; tensors and graphs by kind, which the gates have compared."""
    if attribute.type in (ir.AttributeType.TENSOR, ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS):
        return str(attribute.type)
    return str(attribute.value)


def _shown(model: ir.Model) -> list[ir.Node]:
    """Constants are weights that are written as nodes: no reader misses them."""
    return [node for node in model.graph if op_key(node) != "Constant"]


def _sketch(model: ir.Model, unchanged: frozenset[tuple[object, ...]]) -> Sketch:
    graph = model.graph
    weights = set(graph.initializers)
    entries = [v for v in graph.inputs if v.name not in weights]
    nodes = _shown(model)
    made: dict[int, int] = {id(value): index for index, value in enumerate(entries)}
    shown = [SketchNode(v.name or "", f"input {v}", "input") for v in entries]
    edges: list[tuple[int, int]] = []
    for node in nodes:
        index = len(shown)
        same = signature(node) in unchanged
        shown.append(SketchNode(op_key(node), _title(node), "same" if same else "changed"))
        edges += sorted({(made[id(v)], index) for v in _needs(node) if id(v) in made})
        made |= {id(value): index for value in node.outputs}
    for value in graph.outputs:
        if id(value) in made:
            edges.append((made[id(value)], len(shown)))
        shown.append(SketchNode(value.name or "", f"output {value}", "output"))
    return Sketch(tuple(shown), tuple(edges))


def _needs(node: ir.Node) -> Iterator[ir.Value]:
    """Inputs of the node, and what its subgraphs take from outside."""
    yield from (value for value in node.inputs if value is not None)
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            for inner in attribute.as_graph():
                yield from _needs(inner)


def _title(node: ir.Node) -> str:
    inputs = ", ".join(v.name or "" if v is not None else "–" for v in node.inputs)
    outputs = ", ".join(v.name or "" for v in node.outputs)
    return f"{op_key(node)}: {inputs} → {outputs}"
