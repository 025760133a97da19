"""Rewrites a graph so that chosen nodes compute in a narrower type, with a cast wherever types meet.

Inputs, outputs and the signatures of bodies of If, Loop and Scan stay as they are. A value has at most one
cast for each graph that takes it in its other type; what was cast from integers is cast once, to what is
wanted.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from burnish_optimizer.precision.floats.choose import Choice
from burnish_optimizer.precision.floats.constants import FLOAT16_MAX, MASK, narrowed
from burnish_optimizer.precision.floats.slots import Slots
from burnish_optimizer.precision.place import Place
from burnish_optimizer.rewrite.values import attribute, dtype, lazy_initializer, node_of, op_key, tensor
from burnish_optimizer.rewrite.walk import graphs_of, subgraphs

WIDE = ir.DataType.FLOAT
# What bounds a value, and says so with the largest number there is.
LIMITS = frozenset({"Clip", "Min", "Max"})


def narrow(
    model: ir.Model, choice: Choice, kind: ir.DataType, store: Callable[[int], None] = lambda _: None
) -> int:
    """Rewrite in place. Returns how many casts were added.

    Args: store: is told the bytes of every constant that was made.
    """
    work = _Work(Place(model), choice, kind, store)
    work.graph(model.graph)
    for graph in graphs_of(model.graph):
        graph.remove([node for node in graph if _is_idle_cast(node)], safe=True)
    return work.casts


def _is_idle_cast(node: ir.Node) -> bool:
    """From integers, and by now done elsewhere."""
    return op_key(node) == "Cast" and not node.outputs[0].uses() and not node.outputs[0].is_graph_output()


@dataclass
class _Work:
    place: Place
    choice: Choice
    kind: ir.DataType
    store: Callable[[int], None]
    casts: int = 0
    _cast: dict[tuple[int, ir.DataType, int], ir.Value] = field(default_factory=dict)
    _constants: dict[tuple[int, float], ir.Value] = field(default_factory=dict)
    _narrow: set[int] = field(default_factory=set)
    _changed: set[int] = field(default_factory=set)
    _native: set[tuple[int, int]] = field(default_factory=set)

    def graph(self, graph: ir.Graph) -> None:
        for node in tuple(graph):
            chosen = self.choice.narrow.get(id(node), Slots((), ()))
            for index, value in enumerate(node.inputs):
                self._input(node, index, value, wants_narrow=index in chosen.inputs)
            for index in chosen.outputs:
                self._output(node, node.outputs[index])
            for body in subgraphs(node):
                self.graph(body)
            self._bypass(node)
        for index, value in enumerate(graph.outputs):
            if value is not None and id(value) in self._changed:
                self._graph_output(graph, index, value)

    def _input(self, node: ir.Node, index: int, value: ir.Value | None, *, wants_narrow: bool) -> None:
        if value is None or wants_narrow == (id(value) in self._narrow) or (id(node), index) in self._native:
            return
        if not wants_narrow:
            node.replace_input_with(index, self._as(value, WIDE, node))
        elif tensor(value) is not None:
            limit = FLOAT16_MAX if op_key(node) in LIMITS else MASK
            node.replace_input_with(index, self._constant(value, limit))
        else:
            node.replace_input_with(index, self._as(value, self.kind, node))

    def _output(self, node: ir.Node, value: ir.Value) -> None:
        value.type = ir.TensorType(self.kind)
        self._narrow.add(id(value))
        self._changed.add(id(value))
        if op_key(node) == "Cast":
            node.attributes["to"] = ir.AttrInt64("to", int(self.kind))
        elif op_key(node) == "ConstantOfShape":
            held = attribute(node, "value")
            array = narrowed(np.zeros(1) if held is None else held.numpy(), self.kind, MASK)
            node.attributes["value"] = ir.AttrTensor("value", ir.Tensor(array, dtype=self.kind))

    def _bypass(self, node: ir.Node) -> None:
        """A cast to the type that its input has by now."""
        if op_key(node) != "Cast" or node.inputs[0] is None or node.outputs[0].is_graph_output():
            return
        if dtype(node.inputs[0]) == attribute(node, "to") and node.graph is not None:
            source, made = node.inputs[0], node.outputs[0]
            if id(made) in self._narrow:
                self._narrow.add(id(source))
            else:  # who took it took the narrow type all along
                self._native |= {(id(use.node), use.idx) for use in made.uses()}
            made.replace_all_uses_with(source)
            node.graph.remove(node, safe=True)

    def _as(self, value: ir.Value, kind: ir.DataType, user: ir.Node) -> ir.Value:
        """The value in this type, in the graph of its user."""
        graph = user.graph
        assert isinstance(graph, ir.Graph)  # noqa: S101 - functions are not walked
        key = (id(value), kind, id(graph))
        if key not in self._cast:
            cast = self._made(value, kind)
            graph.insert_before(user, cast)
            self._cast[key] = cast.outputs[0]
        return self._cast[key]

    def _made(self, value: ir.Value, kind: ir.DataType) -> ir.Node:
        maker, source = value.producer(), value
        if maker is not None and op_key(maker) == "Cast" and maker.inputs[0] is not None:
            found = dtype(maker.inputs[0])
            if found is not None and not found.is_floating_point():
                source = maker.inputs[0]
        cast = node_of("Cast", [source], {"to": int(kind)})
        cast.name = self.place.fresh(f"{value.name}/{kind.name.lower()}/cast")
        made = cast.outputs[0]
        made.name = self.place.fresh(f"{value.name}/{kind.name.lower()}")
        made.type, made.shape = ir.TensorType(kind), value.shape
        self.casts += 1
        return cast

    def _graph_output(self, graph: ir.Graph, index: int, value: ir.Value) -> None:
        """The signature's type and name, made of what is computed."""
        cast = self._made(value, WIDE)
        made, name, maker = cast.outputs[0], value.name, value.producer()
        if maker is not None and maker.graph is graph:
            value.name = self.place.fresh(f"{name}/{self.kind.name.lower()}")
            made.name = name
        graph.append(cast)
        graph.outputs[index] = made

    def _constant(self, value: ir.Value, limit: float) -> ir.Value:
        """In the graph that holds the constant."""
        key = (id(value), limit)
        if key not in self._constants:
            held, maker = tensor(value), value.producer()
            graph = value.graph if maker is None else maker.graph
            assert held is not None and isinstance(graph, ir.Graph)  # noqa: S101,PT018 - the caller looked
            kind, dims = self.kind, tuple(int(d) for d in held.shape.numpy())
            name = self.place.fresh(f"{value.name}/{kind.name.lower()}")
            made = lazy_initializer(name, lambda: narrowed(held.numpy(), kind, limit), kind, dims)
            graph.register_initializer(made)
            self._constants[key] = made
            self.store(held.nbytes // 2)
        return self._constants[key]
