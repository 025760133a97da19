"""Where a changed region is cut: wide enough that both sides take the same values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from burnish_optimizer.gates.diff import Region, View
from burnish_optimizer.gates.extract import cut_names

MAX_ADDED_NODES = 64


@dataclass(frozen=True)
class Cut:
    """A region with the unchanged nodes that both sides are given in addition (`common`)."""

    region: Region
    common: frozenset[str] = frozenset()

    @property
    def before(self) -> frozenset[str]:
        """Nodes of the one side."""
        return self.region.before | self.common

    @property
    def after(self) -> frozenset[str]:
        """Nodes of the other side."""
        return self.region.after | self.common


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


def grown(cut: Cut, before: View, after: View) -> Cut:
    """One step further towards the inputs: what made the values at the cut. The same where it ends."""
    names = cut_names(before, cut.before) | cut_names(after, cut.after)
    return balanced(replace(cut, common=cut.common | _makers(names, before, after)), before, after)


def boundary(cuts: Iterable[Cut], before: View, after: View) -> set[str]:
    """All values at the cut of these regions, taken together."""
    chosen = tuple(cuts)
    old = {key for cut in chosen for key in cut.before}
    new = {key for cut in chosen for key in cut.after}
    return cut_names(before, old) | cut_names(after, new)


def outputs(cuts: Sequence[Cut]) -> list[str]:
    """What these regions give, each once."""
    return list(dict.fromkeys(name for cut in cuts for name in cut.region.outputs))


def _makers(names: Iterable[str], before: View, after: View) -> frozenset[str]:
    """Nodes that make these values and are the same on both sides."""
    found = {before.producers[n] for n in names if n in before.producers}
    return frozenset(key for key in found if key in after.nodes and _same(key, before, after))


def _same(key: str, before: View, after: View) -> bool:
    return before.inputs[key] == after.inputs[key] and before.nodes[key].op_type == after.nodes[key].op_type
