"""What reading a node gives: kinds of hardware, and what belongs to none."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

MAX_NAME = 63
Identity = tuple[tuple[tuple[str, str], ...], bool]
"""The labels of a kind, and whether its pods ask for an accelerator."""


class Certainty(IntEnum):
    """How much the labels say. More is better: labels that went away leave less."""

    GUESSED = 0
    CPU = 1
    ACCELERATOR = 2


@dataclass(frozen=True)
class Hardware:
    """One kind of hardware: the labels that tell it, what they mean, and a readable name for it."""

    stem: str
    match_labels: Mapping[str, str]
    facts: Mapping[str, str]
    resource_name: str | None = None
    certainty: Certainty = Certainty.ACCELERATOR

    @property
    def identity(self) -> Identity:
        """What makes it this kind and no other."""
        return identity(self.match_labels, self.resource_name)


@dataclass(frozen=True)
class Reading:
    """The kinds of hardware that a node offers.

    unclear: why a part of the node belongs to no kind; such a part is never taken for another one.
    """

    kinds: tuple[Hardware, ...] = ()
    unclear: tuple[str, ...] = ()

    @property
    def certainty(self) -> Certainty:
        """That of the best kind; what is unclear is an accelerator all the same."""
        if self.unclear:
            return Certainty.ACCELERATOR
        return max((kind.certainty for kind in self.kinds), default=Certainty.GUESSED)

    def __bool__(self) -> bool:
        return bool(self.kinds or self.unclear)


def joined(readings: Sequence[Reading]) -> Reading:
    """All of them as one."""
    return Reading(
        tuple(kind for reading in readings for kind in reading.kinds),
        tuple(why for reading in readings for why in reading.unclear),
    )


def identity(match_labels: Mapping[str, str], resource_name: str | None) -> Identity:
    """What makes a kind (or a class made for it) this one and no other."""
    return tuple(sorted(match_labels.items())), bool(resource_name)


def slug(text: str) -> str:
    """A name that Kubernetes takes.

    >>> slug("NVIDIA-H100-80GB-HBM3")
    'nvidia-h100-80gb-hbm3'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:MAX_NAME].rstrip("-") or "unknown"


def chosen(labels: Mapping[str, str], consulted: Sequence[str]) -> dict[str, str]:
    """Those of the consulted labels that are there."""
    return {label: labels[label] for label in consulted if label in labels}
