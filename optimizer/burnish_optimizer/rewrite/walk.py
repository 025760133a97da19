"""Every graph, node and constant of a model, subgraphs and functions included. Pure."""

from collections import Counter
from collections.abc import Iterator

import onnx_ir as ir

from burnish_optimizer.rewrite.values import op_key


def subgraphs(node: ir.Node) -> Iterator[ir.Graph]:
    """The graphs that a node holds (If, Loop, Scan)."""
    for attribute in node.attributes.values():
        if attribute.is_ref():
            continue
        if attribute.type == ir.AttributeType.GRAPH:
            yield attribute.as_graph()
        elif attribute.type == ir.AttributeType.GRAPHS:
            yield from attribute.as_graphs()


def model_nodes(model: ir.Model) -> Iterator[ir.Node]:
    """All nodes of a model, those of subgraphs after the node that holds them."""
    yield from model.graph.all_nodes()
    for function in model.functions.values():
        yield from function.all_nodes()


def op_counts(model: ir.Model) -> dict[str, int]:
    """Nodes by op type, most first."""
    return dict(Counter(op_key(node) for node in model_nodes(model)).most_common())


def constants(model: ir.Model) -> Iterator[ir.TensorProtocol]:
    """All initializers, and the tensors of Constant nodes."""
    graphs = [model.graph, *model.graph.subgraphs()]
    for graph in graphs:
        yield from (v.const_value for v in graph.initializers.values() if v.const_value is not None)
    for node in model_nodes(model):
        value = node.attributes.get("value") if op_key(node) == "Constant" else None
        if value is not None and value.type == ir.AttributeType.TENSOR:
            yield value.as_tensor()


def needs(node: ir.Node) -> Iterator[ir.Value]:
    """Inputs of a node, and the outer values that its subgraphs take."""
    yield from (value for value in node.inputs if value is not None)
    for graph in subgraphs(node):
        inner = list(graph.all_nodes())
        own = {id(v) for n in inner for v in n.outputs}
        yield from (v for n in inner for v in n.inputs if v is not None and id(v) not in own)
        yield from (v for v in graph.outputs if id(v) not in own)
