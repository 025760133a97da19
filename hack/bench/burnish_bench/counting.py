"""Nodes of a model, counted the same way whoever wrote it."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from onnx import ModelProto, NodeProto


class Nodes(NamedTuple):
    """all: every node of the graph, its subgraphs, and the bodies of functions (each once).

    work: those that are not `Constant`: storing a weight in a node or as an initializer costs the same.
    """

    all: int
    work: int


def count(model: ModelProto) -> Nodes:
    """See `Nodes`."""
    bodies: list[Iterable[NodeProto]] = [model.graph.node, *(f.node for f in model.functions)]
    ops = [node.op_type for body in bodies for node in every(body)]
    return Nodes(len(ops), len(ops) - ops.count("Constant"))


def every(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """The nodes and all those in their subgraphs."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from every(graph.node)
