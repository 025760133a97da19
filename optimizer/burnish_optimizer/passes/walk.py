"""All passes in their order, each one judged: after it ran, or beside the passes that follow.

Most passes hold. So where processors are free passes run on while a fork of the process judges what they
did, and exact passes in a row are judged as the one change that they are together. What does not hold takes
what followed it back with it; several passes are then judged each alone, and one is settled by itself. Passes
need not wait for the source's first answers, but what judges them does.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import onnx_ir as ir

from burnish_engine.errors import one_line
from burnish_engine.report import PassReport
from burnish_optimizer.errors import Declined, WorkerFailed
from burnish_optimizer.gates.judge import Judge
from burnish_optimizer.gates.verdict import Verdict
from burnish_optimizer.passes.bisect import Attempt, Copies, Settled, Store, settle
from burnish_optimizer.passes.contract import Pass, Scope
from burnish_optimizer.passes.row import Broken, Row
from burnish_optimizer.passes.told import Counted, declined, report_of
from burnish_optimizer.targets.kernels import RewriteTarget

OnPass = Callable[[int, int, str], None]


@dataclass
class Walk:
    """Takes a model through passes.

    Args:
        counted: the current model.   judges: how many verdicts may be open at a time; 0: none.
        is_ready: whether the judge can be asked without waiting for the source.
        snapshots: passes that changed something (of a row the last one), and the models that they left.
        meanwhile: what may be done with the last model while its verdicts are open.
    """

    counted: Counted
    target: RewriteTarget
    judge: Judge
    store: Store
    judges: int = 0
    is_ready: Callable[[], bool] = lambda: True
    snapshots: list[tuple[Pass, ir.Model]] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None
    copies: Copies = field(default_factory=Copies)
    _row: Row | None = None
    _open: list[Row] = field(default_factory=list)
    # What the judge is to do once it can be asked, in this order.
    _later: deque[Callable[[], None]] = field(default_factory=deque)
    _reports: dict[int, PassReport] = field(default_factory=dict)
    # Passes before this place have been judged with others, which did not hold: each is taken alone.
    _alone_until: int = 0

    @property
    def model(self) -> ir.Model:
        """The current one."""
        return self.counted.model

    def all(self, passes: Sequence[Pass], skip: Mapping[str, str], on_pass: OnPass) -> list[PassReport]:
        """Every pass, in order. Args: skip: those to leave out, with the reason."""
        position = 0
        while position < len(passes) or self._row or self._open:
            if self.is_ready():
                self._catch_up()
            if position < len(passes) and self._may_go_on:
                one = passes[position]
                on_pass(position, len(passes), one.name)
                if one.name in skip:
                    self._reports[position] = declined(one, skip[one.name])
                    position += 1
                else:
                    position = self._take(position, one)
            elif position == len(passes) and self._row:
                position = self._launch(position)
            else:
                self._catch_up()
                if position == len(passes):
                    self.meanwhile()
                position = self._close(position)
        return [self._reports[place] for place in range(len(passes))]

    def _take(self, position: int, one: Pass) -> int:
        """The position to go on at: the next one, unless what ran ahead broke."""
        if not self.judges:
            self._settled(position, one)
            return position + 1
        if self._row and not self._row.takes(one, position, self._alone_until):
            idle = self._row.idle(one)
            if idle is not None:
                self._reports[position] = idle
                return position + 1
            back = self._launch(position)
            if back < position:
                return back
        row = self._row or Row(position, self.counted, self.target, self.store, self.copies)
        try:
            report = row.apply(position, one)
        except Broken:
            return self._broken(row, position, one)
        if report is not None:
            self._reports[position] = report
        self._row = row if row.steps else None
        return position + 1

    def _broken(self, row: Row, position: int, one: Pass) -> int:
        """A pass raised, or did not keep its promise, on a model that others of the row have changed."""
        self._row = None
        if row.steps:
            self._alone_until = position + 1
            return row.start
        self._settled(position, one)
        return position + 1

    def _launch(self, position: int) -> int:
        """Have the row judged, and go on with what it made; where no fork is to be had, pass by pass."""
        row, self._row = self._row, None
        if row is None:
            return position
        row.kept = len(self.snapshots)
        self._open.append(row)
        self._later.append(lambda: self._launched(row))
        self._keep(row.steps[-1].one, row.model)
        return position

    def _launched(self, row: Row) -> None:
        try:
            row.launch(self.judge, self.judges)
        except OSError:  # no process is to be had: it is taken back, and judged here
            self.judges = 0

    def _catch_up(self, *, at_once: bool = False) -> None:
        """Have the judge do what waits for it, as far as forks are free or (`at_once`) all of it."""
        while self._later and (at_once or self._forks_are_free):
            self._later.popleft()()

    @property
    def _forks_are_free(self) -> bool:
        return sum(row.forks for row in self._open) <= 2 * self.judges

    @property
    def _may_go_on(self) -> bool:
        """Whether passes may run ahead of verdicts."""
        return self._forks_are_free if self.judges else not self._open

    def _close(self, position: int) -> int:
        """Wait for the oldest verdict; the position to go on at, which is where what failed began."""
        oldest = self._open.pop(0)
        try:
            found = oldest.verdict()
        except WorkerFailed as error:
            found = {"passed": False, "died": error.found}
        if found["passed"]:
            self._reports.update(oldest.reports(found))
            return position
        self._take_back(oldest)
        last = oldest.steps[-1]
        if len(oldest.steps) > 1:
            self._alone_until = last.position + 1
            return oldest.start
        if "died" in found:
            self._reports[last.position] = declined(last.one, f"rolled back: {found['died']}")
        else:
            self._settled(last.position, last.one)
        return last.position + 1

    def _take_back(self, failed: Row) -> None:
        """The model as it was before a row, and no verdict open."""
        for each in self._open:
            each.cancel()
        self._open.clear()
        del self.snapshots[failed.kept :]
        self._row = None
        self._later.clear()
        self.counted = failed.before
        self.judge.take_back(self.model)

    def _settled(self, position: int, one: Pass) -> None:
        """The pass on a copy, judged, and what is left of it when all that failed its gate is undone."""
        self._catch_up(at_once=True)
        attempt, report = run_pass(
            one, self.counted, self.target, self.judge, store=self.store, copies=self.copies
        )
        self._reports[position] = report
        if report.applied:
            self._keep(one, attempt.model)

    def _keep(self, one: Pass, model: ir.Model) -> None:
        self.counted = Counted(model)
        self._later.append(lambda: self.judge.accept(model))
        self.snapshots.append((one, model))


def run_pass(
    one: Pass,
    counted: Counted,
    target: RewriteTarget,
    judge: Judge,
    *,
    store: Store = lambda _model: None,
    copies: Copies | None = None,
) -> tuple[Attempt, PassReport]:
    """One pass on a copy of a model: what is left of it when all that failed its gate is undone."""
    started, model = time.perf_counter(), counted.model
    nothing = Attempt(model, (), Verdict(), Counter())
    try:
        reason = one.requires(model, Scope(target))
        if reason:
            return nothing, declined(one, reason)
        settled: Settled = settle(one, model, target, judge, store=store, copies=copies or Copies())
    except Declined as error:
        return nothing, declined(one, str(error), time.perf_counter() - started)
    except Exception as error:  # noqa: BLE001 - a pass may break in any way; the run goes on without it
        reason = f"rolled back: {type(error).__name__}: {one_line(error)}"
        return nothing, declined(one, reason, time.perf_counter() - started)
    seconds = time.perf_counter() - started
    attempt = settled.attempt or nothing
    nodes = (counted.nodes, counted.nodes if attempt.model is model else Counted(attempt.model).nodes)
    return attempt, report_of(one, nodes, settled, nothing, seconds)
