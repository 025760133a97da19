"""What a pass changed: regions of nodes that differ, between values that both graphs have."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

import onnx_ir as ir

from burnish_optimizer.gates.same import same_wiring, unchanged
from burnish_optimizer.gates.view import View
from burnish_optimizer.rewrite.walk import subgraphs


@dataclass(frozen=True)
class Region:
    """Nodes that changed together, by the names of their first outputs, and the values that leave them.

    twin: one node, the same on both sides but for the operator set that defines it.
    taken: values that another part of the same change makes on both sides, and that are this one's inputs.
    """

    before: frozenset[str]
    after: frozenset[str]
    outputs: tuple[str, ...]
    names: frozenset[str]
    twin: bool = False
    taken: frozenset[str] = frozenset()


def regions(before: View, after: View) -> tuple[Region, ...]:
    """Connected changes. Empty where every node of the one is a node of the other."""
    changed = _changed(before, after)
    twins = {key for key in changed[0] & changed[1] if _is_twin(key, before, after)}
    rest = (changed[0] - twins, changed[1] - twins)
    kept_uses = {n for key, names in after.inputs.items() if key not in rest[1] for n in names}
    leaving = kept_uses | set(after.outputs)
    groups = _groups(before, after, rest)
    return (
        *(_region((before, after), (old, new), leaving) for old, new in groups),
        *(_twin(key, after) for key in sorted(twins, key=before.places.__getitem__)),
    )


def parts(region: Region, before: View, after: View) -> tuple[Region, ...]:
    """A change in parts, between values that both sides make under one name; itself where it has none.

    What holds of every part given the same values at its cuts holds of the whole, for on either side nothing
    depends on itself. Both sides of a part must take the same such values, and a name may have come back with
    another meaning: where a part does not hold, the whole has to be looked at.
    """
    views, keys = (before, after), (region.before, region.after)
    if region.twin or before.any_body(region.before) or after.any_body(region.after):
        return (region,)
    made = [set(_made(view, chosen)) for view, chosen in zip(views, keys, strict=True)]
    shared = made[0] & made[1]
    found = []
    for old, new in _groups(before, after, (set(region.before), set(region.after)), shared):
        inside = set(_made(before, old))
        taken = [
            {n for key in chosen for n in view.inputs[key] if n in shared - inside}
            for view, chosen in ((before, old), (after, new))
        ]
        if taken[0] != taken[1]:
            return (region,)
        found.append((old, new, frozenset(taken[0])))
    leaving = set(region.outputs).union(*(taken for _, _, taken in found))
    return tuple(replace(_region(views, (old, new), leaving), taken=taken) for old, new, taken in found)


def _twin(key: str, after: View) -> Region:
    names = tuple(_made(after, [key]))
    only = frozenset([key])
    return Region(only, only, names, frozenset(names) | only, twin=True)


def _is_twin(key: str, before: View, after: View) -> bool:
    """Whether a node is the same operator in the same place, as another operator set defines it.

    Each is a region of its own: what goes in is equal by the others' proof, hence what comes out.
    """
    node, other = before.nodes[key], after.nodes[key]
    named = (node.domain, node.op_type, node.overload) == (other.domain, other.op_type, other.overload)
    return named and same_wiring(node, other, before, after)


def _changed(before: View, after: View) -> tuple[set[str], set[str]]:
    same = {
        key
        for key, node in before.nodes.items()
        if (other := after.nodes.get(key)) is not None and unchanged(node, other, before, after)
    }
    return set(before.nodes) - same, set(after.nodes) - same


def _groups(
    before: View, after: View, changed: tuple[set[str], set[str]], cut_at: Collection[str] = ()
) -> Iterable[tuple[set[str], set[str]]]:
    """Changed nodes that belong together. Args: cut_at: values that do not join takers to makers."""
    parents: dict[str, str] = {}

    def find(name: str) -> str:
        while parents.setdefault(name, name) != name:
            parents[name] = parents[parents[name]]
            name = parents[name]
        return name

    made = {n for side, keys in zip((before, after), changed, strict=True) for n in _made(side, keys)}
    for side, keys in zip((before, after), changed, strict=True):
        for key in keys:
            names = [
                n for n in side.inputs[key] if n not in cut_at and (n in made or _moved(n, before, after))
            ]
            for name in (*names, *(v.name for v in side.nodes[key].outputs if v.name)):
                parents[find(name)] = find(key)
    groups: dict[str, tuple[set[str], set[str]]] = {}
    for index, (side, keys) in enumerate(zip((before, after), changed, strict=True)):
        for key in sorted(
            keys, key=side.places.__getitem__
        ):  # which are asked first must not be left to chance
            groups.setdefault(find(key), (set(), set()))[index].add(key)
    return groups.values()


def _moved(name: str, before: View, after: View) -> bool:
    """Whether a value is made on one side and a constant on the other."""
    sides = ((before.producers, after.constants), (after.producers, before.constants))
    return any(name in made and name in constants for made, constants in sides)


def _made(side: View, keys: Iterable[str]) -> Iterator[str]:
    for key in keys:
        yield from (v.name for v in side.nodes[key].outputs if v.name)


def _region(sides: tuple[View, View], keys: tuple[set[str], set[str]], leaving: set[str]) -> Region:
    made = list(_made(sides[0], sorted(keys[0])))
    # Constants that are worked out now: who takes them has not changed.
    made += [n for n in _made(sides[1], sorted(keys[1])) if n in sides[0].constants]
    inner = {
        n for side, chosen in zip(sides, keys, strict=True) for k in chosen for n in _inner(side.nodes[k])
    }
    return Region(
        before=frozenset(keys[0]),
        after=frozenset(keys[1]),
        outputs=tuple(name for name in made if name in leaving),
        names=frozenset(made) | frozenset(keys[1]) | inner,
    )


def _inner(node: ir.Node) -> Iterator[str]:
    """Names of the values that a node's subgraphs make: sites, too."""
    for graph in subgraphs(node):
        for child in graph:
            yield from (value.name for value in child.outputs if value.name)
            yield from _inner(child)
