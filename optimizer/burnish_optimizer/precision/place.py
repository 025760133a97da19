"""Puts new nodes and constants into a model, under names that nothing else has."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish_optimizer.rewrite.values import initializer
from burnish_optimizer.rewrite.walk import graphs_of


class Place:
    """A model that is changed. It knows all names in it."""

    def __init__(self, model: ir.Model) -> None:
        self.model = model
        self._names = set(_names(model.graph))

    def fresh(self, wanted: str) -> str:
        """This name, or one like it that is free; it is taken from then on."""
        name, number = wanted, 0
        while name in self._names:
            number += 1
            name = f"{wanted}.{number}"
        self._names.add(name)
        return name

    def constant(self, wanted: str, array: np.ndarray[Any, Any], beside: ir.Value) -> ir.Value:
        """A new initializer, in the graph that holds the constant `beside`: whoever sees that sees this."""
        made = initializer(self.fresh(wanted), array)
        maker = beside.producer()
        graph = beside.graph if maker is None else maker.graph
        assert isinstance(graph, ir.Graph)  # noqa: S101 - functions are not walked
        graph.register_initializer(made)
        return made

    def swap(self, after: ir.Node, old: Sequence[ir.Node], new: Sequence[ir.Node]) -> None:
        """Nodes `new` for `old`; the last one's output serves where the last old one's did.

        Args: after: where they are put.
        """
        base = after.name or old[-1].outputs[0].name or "node"
        graph = after.graph
        assert isinstance(graph, ir.Graph)  # noqa: S101 - functions are not walked
        for node in new:
            node.name = self.fresh(f"{base}/{node.op_type}")
            for value in node.outputs:
                value.name = self.fresh(f"{base}/{node.op_type}/out")
        last = old[-1]
        ir.convenience.replace_nodes_and_values(
            graph, after, [], new, [last.outputs[0]], [new[-1].outputs[0]]
        )
        last.outputs[0].name = self.fresh(f"{base}/replaced")
        graph.remove(list(old)[::-1], safe=True)


def _names(graph: ir.Graph) -> Iterator[str]:
    for inner in graphs_of(graph):
        yield from (v.name for v in (*inner.inputs, *inner.initializers.values()) if v.name)
        for node in inner:
            yield from (name for name in (node.name, *(v.name for v in node.outputs)) if name)
