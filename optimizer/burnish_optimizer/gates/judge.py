"""Judges passes: every region that one changed, on values that the model really computes and harder ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import onnx_ir as ir

from burnish_engine.report import Guarantee
from burnish_optimizer.gates.beside import Sides
from burnish_optimizer.gates.capture import Captures
from burnish_optimizer.gates.kin import Kin
from burnish_optimizer.gates.structure import fault
from burnish_optimizer.gates.trial import FEW_SECONDS, Trial
from burnish_optimizer.gates.verdict import Verdict
from burnish_optimizer.gates.view import View, view


@dataclass(frozen=True)
class Evidence:
    """What the untouched model said.

    Args: captures: what it computes, on small inputs first where it takes any; those of declared sizes are
        the last.   run_seconds: how long it takes for an answer.
    """

    captures: Sequence[Captures]
    run_seconds: float = 0.0


@dataclass
class Judge:
    """Keeps what the model computes on the probes between passes.

    Args: ask: the source, once, when it is first needed.   base: folder of external data.
        seed: of the variations.
    """

    ask: Callable[[], Evidence]
    base: Path | None = None
    threads: int = 1
    seed: int = 0
    kin: Kin = field(default_factory=Kin)
    last: tuple[ir.Model, View] | None = None
    next: tuple[ir.Model, View] | None = None

    def judge(self, before: ir.Model, after: ir.Model, guarantee: Guarantee) -> Verdict:
        """Compare all that changed. Never raises for what a pass did wrong: that is the verdict."""
        return self.open(before, after, guarantee).run()

    def open(self, before: ir.Model, after: ir.Model, guarantee: Guarantee) -> Trial:
        """What structure tells of all that changed; the rest is to be tried."""
        broken = fault(before, after)
        if broken:
            return Trial(None, (), verdict=Verdict(fault=broken))
        views = (self._view(before), view(after))
        self.next = (after, views[1])
        sides = Sides((before, after), views, guarantee, self.base, self.threads, self.seed, self.kin)
        return Trial(sides, self.evidence.captures, self.evidence.run_seconds)

    @cached_property
    def evidence(self) -> Evidence:
        """What the source said. Raises: what `ask` raises."""
        return self.ask()

    @property
    def is_slow(self) -> bool:
        """Whether trials take longer than a fork."""
        return self.evidence.run_seconds > FEW_SECONDS

    def prepare(self) -> None:
        """Capture what is captured once and for all: a fork that judges has it then."""
        self.evidence.captures[0].all_at_once()

    def accept(self, model: ir.Model) -> None:
        """`model` is the current one: forget what it no longer has."""
        self.last = self.next if self.next and self.next[0] is model else (model, view(model))
        side = self.last[1]
        alive = set(side.producers) | {v.name or "" for v in model.graph.inputs}
        for each in self.evidence.captures:
            each.forget(alive)

    def take_back(self, model: ir.Model) -> None:
        """`model` is the current one again: what models behind it computed under its names is not its own."""
        self.accept(model)
        given = {v.name or "" for v in model.graph.inputs}
        for each in self.evidence.captures:
            each.forget(each.in_source | given)

    def _view(self, model: ir.Model) -> View:
        """The current model is asked for again and again."""
        if self.last is None or self.last[0] is not model:
            self.last = (model, view(model))
        return self.last[1]
