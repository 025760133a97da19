"""Passes as a reader wants them: those that have something to tell, and the names of the others. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from burnish_engine.report import PassReport


@dataclass
class Told:
    """telling: changed, tried, or left something alone.   idle: names of the others, by what they say."""

    telling: list[PassReport] = field(default_factory=list)
    idle: dict[str, list[str]] = field(default_factory=dict)


def told(passes: Iterable[PassReport]) -> Told:
    """Split passes; each kind keeps its order."""
    found = Told()
    for each in passes:
        if each.applied or each.rolled_back or each.gates or each.declined:
            found.telling.append(each)
        else:
            found.idle.setdefault(each.reason, []).append(each.name)
    return found
