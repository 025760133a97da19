"""Nodes in the making: what the attention rules put together before the driver takes it over."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish_optimizer.rewrite.values import initializer, node_of

SHARED_TAG = "burnish.shared"


class Parts:
    """New nodes in topological order, and their constants."""

    def __init__(self) -> None:
        self.nodes: list[ir.Node] = []
        self.constants: list[ir.Value] = []

    def op(self, name: str, *inputs: ir.Value | None, domain: str = "", **attributes: Any) -> ir.Value:
        """A node with one output; returns that."""
        self.nodes.append(node_of(name, list(inputs), attributes, domain=domain))
        return self.nodes[-1].outputs[0]

    def ints(self, *numbers: int) -> ir.Value:
        """A constant int64 vector."""
        self.constants.append(initializer("numbers", np.array(numbers, np.int64)))
        return self.constants[-1]

    def constant(self, array: np.ndarray[Any, Any], kind: ir.DataType | None = None) -> ir.Value:
        """A constant of any type."""
        self.constants.append(initializer("constant", array, kind))
        return self.constants[-1]

    def row_count(self, value: ir.Value, axis: int, opset: int) -> ir.Value:
        """One dimension of a value, as an int64 vector of one element."""
        if opset >= 15:
            return self.op("Shape", value, start=axis, end=axis + 1)
        return self.op("Gather", self.op("Shape", value), self.ints(axis), axis=0)

    def share(self, value: ir.Value, source: ir.Value, tag: str) -> ir.Value:
        """Let later sites find `value` again among what is computed from `source`."""
        producer = value.producer()
        if producer is not None:
            producer.meta[SHARED_TAG] = f"{tag} {source.name}"
        return value


def find_shared(source: ir.Value, tag: str, before: ir.Node, depth: int = 6) -> ir.Value | None:
    """What an earlier site made from `source` under this tag, where it comes before `before`."""
    wanted = f"{tag} {source.name}"
    for node in _consumers(source, depth):
        if node.meta.get(SHARED_TAG) == wanted and _comes_before(node, before):
            return node.outputs[0]
    return None


def _consumers(value: ir.Value, depth: int) -> Iterator[ir.Node]:
    for use in value.uses() if depth else ():
        yield use.node
        if "burnish.rule" in use.node.metadata_props:
            for output in use.node.outputs:
                yield from _consumers(output, depth - 1)


def _comes_before(node: ir.Node, other: ir.Node) -> bool:
    """Sites are found from the top down, yet a later round may find one above what a lower one made."""
    if node.graph is not other.graph or node.graph is None:
        return False
    return next(n for n in node.graph if n is node or n is other) is node
