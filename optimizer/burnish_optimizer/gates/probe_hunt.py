"""One search for inputs that the source accepts: over sizes, and over ways to fill in integers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import Protocol

import numpy as np

from burnish_engine.errors import one_line
from burnish_optimizer.gates.probe_feeds import Filler, Plan, Signature
from burnish_optimizer.gates.probe_floats import Style
from burnish_optimizer.gates.probe_inputs import elements, row_axes
from burnish_optimizer.gates.probe_sizes import Assignment, Free
from burnish_optimizer.ingest.feeds import Feeds

Run = Callable[[Feeds], Feeds]

# Tried on small inputs where there are any: how such numbers go through is no matter of size.
SMALL_STYLES = frozenset((Style.LARGE, Style.NONFINITE, Style.TINY, Style.SHIFTED))
# A whole search, all runs of the source together; the second bounds its time on large inputs.
MAX_TRIES = 600
MAX_TRIED_ELEMENTS = 1 << 26
# Sizes that are tried with each of the simpler ways to fill integers, once the graph's hints have failed.
FALLBACK_SIZES = 40
# What to try at most for one probe where other sizes of the model are known already.
NEAR_SIZES = 6


@dataclass(frozen=True)
class Probe:
    """Inputs that the source runs on.

    Args:
        name: what they are, for a reader: "batch 2, H 64, W 64, normal".
        axes: by input, the axis that counts the rows of a batch, as far as the free dimensions tell.
        answers: what the source gave for them when it was tried; empty where it was not.
        declared: where `feeds` are smaller than the model declares: makes such as it does.
    """

    name: str
    feeds: Feeds
    axes: Mapping[str, int] = field(default_factory=dict)
    answers: Feeds = field(default_factory=dict)
    declared: Callable[[], Feeds] | None = None

    @property
    def in_full(self) -> "Probe":
        """At the sizes that the model declares."""
        if self.declared is None:
            return self
        return replace(self, feeds=self.declared(), answers={}, declared=None)


class Smaller(Protocol):
    """The source on smaller inputs than it declares."""

    @property
    def side(self) -> Callable[[int], int]:
        """How long a side is in the place of a declared one."""

    def run(self, feeds: Feeds) -> Feeds:
        """The answers; raises where it refuses."""


Shrink = Callable[[Feeds], Smaller | None]


def plans(ways: int) -> Iterator[Plan]:
    """What to look for, the most telling first; every style goes down the next branch."""
    yield Plan(Style.NORMAL, batch=2, start=5)
    yield Plan(Style.UNIFORM, batch=1, start=16, variant=1)
    yield from (Plan(Style.NORMAL, batch=2, start=7, variant=way) for way in range(2, min(ways, 4)))
    yield Plan(Style.LARGE, batch=3, start=8, variant=2)
    yield Plan(Style.NONFINITE, batch=2, start=3, variant=3)
    yield Plan(Style.TINY, batch=1, start=7, variant=4)
    yield Plan(Style.NORMAL, empty=True, variant=5)
    yield Plan(Style.SHIFTED, batch=1, start=1, variant=6)


@dataclass
class Hunt:
    """One search over sizes and fillers; remembers what the source took.

    good: sizes and filler that each branch was last run with.   refused: the source's first objection.
    first: the first inputs that it took.
    """

    signature: Signature
    run: Run
    shrink: Shrink
    seed: int
    may_be_empty: bool
    good: dict[int, tuple[Assignment, Filler]] = field(default_factory=dict)
    hopeless: set[int] = field(default_factory=set)
    tries: int = 0
    tried_elements: int = 0
    refused: str = ""
    first: Feeds = field(default_factory=dict)

    def probes(self) -> Iterator[Probe]:
        """A probe for every plan that the source has one for; without any for the first two plans, none."""
        ways = self._ways
        wanted = (plan for plan in plans(ways) if self.may_be_empty or not plan.empty)
        for number, plan in enumerate(wanted):
            if number > ways and not self.good:
                return
            branch = plan.variant % ways
            for assignment, filler in self._candidates(plan, branch):
                accepted = self._accepted(plan, assignment, filler)
                if accepted is not None:
                    self.good.setdefault(branch, (assignment, filler))
                    self.first = self.first or accepted.feeds
                    axes = row_axes(self.signature.inputs, assignment.rows)
                    name = self._name(plan, assignment, filler, accepted.feeds)
                    yield replace(accepted, name=name, axes=axes)
                    break

    def _candidates(self, plan: Plan, branch: int) -> Iterator[tuple[Assignment, Filler]]:
        free = Free(self.signature.inputs, self.signature.hints)
        known = self.good.get(branch) or next(iter(self.good.values()), None)
        if plan.empty:
            yield from ((a, known[1]) for a in free.empty(known[0])) if known else ()
            return
        if known:
            yield from ((a, known[1]) for a in self._near(free, plan, known[0]))
        if branch not in self.good and branch not in self.hopeless:
            self.hopeless.add(branch)
            yield from self._everything(free, plan)

    def _near(self, free: Free, plan: Plan, good: Assignment) -> Iterator[Assignment]:
        """The plan's own sizes with the rows that are known by now, then what is near the good ones."""
        own = (a for a in free.ladder(plan.batch, plan.start) if a.rows == good.rows)
        yield from islice(own, 2)
        yield from islice(free.near(good, plan.batch, plan.variant), NEAR_SIZES)

    def _everything(self, free: Free, plan: Plan) -> Iterator[tuple[Assignment, Filler]]:
        batches = dict.fromkeys((plan.batch, 1))
        for batch in batches:
            yield from ((a, Filler.TRACED) for a in free.ladder(batch, plan.start))
        if self.signature.has_whole:
            for filler in (Filler.ONES, Filler.ZEROS, Filler.SMALL):
                for batch in batches:
                    ladder = islice(free.ladder(batch, plan.start), FALLBACK_SIZES)
                    yield from ((a, filler) for a in ladder)

    def _accepted(self, plan: Plan, at: Assignment, filler: Filler) -> Probe | None:
        """Inputs and the source's answers; None where it refuses them, or they are too many."""
        cost = elements(self.signature.inputs, at.sizes)
        if self.tries >= MAX_TRIES or (self.tries and self.tried_elements + cost > MAX_TRIED_ELEMENTS):
            return None
        self.tries += 1
        self.tried_elements += cost
        try:
            with np.errstate(all="ignore"):
                if self.refused and not self.first:
                    self._sound(plan, at, filler)
                return self._small(plan, at, filler) or self._full(plan, at, filler)
        except Exception as error:  # noqa: BLE001 - the source refuses in many ways: each is an answer here
            self.refused = self.refused or one_line(error, 200)
            return None

    def _sound(self, plan: Plan, at: Assignment, filler: Filler) -> None:
        """Try sizes on zeros first, where a source refuses many: drawing numbers takes longer than a refusal.

        Raises: whatever the source raises.
        """
        self.run(self.signature.feeds(replace(plan, style=Style.BLANK), at, filler, self.seed))

    def _full(self, plan: Plan, at: Assignment, filler: Filler) -> Probe:
        feeds = self.signature.feeds(plan, at, filler, self.seed)
        return Probe("", feeds, {}, self.run(feeds))

    def _small(self, plan: Plan, at: Assignment, filler: Filler) -> Probe | None:
        """On smaller inputs, where these do for what the probe is about and the source runs on them."""
        if not self._is_small(plan) or not self.first or self._smaller is None:
            return None
        feeds = self.signature.feeds(plan, at, filler, self.seed, self._smaller.side)
        if all(feeds[one.name].shape == one.shape(at.sizes) for one in self.signature.inputs):
            return None
        try:
            answers = self._smaller.run(feeds)
        except Exception:  # noqa: BLE001 - what it refuses there is tried at the declared sizes
            return None
        return Probe("", feeds, {}, answers, lambda: self.signature.feeds(plan, at, filler, self.seed))

    def _is_small(self, plan: Plan) -> bool:
        """Whether small inputs do: for odd numbers, and for ordinary ones that go no way of their own."""
        ordinary = plan.style is Style.UNIFORM and self._ways == 1
        return (plan.style in SMALL_STYLES or ordinary) and not plan.empty

    @cached_property
    def _ways(self) -> int:
        return self.signature.variants

    @cached_property
    def _smaller(self) -> Smaller | None:
        """On the sizes that were found first."""
        return self.shrink(self.first)

    def _name(self, plan: Plan, at: Assignment, filler: Filler, feeds: Feeds) -> str:
        numbers = plan.style.value if self.signature.has_floats else f"draw {plan.variant + 1}"
        parts = [str(at), self.signature.told(feeds), numbers]
        parts += [filler.value] if filler is not Filler.TRACED else []
        return ", ".join(part for part in parts if part)
