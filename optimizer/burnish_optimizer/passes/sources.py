"""The untouched model as judge: what runs it, and inputs that it takes."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import onnx
import onnx_ir as ir

from burnish_engine.errors import one_line
from burnish_optimizer.gates.capture import Captures
from burnish_optimizer.gates.equality import difference
from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.gates.judge import Evidence
from burnish_optimizer.gates.miniature import Miniature, miniature
from burnish_optimizer.gates.probes import Probe, Probing, Smaller
from burnish_optimizer.gates.trial import FEW_NODES, FEW_SECONDS
from burnish_optimizer.gates.whole_answers import Asked, Source
from burnish_optimizer.ingest.feeds import Feeds
from burnish_optimizer.passes.options import Options
from burnish_optimizer.reference.fp64_reference import DRAWING
from burnish_optimizer.rewrite.values import STANDARD
from burnish_optimizer.rewrite.walk import model_nodes
from burnish_optimizer.tape import Tape


class Unproven(Exception):
    """Nothing can be proved about this source; the message says why."""


def source_of(model: ir.Model, options: Options, tape: Tape) -> Source:
    """The source. A fork asks it while passes run, where it is more than a few nodes and forks are to be had.

    Raises: Unproven: here, or where what it was asked is first needed.
    """
    try:
        proto = ir.serde.serialize_model(model)
        session = Executable(proto, options.base, options.threads)
    except Exception as error:
        raise _not_run(error) from error
    source = Source(model, proto, session, _Asking(model, proto, session, options, tape), options.base)
    if options.judges and next(islice(model_nodes(model), FEW_NODES, None), None) is not None:
        tape.ahead(lambda: evidence_of(source, options, tape))
    if not tape.is_ahead:
        source.asked  # noqa: B018 - what does not run is told before passes run
    return source


def evidence_of(source: Source, options: Options, tape: Tape) -> Evidence:
    """What the source computes inside: on small inputs, where it takes any, and on those of declared sizes.

    Raises: Unproven.
    """
    asked, taped = source.asked, tape.of
    quick = asked.run_seconds < FEW_SECONDS
    sizes = Captures(source.proto, source.captured, source.base, options.threads, is_quick=quick, taped=taped)
    found = [sizes]
    if (small := asked.small) is not None:
        less = Captures(
            small.proto, lambda: [small.feeds], source.base, options.threads, declared=False, taped=taped
        )
        found.insert(0, less)
    if tape.is_ahead:
        found[0].all_at_once()
    return Evidence(found, asked.run_seconds)


@dataclass(frozen=True)
class _Asking:
    """Asks a model what it runs on."""

    model: ir.Model
    proto: onnx.ModelProto
    session: Executable
    options: Options
    tape: Tape

    def __call__(self) -> Asked:
        """Raises: Unproven."""
        run, options = self.tape.of(self.session.run), self.options
        shrunk = _Shrunk(self.proto, options.base, self.tape)
        probing = Probing(self.model, run, samples=options.samples, seed=options.seed, shrink=shrunk)
        try:
            first = next(iter(probing), None)
        except Exception as error:
            raise _not_run(error) from error
        if first is None:
            raise Unproven("the source ran on no input that was tried")
        seconds = run.shortest_seconds
        if _may_vary(self.model) and not _repeats(run, first):
            raise Unproven("the source's own answers differ from run to run")
        shrunk(first.feeds)
        return Asked((first, *probing), shrunk.found, seconds)


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
            self.asked, self.found = True, miniature(self.model, feeds, self.base, self.tape.of)
        return self.found


def _not_run(error: Exception) -> Unproven:
    return Unproven(f"ONNX Runtime does not run the source: {one_line(error)}")


def _may_vary(model: ir.Model) -> bool:
    """Whether a node may give other answers each time: one that draws, or one that ONNX does not define."""
    return any(
        node.op_type in DRAWING or (node.domain not in STANDARD and not _has_body(model, node))
        for node in model_nodes(model)
    )


def _has_body(model: ir.Model, node: ir.Node) -> bool:
    return (node.domain, node.op_type, node.overload) in model.functions


def _repeats(run: Callable[[Feeds], Feeds], probe: Probe) -> bool:
    """Whether the same inputs give the same answers: nothing can be compared with chance."""
    again = run(probe.feeds)
    return not any(difference(again[name], value) for name, value in probe.answers.items())
