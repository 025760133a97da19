"""Rewriting with proof: each pass on a copy, judged, kept, mended by leaving sites alone, or rolled back."""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir

from burnish_engine.errors import one_line
from burnish_engine.report import GateResult, Guarantee, PassReport
from burnish_optimizer.gates.capture import Captures
from burnish_optimizer.gates.equality import difference
from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.gates.judge import Judge
from burnish_optimizer.gates.miniature import Miniature, miniature
from burnish_optimizer.gates.probes import Probe, Probing, Smaller
from burnish_optimizer.gates.trial import FEW_SECONDS
from burnish_optimizer.gates.whole import judge_whole
from burnish_optimizer.gates.whole_answers import Source
from burnish_optimizer.ingest.feeds import Feeds
from burnish_optimizer.passes.catalogue import PASSES
from burnish_optimizer.passes.contract import Pass
from burnish_optimizer.passes.told import Counted
from burnish_optimizer.passes.walk import Walk
from burnish_optimizer.reference.fp64_reference import DRAWING
from burnish_optimizer.rewrite.values import STANDARD
from burnish_optimizer.rewrite.walk import model_nodes
from burnish_optimizer.tape import Tape
from burnish_optimizer.targets.kernels import RewriteTarget

MAX_WHOLE_FAILURES = 3

OnPass = Callable[[int, int, str], None]


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


@dataclass(frozen=True)
class Options:
    """How to rewrite.

    Args:
        base: folder of the model's external data.   samples: real inputs, tried first.
        store: moves large new tensors out of memory.
        skip: passes by name that are left out, with the reason.   on_pass: told (position, count, name).
        judges: forks of this process that judge while passes run on; 0: none, judge after every pass.
    """

    base: Path | None = None
    store: Callable[[ir.Model], None] = lambda _model: None
    threads: int = 1
    samples: Sequence[dict[str, Any]] = ()
    seed: int = 0
    skip: Mapping[str, str] = field(default_factory=dict)
    on_pass: OnPass = lambda _position, _count, _name: None
    judges: int = 0


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
            source = _source(model, options, tape)
        except _Unproven as error:
            return Rewritten(model, unproven=str(error))
        probing = time.perf_counter() - started
        done = _proved(_Run(source, target, passes, options))
        done.probes = tuple(probe.name for probe in source.probes)
    done.seconds = time.perf_counter() - started
    done.gate_seconds += probing
    return done


class _Unproven(Exception):
    """Nothing can be proved about this source; the message says why."""


def _source(model: ir.Model, options: Options, tape: Tape) -> Source:
    """The source with its first probe; a fork looks for the rest where that takes long.

    Raises: _Unproven.
    """
    try:
        proto = ir.serde.serialize_model(model)
        session = Executable(proto, options.base, options.threads)
        run, shrunk = _Timed(session.run), _Shrunk(proto, options.base, tape)
        probing = Probing(model, tape.of(run), samples=options.samples, seed=options.seed, shrink=shrunk)
        first = next(iter(probing), None)
    except Exception as error:
        raise _Unproven(f"ONNX Runtime does not run the source: {one_line(error)}") from error
    if first is None:
        raise _Unproven("the source ran on no input that was tried")
    if _may_vary(model) and not _repeats(session, first):
        raise _Unproven("the source's own answers differ from run to run")
    shrunk(first.feeds)
    if options.judges and run.seconds > FEW_SECONDS:
        tape.ahead(lambda: deque(probing, maxlen=0))
    return Source(model, proto, session, first, probing, shrunk.found, options.base, run.seconds)


@dataclass
class _Timed:
    """Runs of the source. `seconds`: the shortest but those that it refused."""

    run: Callable[[Feeds], Feeds]
    seconds: float = math.inf

    def __call__(self, feeds: Feeds) -> Feeds:
        """The answers. Raises: whatever the source raises."""
        started = time.perf_counter()
        answers = self.run(feeds)
        self.seconds = min(self.seconds, time.perf_counter() - started)
        return answers


@dataclass
class _Shrunk:
    """The model in miniature, looked for once; its runs are on the tape."""

    model: onnx.ModelProto
    base: Path | None
    tape: Tape
    found: Miniature | None = None
    asked: bool = False

    def __call__(self, feeds: Feeds) -> Smaller | None:
        """Args: feeds: at the declared sizes; those that it is asked with first decide."""
        if not self.asked:
            self.asked, self.found = True, miniature(self.model, feeds, self.base)
        return _Taped(self.found.side, self.tape.of(self.found.run)) if self.found else None


@dataclass(frozen=True)
class _Taped:
    """See `Smaller`."""

    side: Callable[[int], int]
    run: Callable[[Feeds], Feeds]


def _may_vary(model: ir.Model) -> bool:
    """Whether a node may give other answers each time: one that draws, or one that ONNX does not define."""
    return any(
        node.op_type in DRAWING or (node.domain not in STANDARD and not _has_body(model, node))
        for node in model_nodes(model)
    )


def _has_body(model: ir.Model, node: ir.Node) -> bool:
    return (node.domain, node.op_type, node.overload) in model.functions


def _repeats(source: Executable, probe: Probe) -> bool:
    """Whether the same inputs give the same answers: nothing can be compared with chance."""
    again = source.run(probe.feeds)
    return not any(difference(again[name], value) for name, value in probe.answers.items())


@dataclass
class _Run:
    source: Source
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
    source, options = run.source, run.options
    judge = Judge(
        _captures(source, options.threads), options.base, options.threads, options.seed, source.run_seconds
    )
    walk = Walk(Counted(source.model), run.target, judge, run.options.store, run.options.judges)
    whole = _Whole(run)
    walk.meanwhile = lambda: whole.of(walk, len(walk.snapshots))
    reports = walk.all(run.passes, skip, run.options.on_pass)
    gates = whole.of(walk, len(walk.snapshots))
    gate_seconds = whole.seconds + sum(r.gate_seconds for r in reports)
    return walk, Rewritten(walk.model, tuple(reports), gates, gate_seconds=gate_seconds)


def _captures(source: Source, threads: int) -> list[Captures]:
    """Values inside of the source: on small inputs, where it takes any, and on those of declared sizes."""
    quick = source.run_seconds < FEW_SECONDS
    declared = Captures(source.proto, source.captured, source.base, threads, is_quick=quick)
    small = source.small
    if small is None:
        return [declared]
    return [Captures(small.proto, lambda: [small.feeds], source.base, threads, declared=False), declared]


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
    beside = run.options.judges > 0 and run.source.run_seconds > FEW_SECONDS
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
