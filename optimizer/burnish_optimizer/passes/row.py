"""Passes in a row on one copy, judged as one change: exact ones together, a rounding one alone."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import onnx_ir as ir

from burnish_engine.report import Guarantee, PassReport
from burnish_optimizer.aside import Aside, Json
from burnish_optimizer.errors import Declined
from burnish_optimizer.gates.judge import Judge, Verdict
from burnish_optimizer.passes.bisect import Attempt, Copies, Settled, Store, apply_in_place
from burnish_optimizer.passes.contract import Change, Pass, Scope
from burnish_optimizer.passes.told import Counted, declined, report_of
from burnish_optimizer.targets.kernels import RewriteTarget


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
    """Args: start: position of the first pass.   before: the model that it was given; it stays as it is."""

    start: int
    before: Counted
    target: RewriteTarget
    store: Store
    copies: Copies
    steps: list[Step] = field(default_factory=list)
    kept: int = 0
    _model: ir.Model | None = None
    _judging: Aside | None = None
    _found: Json = field(default_factory=dict)
    _seconds: float = 0.0

    @property
    def model(self) -> ir.Model:
        """The copy with all changes so far."""
        return self._model or self.before.model

    def takes(self, one: Pass, position: int, alone_until: int) -> bool:
        """Whether a pass may be judged together with those of the row.

        A raised operator set changes every node a little: with more changes on top each would be a large one.
        """
        alone = self.start < alone_until or position < alone_until
        members = (one, *(step.one for step in self.steps))
        return not (alone or self._raised) and all(member.guarantee is Guarantee.EXACT for member in members)

    def apply(self, position: int, one: Pass) -> PassReport | None:
        """Apply one more pass; a report where it changes nothing.

        Raises: Broken.
        """
        started = time.perf_counter()
        nodes = self.steps[-1].nodes[1] if self.steps else self.before.nodes
        try:
            reason = one.requires(self.model, Scope(self.target))
            if reason:
                return declined(one, reason)
            changes, scope = self._changed(one)
        except Declined as error:
            if self.steps:
                raise Broken from error
            return declined(one, str(error), time.perf_counter() - started)
        except Exception as error:
            raise Broken from error
        seconds = time.perf_counter() - started
        if not changes:
            nothing = Attempt(self.model, (), Verdict(), scope.declined)
            return report_of(one, (nodes, nodes), Settled(nothing), nothing, seconds)
        step = Step(position, one, changes, scope.declined, (nodes, Counted(self.model).nodes), seconds)
        self.steps.append(step)
        return None

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

    def launch(self, judge: Judge, guarantee: Guarantee, kept: int) -> None:
        """Have the row judged: here by its structure, and by a fork what takes longer.

        Args: kept: how many snapshots there are before it.
        Raises: OSError: no process is to be had.
        """
        started = time.perf_counter()
        self.kept = kept
        models = (self.before.model, self.model)
        if judge.is_slow and (guarantee is Guarantee.ROUNDING or self._raised):
            judge.prepare()  # structure will not do: the fork looks at it, too
            self._aside(lambda: judge.judge(*models, guarantee))
        elif (trial := judge.open(*models, guarantee)).is_long:
            judge.prepare()
            self._aside(trial.run)
        else:
            self._found = {"seconds": 0.0, **_told(trial.run())}
        self._seconds = time.perf_counter() - started

    def _aside(self, run: Callable[[], Verdict]) -> None:
        names = ", ".join(step.one.name for step in self.steps)
        self._judging = Aside(names, lambda: _told(run()))

    @property
    def _raised(self) -> bool:
        """Whether the operator set is another one now."""
        return self.model.opset_imports != self.before.model.opset_imports

    @property
    def is_tried(self) -> bool:
        """Whether a fork tries it, or has tried it."""
        return self._judging is not None

    def verdict(self) -> dict[str, Any]:
        """What was found. Raises: WorkerFailed."""
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
