"""The untouched model as judge: what runs it, and inputs that it takes."""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnx_ir as ir

from burnish_engine.errors import one_line
from burnish_optimizer.gates.equality import difference
from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.gates.miniature import Miniature, miniature
from burnish_optimizer.gates.probes import Probe, Probing, Smaller
from burnish_optimizer.gates.trial import FEW_SECONDS
from burnish_optimizer.gates.whole_answers import Source
from burnish_optimizer.ingest.feeds import Feeds
from burnish_optimizer.passes.options import Options
from burnish_optimizer.reference.fp64_reference import DRAWING
from burnish_optimizer.rewrite.values import STANDARD
from burnish_optimizer.rewrite.walk import model_nodes
from burnish_optimizer.tape import Tape


class Unproven(Exception):
    """Nothing can be proved about this source; the message says why."""


def source_of(model: ir.Model, options: Options, tape: Tape) -> Source:
    """The source with its first probe; a fork looks for the rest where that takes long.

    Raises: Unproven.
    """
    try:
        proto = ir.serde.serialize_model(model)
        session = Executable(proto, options.base, options.threads)
        run, shrunk = _Timed(session.run), _Shrunk(proto, options.base, tape)
        probing = Probing(model, tape.of(run), samples=options.samples, seed=options.seed, shrink=shrunk)
        first = next(iter(probing), None)
    except Exception as error:
        raise Unproven(f"ONNX Runtime does not run the source: {one_line(error)}") from error
    if first is None:
        raise Unproven("the source ran on no input that was tried")
    if _may_vary(model) and not _repeats(session, first):
        raise Unproven("the source's own answers differ from run to run")
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
