"""Every graph, node and constant of a model, subgraphs and functions included. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence

import onnx_ir as ir

from burnish_optimizer.rewrite.values import op_key

# Walked by hand: onnx-ir's iterators make an object a node, which took longer than most rules.
BODIES = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)


def subgraphs(node: ir.Node) -> Sequence[ir.Graph]:
    """The graphs that a node holds (If, Loop, Scan)."""
    attributes = node.attributes.data
    if not attributes:  # asked of every node again and again, of which most have none
        return ()
    return [g for one in attributes.values() if one.type in BODIES and not one.is_ref() for g in _held(one)]


def _held(attribute: ir.Attr) -> Sequence[ir.Graph]:
    return [attribute.as_graph()] if attribute.type == ir.AttributeType.GRAPH else attribute.as_graphs()


def graphs_of(graph: ir.Graph) -> Iterator[ir.Graph]:
    """A graph and every graph within it, outer ones first; found once the outer one is done with."""
    yield graph
    yield from tuple(dict.fromkeys(_within(graph)))


def _within(graph: ir.Graph) -> Iterator[ir.Graph]:
    for inner in (inner for node in graph if node.attributes.data for inner in subgraphs(node)):
        yield inner
        yield from _within(inner)


def nodes_of(graph: ir.Graph | ir.Function) -> Iterator[ir.Node]:
    """All nodes of a graph, those of subgraphs after the node that holds them."""
    for node in graph:
        yield node
        for inner in subgraphs(node) if node.attributes.data else ():
            yield from nodes_of(inner)


def model_nodes(model: ir.Model) -> Iterator[ir.Node]:
    """All nodes of a model, those of subgraphs after the node that holds them."""
    yield from nodes_of(model.graph)
    for function in model.functions.values():
        yield from nodes_of(function)


def op_counts(model: ir.Model) -> dict[str, int]:
    """Nodes by op type, most first."""
    return dict(Counter(op_key(node) for node in model_nodes(model)).most_common())


def constants(model: ir.Model) -> Iterator[ir.TensorProtocol]:
    """All initializers, and the tensors of Constant nodes."""
    for graph in graphs_of(model.graph):
        yield from (v.const_value for v in graph.initializers.values() if v.const_value is not None)
    for node in model_nodes(model):
        value = node.attributes.get("value") if op_key(node) == "Constant" else None
        if value is not None and value.type == ir.AttributeType.TENSOR:
            yield value.value


def needs(node: ir.Node) -> Iterator[ir.Value]:
    """Inputs of a node, and the outer values that its subgraphs take."""
    yield from (value for value in node.inputs if value is not None)
    for graph in subgraphs(node):
        inner = list(nodes_of(graph))
        own = {id(v) for n in inner for v in n.outputs}
        yield from (v for n in inner for v in n.inputs if v is not None and id(v) not in own)
        yield from (v for v in graph.outputs if id(v) not in own)
