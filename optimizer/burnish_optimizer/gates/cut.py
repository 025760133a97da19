"""Where a changed region is cut: wide enough that both sides take the same values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from burnish_optimizer.gates.diff import Region
from burnish_optimizer.gates.extract import cut_names
from burnish_optimizer.gates.view import View

MAX_ADDED_NODES = 64


@dataclass(frozen=True)
class Cut:
    """A region with the unchanged nodes that both sides are given in addition (`common`).

    joined: changed regions that feed this one, taken in where the cut is widened: each side has its own.
    """

    region: Region
    common: frozenset[str] = frozenset()
    joined: frozenset[Region] = frozenset()

    @property
    def before(self) -> frozenset[str]:
        """Nodes of the one side."""
        return self.region.before.union(self.common, *(r.before for r in self.joined))

    @property
    def after(self) -> frozenset[str]:
        """Nodes of the other side."""
        return self.region.after.union(self.common, *(r.after for r in self.joined))


def balanced(cut: Cut, before: View, after: View) -> Cut:
    """Add the makers of values that only one side takes.

    `f(y), y = g(x)` beside `h(x)`: fed apart, x and y would no longer belong together, and a right change
    would look wrong.
    """
    while True:
        one, other = cut_names(before, cut.before), cut_names(after, cut.after)
        added = _makers(one ^ other, before, after) - cut.common
        if not added or len(cut.common) + len(added) > MAX_ADDED_NODES:
            return cut
        cut = replace(cut, common=cut.common | added)


def grown(cut: Cut, before: View, after: View, changed: Iterable[Region] = ()) -> Cut:
    """One step further towards the inputs: what made the values at the cut. The same where it ends.

    Args: changed: all regions; those that made a value at the cut are joined: `Relu(Relu(x)) = x` cannot
        be cut between its two parts, when each is a change of its own.
    """
    names = cut_names(before, cut.before) | cut_names(after, cut.after)
    made = {before.producers.get(n) for n in names} | {after.producers.get(n) for n in names}
    joined = frozenset(r for r in changed if r != cut.region and made & (r.before | r.after))
    if sum(len(r.before) for r in joined) > MAX_ADDED_NODES:
        joined = frozenset()
    common = cut.common | _makers(names, before, after)
    return balanced(replace(cut, common=common, joined=cut.joined | joined), before, after)


def boundary(cuts: Iterable[Cut], before: View, after: View) -> set[str]:
    """All values at the cut of these regions, taken together."""
    chosen = tuple(cuts)
    old = {key for cut in chosen for key in cut.before}
    new = {key for cut in chosen for key in cut.after}
    taken = {name for cut in chosen for name in cut.region.taken}
    return cut_names(before, old) | cut_names(after, new) | taken


def constant_bytes(cut: Cut, before: View, after: View) -> int:
    """What the constants of both sides take in memory once they are read."""
    sides = ((before, cut.before), (after, cut.after))
    names = ((view, name) for view, keys in sides for key in keys for name in view.inputs.get(key, ()))
    return sum(view.constants[name].nbytes for view, name in names if name in view.constants)


def outputs(cuts: Sequence[Cut]) -> list[str]:
    """What these regions give, each once."""
    return list(dict.fromkeys(name for cut in cuts for name in cut.region.outputs))


def _makers(names: Iterable[str], before: View, after: View) -> frozenset[str]:
    """Nodes that make these values and are the same on both sides."""
    found = {before.producers[n] for n in names if n in before.producers}
    return frozenset(key for key in found if key in after.nodes and _same(key, before, after))


def _same(key: str, before: View, after: View) -> bool:
    return before.inputs[key] == after.inputs[key] and before.nodes[key].op_type == after.nodes[key].op_type
