"""Passes in a row on one copy, judged as one change: exact ones together, and rounding ones together."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import onnx_ir as ir

from burnish_engine.errors import one_line
from burnish_engine.report import Guarantee, PassReport
from burnish_optimizer.aside import Aside, Json
from burnish_optimizer.errors import Declined
from burnish_optimizer.gates.judge import Judge
from burnish_optimizer.gates.verdict import Verdict
from burnish_optimizer.passes.bisect import Attempt, Copies, Settled, Store, apply_in_place
from burnish_optimizer.passes.contract import Change, Pass, Scope
from burnish_optimizer.passes.told import Counted, declined, report_of
from burnish_optimizer.targets.kernels import RewriteTarget

T = TypeVar("T")


class Broken(Exception):
    """A pass raised, or did not keep its promise: nothing of the copy can be used."""


@dataclass(frozen=True)
class Step:
    """A pass that changed something. `nodes`: before and after it."""

    position: int
    one: Pass
    changes: tuple[Change, ...]
    declined: Counter[tuple[str, str]]
    nodes: tuple[int, int]
    seconds: float


@dataclass
class Row:
    """Args: start: position of the first pass.   before: the model that it was given; it stays as it is.
    kept: how many snapshots there were before it.   forks: how many processes try it.
    """

    start: int
    before: Counted
    target: RewriteTarget
    store: Store
    copies: Copies
    steps: list[Step] = field(default_factory=list)
    kept: int = 0
    forks: int = 0
    _model: ir.Model | None = None
    _judging: Aside | None = None
    _found: Json = field(default_factory=lambda: {"passed": False, "seconds": 0.0})
    _seconds: float = 0.0
    _now: Counted = field(init=False)

    def __post_init__(self) -> None:
        """Nothing has changed yet."""
        self._now = self.before

    @property
    def model(self) -> ir.Model:
        """The copy with all changes so far."""
        return self._model or self.before.model

    def takes(self, one: Pass, position: int, alone_until: int) -> bool:
        """Whether a pass may be judged together with those of the row: all are exact, or all round.

        A raised operator set changes every node a little: with more changes on top each would be a large one.
        """
        alone = self.start < alone_until or position < alone_until
        kinds = {member.guarantee for member in (one, *(step.one for step in self.steps))}
        return not (alone or self._raised) and len(kinds) == 1

    def apply(self, position: int, one: Pass) -> PassReport | None:
        """Apply one more pass; a report where it changes nothing.

        Raises: Broken.
        """
        started = time.perf_counter()
        idle = self.idle(one)
        if idle is not None:
            return idle
        nodes = self._now.nodes
        try:
            changes, scope = self._changed(one)
        except Declined as error:
            if self.steps:
                raise Broken from error
            return declined(one, str(error), time.perf_counter() - started)
        except Exception as error:
            raise Broken from error
        seconds = time.perf_counter() - started
        if not changes:
            return self._nothing(one, scope.declined, seconds)
        self._now = Counted(self.model)
        self.steps.append(Step(position, one, changes, scope.declined, (nodes, self._now.nodes), seconds))
        return None

    def idle(self, one: Pass) -> PassReport | None:
        """The report of a pass that need not run: it is not for this model, or the model has nothing of its
        kind."""
        try:
            reason, anchors = one.requires(self.model, Scope(self.target)), one.anchors
        except Exception:  # noqa: BLE001 - a pass may break in any way: it is told when it runs
            return None
        if reason:
            return declined(one, reason)
        if anchors is None or anchors & self._now.ops:
            return None
        return self._nothing(one, Counter(), 0.0)

    def _nothing(self, one: Pass, declined: Counter[tuple[str, str]], seconds: float) -> PassReport:
        nothing = Attempt(self.model, (), Verdict(), declined)
        nodes = (self._now.nodes, self._now.nodes)
        return report_of(one, nodes, Settled(nothing), nothing, seconds)

    def _changed(self, one: Pass) -> tuple[tuple[Change, ...], Scope]:
        """Apply to the copy. Raises: Broken, and whatever the pass raises."""
        scope = Scope(self.target)
        model = self._model or self.copies.take(self.before.model)
        changes, broken = apply_in_place(one, model, scope, self.store)
        if broken:
            raise Broken(broken)
        if changes:
            self._model = model
        elif self._model is None:
            self.copies.give_back(model, self.before.model)
        return changes, scope

    def launch(self, judge: Judge, forks: int) -> None:
        """Have the row judged: here by its structure, and by forks what takes longer.

        Args: forks: how many processes try what rounds.
        Raises: OSError: no process is to be had.
        """
        started = time.perf_counter()
        guarantee = self.steps[0].one.guarantee
        models = (self.before.model, self.model)
        self.forks = forks if guarantee is Guarantee.ROUNDING else 1
        if judge.is_slow and (guarantee is Guarantee.ROUNDING or self._raised):
            # Structure will not do: the fork looks at it, too.
            self._aside(judge, lambda: judge.open(*models, guarantee).run(self.forks))
        elif (trial := self._tried(lambda: judge.open(*models, guarantee))) and trial.is_long:
            self._aside(judge, lambda: trial.run(self.forks))
        else:
            self.forks = 0
            told = self._tried(lambda: _told(trial.run())) if trial else None
            self._found = {**self._found, **(told or {})}
        self._seconds = time.perf_counter() - started

    def _tried(self, function: Callable[[], T]) -> T | None:
        """What it returns; what it raises is the verdict, as it is where a fork raises."""
        try:
            return function()
        except Exception as error:  # noqa: BLE001 - what a pass did may break the proof in any way
            self._found["died"] = f"{type(error).__name__}: {one_line(error)}"
            return None

    def _aside(self, judge: Judge, run: Callable[[], Verdict]) -> None:
        judge.prepare()
        self._judging = Aside(", ".join(step.one.name for step in self.steps), lambda: _told(run()))

    @property
    def _raised(self) -> bool:
        """Whether ONNX's operator set is another one now."""
        return self.model.opset_imports.get("") != self.before.model.opset_imports.get("")

    def verdict(self) -> dict[str, Any]:
        """What was found; nothing that holds where it was not launched. Raises: WorkerFailed."""
        found = self._judging.result() if self._judging else self._found
        return {**found, "seconds": found["seconds"] + self._seconds}

    def cancel(self) -> None:
        """Nobody waits for the verdict any more."""
        if self._judging:
            self._judging.cancel()

    def reports(self, found: dict[str, Any]) -> Iterator[tuple[int, PassReport]]:
        """What is told of every pass, by position. The last one carries the seconds of the proof."""
        names = tuple(step.one.name for step in self.steps)
        verdict = Verdict(found["regions"], found["proved"], found["trials"], together=names)
        for step in self.steps:
            gate = found["seconds"] if step is self.steps[-1] else 0.0
            attempt = Attempt(self.model, step.changes, verdict, step.declined)
            settled = Settled(attempt, gate_seconds=gate)
            yield step.position, report_of(step.one, step.nodes, settled, attempt, step.seconds + gate)


def _told(verdict: Verdict) -> Json:
    return {
        "passed": verdict.passed,
        "regions": verdict.regions,
        "proved": verdict.proved,
        "trials": verdict.trials,
    }
