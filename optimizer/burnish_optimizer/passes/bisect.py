"""Finds the applications of a pass that do not hold, leaves them out, and keeps the rest."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import onnx_ir as ir

from burnish_engine.report import RolledBack
from burnish_optimizer.gates.diff import Region
from burnish_optimizer.gates.judge import Judge
from burnish_optimizer.gates.verdict import Verdict
from burnish_optimizer.passes.contract import Change, Pass, Scope
from burnish_optimizer.rewrite.copies import copy_of, put_in_order
from burnish_optimizer.targets.kernels import RewriteTarget

MAX_TRIALS = 48
Store = Callable[[ir.Model], None]
MAX_NODES_TO_BISECT = 20_000


@dataclass(frozen=True)
class Attempt:
    """A pass applied to a copy, with some sites left alone."""

    model: ir.Model
    changes: tuple[Change, ...]
    verdict: Verdict
    declined: Counter[tuple[str, str]]


@dataclass
class Settled:
    """What is left of a pass: None where nothing of it could be kept."""

    attempt: Attempt | None = None
    rolled_back: tuple[RolledBack, ...] = ()
    refused: Verdict = field(default_factory=Verdict)
    gate_seconds: float = 0.0


def settle(
    one: Pass, model: ir.Model, target: RewriteTarget, judge: Judge, *, store: Store, copies: "Copies"
) -> Settled:
    """Apply, judge, and where that fails find the sites at fault by halves.

    Raises: whatever the pass raises.
    """
    return _Search(one, model, target, judge, store=store, copies=copies).run()


def apply_in_place(one: Pass, model: ir.Model, scope: Scope, store: Store) -> tuple[tuple[Change, ...], str]:
    """What the pass changed, and what it did not keep of its promise.

    Raises: whatever the pass raises.
    """
    changes = one.apply(model, scope)
    if not changes:
        return changes, ""
    put_in_order(model)
    store(model)
    return changes, one.ensures(model, scope)


def apply_to_copy(
    one: Pass,
    model: ir.Model,
    target: RewriteTarget,
    excluded: frozenset[str] = frozenset(),
    *,
    store: Store,
    copies: "Copies",
) -> Attempt:
    """The pass on a copy of `model`, judged by its own promise alone; `model` itself where nothing changed.

    Raises: whatever the pass raises.
    """
    scope = Scope(target, excluded=excluded)
    after = copies.take(model)
    changes, broken = apply_in_place(one, after, scope, store)
    if not changes:
        copies.give_back(after, model)
        return Attempt(model, (), Verdict(), scope.declined)
    fault = f"the pass did not keep its promise: {broken}" if broken else ""
    return Attempt(after, changes, Verdict(fault=fault), scope.declined)


class Copies:
    """Copies of the current model; one that a pass left alone serves the next pass.

    Should a pass change a copy and say that it did not, the change is in the next comparison, or in nothing.
    """

    def __init__(self) -> None:
        self._spare: ir.Model | None = None
        self._of: ir.Model | None = None

    def take(self, model: ir.Model) -> ir.Model:
        """A copy of `model` to rewrite."""
        spare, self._spare = self._spare, None
        return spare if spare is not None and self._of is model else copy_of(model)

    def give_back(self, copy: ir.Model, model: ir.Model) -> None:
        """`copy` is still `model`."""
        self._spare, self._of = copy, model


class _Search:
    def __init__(
        self,
        one: Pass,
        model: ir.Model,
        target: RewriteTarget,
        judge: Judge,
        *,
        store: Store,
        copies: "Copies",
    ) -> None:
        self._store, self._copies = store, copies
        self._pass, self._model, self._target, self._judge = one, model, target, judge
        self._seconds, self._trials = 0.0, 0
        self._others: set[str] = set()

    def run(self) -> Settled:
        excluded: set[str] = set()
        rolled_back: list[RolledBack] = []
        first: Verdict | None = None
        while True:
            attempt = self._apply(excluded)
            first = first or attempt.verdict
            if attempt.verdict.passed:
                return Settled(attempt, tuple(rolled_back), first, self._seconds)
            # Sites that hold alone and fail together: all of them are left alone, and the rest is kept.
            bad = (self._at_fault(attempt, excluded) or set().union(*_suspects(attempt))) - excluded
            rolled_back += _rolled_back(attempt, bad)
            if not bad or self._trials >= MAX_TRIALS:
                rolled_back = rolled_back or [_whole_pass(self._pass, attempt.verdict)]
                return Settled(None, tuple(rolled_back), first, self._seconds)
            excluded |= bad

    def _apply(self, excluded: set[str]) -> Attempt:
        self._trials += 1
        attempt = apply_to_copy(
            self._pass, self._model, self._target, frozenset(excluded), store=self._store, copies=self._copies
        )
        if not attempt.changes or attempt.verdict.fault:
            return attempt
        started = time.perf_counter()
        verdict = self._judge.judge(self._model, attempt.model, self._pass.guarantee)
        self._seconds += time.perf_counter() - started
        return replace(attempt, verdict=verdict)

    def _at_fault(self, attempt: Attempt, excluded: set[str]) -> set[str]:
        """Sites to leave alone from now on."""
        suspects = list(_suspects(attempt))
        if not suspects:
            suspects = [{c.site for c in attempt.changes}]
        if len(attempt.model.graph) > MAX_NODES_TO_BISECT:
            return {site for group in suspects for site in group}
        self._others = excluded | {c.site for c in attempt.changes}
        return {s for group in suspects for s in group - self._good(sorted(group), set())}

    def _good(self, group: Sequence[str], accepted: set[str]) -> set[str]:
        """Those of `group` that hold together with what is accepted, all other suspects left alone."""
        if self._trials >= MAX_TRIALS:
            return set()
        if self._apply(self._others - accepted - set(group)).verdict.passed:
            return set(group)
        if len(group) == 1:
            return set()
        middle = len(group) // 2
        first = self._good(group[:middle], accepted)
        return first | self._good(group[middle:], accepted | first)


def _suspects(attempt: Attempt) -> Iterator[set[str]]:
    """The sites of each failed region."""
    for region in attempt.verdict.failed:
        sites = {c.site for c in attempt.changes if _belongs(c, region)}
        if sites:
            yield sites


def _belongs(change: Change, region: Region) -> bool:
    return change.site in region.names or any(n.startswith(f"{change.site}/") for n in region.names)


def _rolled_back(attempt: Attempt, bad: set[str]) -> list[RolledBack]:
    said: dict[str, str] = {}
    for region, evidence in attempt.verdict.failed.items():
        said.update({c.site: evidence for c in attempt.changes if _belongs(c, region)})
    return [
        RolledBack(rule=c.rule, site=c.site, evidence=said.get(c.site) or attempt.verdict.fault)
        for c in attempt.changes
        if c.site in bad
    ]


def _whole_pass(one: Pass, verdict: Verdict) -> RolledBack:
    evidence = verdict.fault or next(iter(verdict.failed.values()), "")
    return RolledBack(rule=one.name, site="", evidence=evidence)
