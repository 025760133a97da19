"""All passes in their order, each one judged: after it ran, or beside the passes that follow.

Most passes hold. So where processors are free the next passes run while a fork of the process judges the
last one; a pass that does not hold takes those that followed it back with it, and is settled by itself.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import onnx_ir as ir

from burnish_engine.errors import one_line
from burnish_engine.report import PassReport
from burnish_optimizer.aside import Aside, Json
from burnish_optimizer.errors import Declined, WorkerFailed
from burnish_optimizer.gates.judge import Judge, Verdict
from burnish_optimizer.passes.bisect import Attempt, Copies, Settled, Store, apply_to_copy, settle
from burnish_optimizer.passes.contract import Pass, Scope
from burnish_optimizer.passes.told import declined, report_of
from burnish_optimizer.targets.kernels import RewriteTarget

OnPass = Callable[[int, int, str], None]


@dataclass(frozen=True)
class _Open:
    """A pass that ran and is being judged.

    Args: before: the model that it was given.   kept: how many snapshots there were then.
    """

    position: int
    one: Pass
    before: ir.Model
    attempt: Attempt
    judging: Aside
    seconds: float
    kept: int


@dataclass
class Walk:
    """Takes a model through passes.

    Args:
        model: the current one.   judges: how many verdicts may be open at a time; 0: none.
        snapshots: by name, the models that passes left behind.
    """

    model: ir.Model
    target: RewriteTarget
    judge: Judge
    store: Store
    judges: int = 0
    snapshots: list[tuple[str, ir.Model]] = field(default_factory=list)
    copies: Copies = field(default_factory=Copies)
    _open: list[_Open] = field(default_factory=list)
    _reports: dict[int, PassReport] = field(default_factory=dict)

    def all(self, passes: Sequence[Pass], skip: Mapping[str, str], on_pass: OnPass) -> list[PassReport]:
        """Every pass, in order. Args: skip: those to leave out, with the reason."""
        position = 0
        while position < len(passes) or self._open:
            if position == len(passes) or len(self._open) > self.judges:
                position = self._close(position)
                continue
            one = passes[position]
            on_pass(position, len(passes), one.name)
            if one.name in skip:
                self._reports[position] = declined(one, skip[one.name])
            else:
                self._take(position, one)
            position += 1
        return [self._reports[place] for place in range(len(passes))]

    def _take(self, position: int, one: Pass) -> None:
        if self.judges:
            self._ahead(position, one)
        else:
            self._settled(position, one)

    def _ahead(self, position: int, one: Pass) -> None:
        """Apply the pass; its verdict is worked out beside what follows."""
        started, before = time.perf_counter(), self.model
        try:
            reason = one.requires(before, Scope(self.target))
            if reason:
                self._reports[position] = declined(one, reason)
                return
            attempt = apply_to_copy(one, before, self.target, store=self.store, copies=self.copies)
        except Exception:  # noqa: BLE001 - told where it is settled, which meets it again
            self._settled(position, one)
            return
        seconds = time.perf_counter() - started
        if attempt.verdict.fault:
            self._settled(position, one)
        elif attempt.changes:
            self._beside(position, one, attempt, seconds)
        else:
            self._reports[position] = report_of(one, before, Settled(attempt), attempt, seconds)

    def _beside(self, position: int, one: Pass, attempt: Attempt, seconds: float) -> None:
        """Go on with what the pass made, for as long as nothing speaks against it."""
        before, kept = self.model, len(self.snapshots)
        self.judge.prepare()
        try:
            judging = Aside(one.name, lambda: _judged(self.judge, before, attempt.model, one))
        except OSError:  # no process is to be had
            self._settled(position, one)
            return
        self._open.append(_Open(position, one, before, attempt, judging, seconds, kept))
        self._keep(one, attempt.model)

    def _close(self, position: int) -> int:
        """Wait for the oldest verdict; the position to go on at, which is behind the pass that failed."""
        oldest = self._open.pop(0)
        try:
            found = oldest.judging.result()
        except WorkerFailed as error:
            found = {"passed": False, "died": error.found}
        if found["passed"]:
            verdict = Verdict(found["regions"], found["proved"], found["trials"])
            settled = Settled(replace(oldest.attempt, verdict=verdict), gate_seconds=found["seconds"])
            seconds = oldest.seconds + found["seconds"]
            nothing = oldest.attempt
            self._reports[oldest.position] = report_of(oldest.one, oldest.before, settled, nothing, seconds)
            return position
        self._take_back(oldest)
        if "died" in found:
            self._reports[oldest.position] = declined(oldest.one, f"rolled back: {found['died']}")
        else:
            self._settled(oldest.position, oldest.one)
        return oldest.position + 1

    def _take_back(self, failed: _Open) -> None:
        """The model as it was before a pass, and no verdict open."""
        for each in self._open:
            each.judging.cancel()
        self._open.clear()
        del self.snapshots[failed.kept :]
        self.model = failed.before
        self.judge.accept(self.model)

    def _settled(self, position: int, one: Pass) -> None:
        """The pass on a copy, judged, and what is left of it when all that failed its gate is undone."""
        attempt, report = run_pass(
            one, self.model, self.target, self.judge, store=self.store, copies=self.copies
        )
        self._reports[position] = report
        if report.applied:
            self._keep(one, attempt.model)

    def _keep(self, one: Pass, model: ir.Model) -> None:
        self.model = model
        self.judge.accept(model)
        self.snapshots.append((one.name, model))


def _judged(judge: Judge, before: ir.Model, after: ir.Model, one: Pass) -> Json:
    verdict = judge.judge(before, after, one.guarantee)
    return {
        "passed": verdict.passed,
        "regions": verdict.regions,
        "proved": verdict.proved,
        "trials": verdict.trials,
    }


def run_pass(
    one: Pass,
    model: ir.Model,
    target: RewriteTarget,
    judge: Judge,
    *,
    store: Store = lambda _model: None,
    copies: Copies | None = None,
) -> tuple[Attempt, PassReport]:
    """One pass on a copy of `model`: what is left of it when all that failed its gate is undone."""
    started = time.perf_counter()
    nothing = Attempt(model, (), Verdict(), Counter())
    try:
        reason = one.requires(model, Scope(target))
        if reason:
            return nothing, declined(one, reason)
        settled = settle(one, model, target, judge, store=store, copies=copies or Copies())
    except Declined as error:
        return nothing, declined(one, str(error), time.perf_counter() - started)
    except Exception as error:  # noqa: BLE001 - a pass may break in any way; the run goes on without it
        reason = f"rolled back: {type(error).__name__}: {one_line(error)}"
        return nothing, declined(one, reason, time.perf_counter() - started)
    seconds = time.perf_counter() - started
    return settled.attempt or nothing, report_of(one, model, settled, nothing, seconds)
