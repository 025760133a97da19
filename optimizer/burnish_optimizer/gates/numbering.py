"""Value numbers: what is the same by its structure needs no trial.

Two values have one number where the same operator, with the same attributes, takes inputs of the same
numbers (value graphs: J.-B. Tristan, P. Govereau, G. Morrisett, "Evaluating value-graph translation
validation for LLVM", 2011). All that is taken for granted besides: an Identity is its input, a Constant is
the tensor that it holds, and a node that nothing uses has no part in anything. That proves removed
identities, dead nodes, merged duplicates, moved constants and renamed values, in subgraphs too.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

import onnx_ir as ir

from burnish_optimizer.gates.cut import Cut, grown
from burnish_optimizer.gates.same import content, definition, plain
from burnish_optimizer.gates.view import View, constant_of
from burnish_optimizer.reference.fp64_reference import DRAWING
from burnish_optimizer.rewrite.values import STANDARD
from burnish_optimizer.rewrite.walk import BODIES

MAX_GROWTH = 1


# By identity: the tensor (held, so that its identity stays its own) and what is in it.
Tensors = dict[int, tuple[ir.TensorProtocol, Hashable]]


def same_by_structure(cut: Cut, before: View, after: View, tensors: Tensors) -> bool:
    """Whether every output of the region has the same number on both sides.

    Cut wider where it has not: of two equal nodes one may be outside.
    Args: tensors: those that were read for other cuts; added to.
    """
    for _ in range(MAX_GROWTH):
        if _same(cut, before, after, tensors):
            return True
        wider = grown(cut, before, after)
        if wider == cut:
            return False
        cut = wider
    return _same(cut, before, after, tensors)


def _same(cut: Cut, before: View, after: View, tensors: Tensors) -> bool:
    numbers = Numbers(tensors)
    names = cut.region.outputs
    one, other = (
        numbers.region(side, keys, names) for side, keys in ((before, cut.before), (after, cut.after))
    )
    return None not in one and one == other


@dataclass
class Numbers:
    """Gives every structure a number of its own; the same table serves both sides."""

    tensors: Tensors = field(default_factory=dict)
    table: dict[Hashable, int] = field(default_factory=dict)

    def region(self, side: View, keys: Iterable[str], outputs: Iterable[str]) -> list[int | None]:
        """Numbers of `outputs`, whose makers are among `keys` or which are constants; None: neither."""
        scope = _Scope(side)
        for key in sorted(keys, key=side.places.__getitem__):
            self._node(side.nodes[key], scope)
        return [scope.known.get(n, self._constant(n, side)) for n in outputs]

    def _constant(self, name: str, side: View) -> int | None:
        tensor = side.constants.get(name)
        return None if tensor is None else self._tensor(tensor)

    def _tensor(self, tensor: ir.TensorProtocol) -> int:
        """Both sides share most tensors: each is read once."""
        if id(tensor) not in self.tensors:
            self.tensors[id(tensor)] = (tensor, ("tensor", *_short(content(tensor))))
        return self._of(self.tensors[id(tensor)][1])

    def _of(self, structure: Hashable) -> int:
        return self.table.setdefault(structure, len(self.table))

    def _value(self, value: ir.Value | None, scope: "_Scope") -> int:
        if value is None:
            return self._of("nothing")
        name = value.name or ""
        if name in scope.known:
            return scope.known[name]
        found = self._constant(name, scope.side)
        return self._of(("value", name)) if found is None else found

    def _node(self, node: ir.Node, scope: "_Scope") -> None:
        """Number the node's outputs."""
        first = node.outputs[0].name or ""
        if node.domain in STANDARD and node.op_type == "Identity":
            scope.known[first] = self._value(node.inputs[0], scope)
            return
        tensor = constant_of(node)
        if tensor is not None:
            scope.known[first] = self._tensor(tensor)
            return
        number = self._of(
            (
                definition(node, scope.side),
                tuple(self._value(value, scope) for value in node.inputs),
                self._attributes(node, first, scope),
                _named_outputs(node),
                # A node that draws gives other numbers than the next one; bodies of functions may differ.
                (*scope.path, first) if node.op_type in DRAWING else 0,
                id(node) if node.domain not in STANDARD else 0,
            )
        )
        for index, value in enumerate(node.outputs):
            scope.known[value.name or ""] = self._of(("output", number, index))

    def _attributes(self, node: ir.Node, of: str, scope: "_Scope") -> tuple[Hashable, ...]:
        held = node.attributes.data
        return tuple(self._attribute(held[name], of, scope) for name in sorted(held)) if held else ()

    def _attribute(self, one: ir.Attr, of: str, scope: "_Scope") -> Hashable:
        if one.type not in BODIES or one.is_ref():
            return one.name, plain(one)
        graphs = [one.as_graph()] if one.type == ir.AttributeType.GRAPH else list(one.as_graphs())
        return one.name, *(self._graph(graph, scope.inner(of)) for graph in graphs)

    def _graph(self, graph: ir.Graph, scope: "_Scope") -> Hashable:
        """A subgraph: its arguments by depth and place, its outputs by number."""
        for place, value in enumerate(graph.inputs):
            scope.known[value.name or ""] = self._of(("argument", len(scope.path), place))
        for name, value in graph.initializers.items():
            if value.const_value is not None and not value.is_graph_input():
                scope.known[name] = self._tensor(value.const_value)
        for node in graph:
            self._node(node, scope)
        return len(graph.inputs), *(self._value(value, scope) for value in graph.outputs)


@dataclass(frozen=True)
class _Scope:
    """Numbers by name, of what was made so far in a graph and in those around it.

    path: the nodes that hold the graph, outer ones first: bodies of different nodes may use the same names.
    """

    side: View
    path: tuple[str, ...] = ()
    known: dict[str, int] = field(default_factory=dict)

    def inner(self, of: str) -> "_Scope":
        """That of a subgraph of a node."""
        return _Scope(self.side, (*self.path, of), dict(self.known))


def _named_outputs(node: ir.Node) -> int:
    """How many outputs a node has; some operators behave by it."""
    names = [value.name for value in node.outputs]
    while names and not names[-1]:
        names.pop()
    return len(names)


def _short(told: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
    """What is in a tensor, without holding all of it."""
    *kind, held = told
    return (*kind, blake2b(held, digest_size=16).digest()) if isinstance(held, bytes) else told
