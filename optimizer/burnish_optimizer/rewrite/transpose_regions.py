"""Regions of agnostic operators behind transposes: what they cost as they are, and turned back."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.layout import transpose_bytes
from burnish_optimizer.rewrite.transposes import (
    DATA_INPUTS,
    Perm,
    Turned,
    inverse,
    perm_of,
    then,
    turn_constant,
    turned,
)
from burnish_optimizer.rewrite.values import constant, initializer, is_op, node_of, op_key, rank, tensor

CONSTANT_LIMIT = 1 << 22  # elements: larger ones are no biases or scales
REGION_LIMIT = 500


@dataclass
class Region:
    """Agnostic nodes that see their data as Transpose(·, perm).

    nodes: in graph order, with what each becomes.   sources: x by the Transpose(x, perm) that feeds them.
    foreign: other data that comes in, which would have to be turned back.
    """

    perm: Perm
    nodes: dict[ir.Node, Turned] = field(default_factory=dict)
    sources: dict[ir.Value, ir.Value] = field(default_factory=dict)
    foreign: list[ir.Value] = field(default_factory=list)

    def exits(self) -> Iterator[ir.Value]:
        """Values made here that something outside needs."""
        for node in self.nodes:
            for value in node.outputs:
                outside = (user for user, _ in value.uses() if user not in self.nodes)
                if value.is_graph_output() or next(outside, None) is not None:
                    yield value


def region_of(start: ir.Node, ops: frozenset[str], scope: Scope, order: dict[ir.Node, int]) -> Region | None:
    """All that a Transpose reaches through agnostic nodes; None where it reaches none.

    order: places of the nodes that may be in it, all of one graph.
    """
    perm = perm_of(start)
    if perm is None:
        return None
    found, waiting = Region(perm), [start]
    while waiting and len(found.nodes) < REGION_LIMIT:
        for value in waiting.pop().outputs:
            for user, _ in value.uses():
                if user in found.nodes or user not in order or op_key(user) not in ops:
                    continue
                fits = value in data_inputs(user) and _takes(user, perm)
                changed = turned(user, perm, scope) if fits else None
                if changed is not None:
                    found.nodes[user] = changed
                    waiting.append(user)
    if not found.nodes:
        return None
    found.nodes = dict(sorted(found.nodes.items(), key=lambda item: order[item[0]]))
    _find_inputs(found)
    return found


def data_inputs(node: ir.Node) -> list[ir.Value]:
    """Inputs that have the axes of the data (numbers, and lists of axes and sizes, have not)."""
    return [v for v in node.inputs[: DATA_INPUTS.get(node.op_type)] if v is not None]


def cost(found: Region, target: str) -> tuple[int, int]:
    """Bytes moved by the transposes around a region: as it is, and turned back."""
    before = after = 0
    for value, source in found.sources.items():
        paid = transpose_bytes(source, found.perm, target)
        before += paid
        after += paid if value.is_graph_output() or outside(value, found) else 0
    after += sum(transpose_bytes(value, inverse(found.perm), target) for value in found.foreign)
    for value in found.exits():
        orders = [transposes(user) for user in outside(value, found)]
        for order in orders:
            paid = transpose_bytes(value, order, target) if order is not None else 0
            before += paid
            stays = order is not None and then(found.perm, order) != tuple(range(len(order)))
            after += paid if stays else 0
        plain = value.is_graph_output() or None in orders
        after += transpose_bytes(value, found.perm, target) if plain else 0
    return before, after


class _Turning:
    """One region being put in the place of itself, working on what the transposes took.

    Values inside hold other orders of axes than before: they get names of their own. What leaves keeps its.
    """

    def __init__(self, found: Region, graph: ir.Graph, prefix: str) -> None:
        self.found, self.graph, self.prefix = found, graph, prefix
        self.made: dict[ir.Value, ir.Value] = dict(found.sources)
        self.nodes: list[ir.Node] = []
        self._numbers = count()
        self._leaving: set[ir.Value] = set()
        self._spent: list[ir.Node] = []

    def run(self) -> list[ir.Node]:
        """All of it. Returns the new nodes."""
        for node, changed in self.found.nodes.items():
            self._twin(node, changed)
        for value in list(self.found.exits()):
            self._leave(value, self.made[value])
        self._remove()
        return self.nodes

    def _name(self) -> str:
        return f"{self.prefix}/{next(self._numbers)}"

    def _put(self, node: ir.Node, at: ir.Node, *, before: bool = False) -> None:
        for value in node.outputs:
            value.name = value.name or self._name()
        node.name = self._name()
        (self.graph.insert_before if before else self.graph.insert_after)(at, [node])
        self.nodes.append(node)

    def _twin(self, node: ir.Node, changed: Turned) -> None:
        limit = DATA_INPUTS.get(node.op_type, len(node.inputs))
        inputs: list[ir.Value | None] = [
            self._data(v, node) if v is not None and place < limit else v
            for place, v in enumerate(node.inputs)
        ]
        for place, array in changed.constants.items():
            inputs += [None] * (place + 1 - len(inputs))
            inputs[place] = self._constant(array)
        size = len(node.outputs)
        twin = node_of(node.op_type, inputs, changed.attributes, outputs=size, domain=node.domain)
        self._put(twin, node)
        for old, value in zip(node.outputs, twin.outputs, strict=True):
            _retype(old, value, inverse(self.found.perm))
            self.made[old] = value

    def _data(self, value: ir.Value, at: ir.Node) -> ir.Value:
        """What stands for a data input in the turned region."""
        if value in self.made or rank(value) == 0:
            return self.made.get(value, value)
        held = constant(value, CONSTANT_LIMIT)
        if held is not None:
            self.made[value] = self._constant(turn_constant(held, self.found.perm))
            return self.made[value]
        back = node_of("Transpose", [value], {"perm": inverse(self.found.perm)})
        self._put(back, at, before=True)
        self.made[value] = back.outputs[0]
        return self.made[value]

    def _constant(self, array: np.ndarray[Any, Any]) -> ir.Value:
        value = initializer(self._name(), array)
        self.graph.register_initializer(value)
        return value

    def _leave(self, value: ir.Value, new: ir.Value) -> None:
        """Give what is outside the value in the order that it wants."""
        perm, plain = self.found.perm, value.is_graph_output()
        for user in outside(value, self.found):
            order = transposes(user)
            if order is None:
                plain = True
                continue
            self._spent.append(user)
            if then(perm, order) == tuple(range(len(perm))):
                self._serve(user.outputs[0], new, user)
            else:
                self._turn(user.outputs[0], new, then(perm, order), user)
        maker = new.producer()
        if plain and maker is not None:
            self._turn(value, new, perm, maker)

    def _serve(self, old: ir.Value, new: ir.Value, at: ir.Node) -> None:
        """`new` in the place of `old`: under its name, if it has not another already."""
        if new in self._leaving:
            if not old.is_graph_output():
                old.replace_all_uses_with(new)
                return
            same = node_of("Identity", [new])
            self._take_name(old, same.outputs[0])
            self._put(same, at)
            old.replace_all_uses_with(same.outputs[0], replace_graph_outputs=True)
            return
        self._leaving.add(new)
        self._take_name(old, new)
        old.replace_all_uses_with(new, replace_graph_outputs=True)

    def _turn(self, old: ir.Value, new: ir.Value, perm: Perm, at: ir.Node) -> None:
        """`old` made from `new` by a Transpose, under its own name."""
        node = node_of("Transpose", [new], {"perm": perm})
        self._take_name(old, node.outputs[0])
        self._put(node, at)
        old.replace_all_uses_with(node.outputs[0], replace_graph_outputs=True)

    def _take_name(self, old: ir.Value, new: ir.Value) -> None:
        new.type, new.shape, name = old.type, old.shape, old.name
        old.name = f"{name}/replaced"
        new.name = name

    def _remove(self) -> None:
        """Take the old nodes away, and transposes that nothing needs any longer."""
        starts = [maker for value in self.found.sources if (maker := value.producer()) is not None]
        for node in (*self._spent, *reversed(self.found.nodes), *starts):
            if not any(v.uses() or v.is_graph_output() for v in node.outputs):
                self.graph.remove(node, safe=True)


def turn_back(found: Region, graph: ir.Graph, prefix: str) -> list[ir.Node]:
    """Put the region, working on what the transposes took, in the place of itself. Returns the new nodes.

    prefix: of names that no other value has.
    """
    return _Turning(found, graph, prefix).run()


def site_of(found: Region) -> str:
    """The first value that a region leaves to others, under a name that stays."""
    for value in found.exits():
        users = [transposes(user) for user in outside(value, found)]
        if value.is_graph_output() or None in users:
            return value.name or ""
        return next(user.outputs[0].name or "" for user in outside(value, found))
    return ""


def outside(value: ir.Value, found: Region) -> list[ir.Node]:
    """The nodes that need a value of the region and are not in it."""
    return list(dict.fromkeys(user for user, _ in value.uses() if user not in found.nodes))


def transposes(node: ir.Node) -> Perm | None:
    """The order of axes of a Transpose; None for other nodes."""
    return perm_of(node) if is_op(node.outputs[0], "Transpose") else None


def closed(found: Region) -> Region:
    """The part of a region that takes nothing foreign."""
    kept = Region(found.perm, {}, dict(found.sources))
    known = set(found.sources)
    for node, changed in found.nodes.items():
        if all(v in known or tensor(v) is not None or rank(v) == 0 for v in data_inputs(node)):
            kept.nodes[node] = changed
            known |= set(node.outputs)
    kept.sources = {v: x for v, x in found.sources.items() if any(u in kept.nodes for u, _ in v.uses())}
    return kept


def _takes(node: ir.Node, perm: Perm) -> bool:
    """Whether all data inputs of a node have these axes, or are numbers, or constants that can be turned."""
    for value in data_inputs(node):
        held, dims = tensor(value), rank(value)
        if held is not None and held.size > CONSTANT_LIMIT:
            return False
        if dims != len(perm) and dims != 0 and (held is None or dims is None or dims > len(perm)):
            return False
        if held is not None and node.op_type in ("Concat", "Split", "Pad", "Slice") and dims != len(perm):
            return False
    return True


def _find_inputs(found: Region) -> None:
    inside = {value for node in found.nodes for value in node.outputs}
    for node in found.nodes:
        for value in data_inputs(node):
            if value in inside or value in found.sources or value in found.foreign:
                continue
            maker = is_op(value, "Transpose")
            x = maker.inputs[0] if maker is not None and perm_of(maker) == found.perm else None
            if x is not None and x not in inside:
                found.sources[value] = x
            elif tensor(value) is None and rank(value):
                found.foreign.append(value)


def _retype(old: ir.Value, new: ir.Value, perm: Perm) -> None:
    new.type = old.type
    if old.shape is not None and len(old.shape) == len(perm):
        new.shape = ir.Shape([old.shape[axis] for axis in perm])
