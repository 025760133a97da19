"""Rewriting with proof: each pass on a copy, judged, kept, mended by leaving sites alone, or rolled back."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import onnx_ir as ir

from burnish_engine.report import GateResult, Guarantee, PassReport
from burnish_optimizer.gates.judge import Judge
from burnish_optimizer.gates.trial import FEW_SECONDS
from burnish_optimizer.gates.whole import judge_whole
from burnish_optimizer.gates.whole_answers import Source
from burnish_optimizer.passes.catalogue import PASSES
from burnish_optimizer.passes.contract import Pass
from burnish_optimizer.passes.options import Options
from burnish_optimizer.passes.sources import Unproven, evidence_of, source_of
from burnish_optimizer.passes.told import Counted
from burnish_optimizer.passes.walk import Walk
from burnish_optimizer.tape import Tape
from burnish_optimizer.targets.kernels import RewriteTarget

MAX_WHOLE_FAILURES = 3


@dataclass
class Rewritten:
    """A model, and all that was tried on it. `unproven`: why nothing was changed at all."""

    model: ir.Model
    passes: tuple[PassReport, ...] = ()
    gates: tuple[GateResult, ...] = ()
    probes: tuple[str, ...] = ()
    unproven: str = ""
    seconds: float = 0.0
    gate_seconds: float = 0.0


def rewrite(
    model: ir.Model,
    target: RewriteTarget,
    passes: Sequence[Pass] = PASSES,
    options: Options | None = None,
) -> Rewritten:
    """Rewrite `model` (which stays as it is) for a target, with every pass gated.

    What cannot be proved is not done: a source that runs on no input that we know how to make comes back
    unchanged, with the reason in `unproven`.
    """
    options = options or Options()
    started = time.perf_counter()
    with Tape() as tape:
        try:
            source = source_of(model, options, tape)
            probing = time.perf_counter() - started
            done = _proved(_Run(source, tape, target, passes, options))
        except Unproven as error:
            return Rewritten(model, unproven=str(error))
        done.probes = tuple(probe.name for probe in source.probes)
    done.seconds = time.perf_counter() - started
    done.gate_seconds += probing
    return done


@dataclass
class _Run:
    source: Source
    tape: Tape
    target: RewriteTarget
    passes: Sequence[Pass]
    options: Options


def _proved(run: _Run) -> Rewritten:
    """All passes, then the whole against the source; the pass that the whole fails by is left out."""
    skip = dict(run.options.skip)
    for _ in range(MAX_WHOLE_FAILURES + 1):
        walk, done = _all_passes(run, skip)
        if all(gate.passed for gate in done.gates):
            return done
        if run.options.judges:  # once more, pass by pass
            run = replace(run, options=replace(run.options, judges=0))
            continue
        culprit = _culprit(run, walk)
        failed = next(g for g in done.gates if not g.passed)
        skip[culprit] = f"rolled back: the whole model failed {failed.name}: {failed.found}"
    return Rewritten(run.source.model, done.passes, done.gates, unproven="the whole model failed its gates")


def _all_passes(run: _Run, skip: Mapping[str, str]) -> tuple[Walk, Rewritten]:
    """The whole is judged while the last verdicts are open, and anew where these change what is left."""
    source, options, tape = run.source, run.options, run.tape
    judge = Judge(lambda: evidence_of(source, options, tape), options.base, options.threads, options.seed)
    counted = Counted(source.model)
    walk = Walk(counted, run.target, judge, options.store, options.judges, lambda: tape.is_ready)
    whole = _Whole(run)
    walk.meanwhile = lambda: whole.of(walk, len(walk.snapshots))
    reports = walk.all(run.passes, skip, options.on_pass)
    gates = whole.of(walk, len(walk.snapshots))
    gate_seconds = whole.seconds + sum(r.gate_seconds for r in reports)
    return walk, Rewritten(walk.model, tuple(reports), gates, gate_seconds=gate_seconds)


@dataclass
class _Whole:
    """Gates of whole models, the last one's kept."""

    run: _Run
    model: ir.Model | None = None
    gates: tuple[GateResult, ...] = ()
    seconds: float = 0.0

    def of(self, walk: Walk, count: int) -> tuple[GateResult, ...]:
        """Those of the model after `count` of the passes that changed something."""
        model = walk.snapshots[count - 1][1] if count else self.run.source.model
        if model is not self.model:
            started = time.perf_counter()
            exact = all(one.guarantee is Guarantee.EXACT for one, _ in walk.snapshots[:count])
            self.gates, self.model = _judged(self.run, model, exact=exact), model
            self.seconds += time.perf_counter() - started
        return self.gates


def _judged(run: _Run, model: ir.Model, *, exact: bool) -> tuple[GateResult, ...]:
    beside = run.options.judges > 0 and run.source.asked.run_seconds > FEW_SECONDS
    return judge_whole(run.source, model, exact=exact, beside=beside)


def _culprit(run: _Run, walk: Walk) -> str:
    """The first pass after which the whole no longer holds, by halves."""
    low, high = 0, len(walk.snapshots) - 1
    whole = _Whole(run)
    while low < high:
        middle = (low + high) // 2
        if all(gate.passed for gate in whole.of(walk, middle + 1)):
            low = middle + 1
        else:
            high = middle
    return walk.snapshots[low][0].name if walk.snapshots else ""
