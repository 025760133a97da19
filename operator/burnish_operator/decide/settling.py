"""When a node's labels may be believed: new nodes get theirs late, and agents that restart take them away.

A class is for good (people put prices on it), so one that would be made for a moment is waited for.
Classes themselves never vanish with labels, and neither does what serves or is being built on them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from burnish_operator.hardware import Certainty, Identity, Reading, has_silent_card
from burnish_operator.observe import Node

# NFD labels a new node some seconds after it is Ready.
LABEL_GRACE = timedelta(seconds=60)
# A driver is installed on a new GPU node for minutes; until then the node looks like a processor alone.
DRIVER_GRACE = timedelta(minutes=15)
# NFD or GFD that restarts or is upgraded takes its labels away for a while.
FLAP_GRACE = timedelta(minutes=10)


@dataclass(frozen=True)
class Sighting:
    """What a node was last seen as, the best that it was known to be, and from when on it is believed."""

    identities: frozenset[Identity]
    best: Certainty
    believed_from: datetime


Sightings = Mapping[str, Sighting]
"""By node name. Kept between turns in memory alone: a new process believes nodes by their age."""


def sightings(
    nodes: Sequence[Node], readings: Mapping[str, Reading], old: Sightings, now: datetime
) -> dict[str, Sighting]:
    """What every node is seen as now. Nodes that are gone are forgotten."""
    return {node.name: _sighting(node, readings[node.name], old.get(node.name), now) for node in nodes}


def _sighting(node: Node, reading: Reading, old: Sighting | None, now: datetime) -> Sighting:
    identities = frozenset(kind.identity for kind in reading.kinds)
    if old is not None and old.believed_from <= now and old.identities == identities:
        return Sighting(identities, reading.certainty, old.believed_from)
    if old is not None and reading.certainty < old.best:
        since = old.believed_from if old.identities == identities else now + FLAP_GRACE
        return Sighting(identities, old.best, since)
    return Sighting(identities, reading.certainty, _created(node, now) + _patience(node, reading))


def _patience(node: Node, reading: Reading) -> timedelta:
    """How old a node must be for what it seems to be."""
    if reading.certainty is Certainty.ACCELERATOR:
        return timedelta()
    guessed_accelerator = any(kind.resource_name for kind in reading.kinds)
    if guessed_accelerator or has_silent_card(node):
        return DRIVER_GRACE
    return LABEL_GRACE if reading.certainty is Certainty.GUESSED else timedelta()


def _created(node: Node, now: datetime) -> datetime:
    """When the node came; a node that does not say is taken for an old one."""
    return (
        datetime.fromisoformat(node.created).astimezone(UTC)
        if node.created
        else now - max(DRIVER_GRACE, LABEL_GRACE)
    )
