"""What a pass promises.

A pass rewrites a model in place, and tells every place that it changed. It does not judge itself: the gate
compares each changed region with what it was, and excludes the sites that do not hold (see `gates/`).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import onnx_ir as ir

from burnish_engine.report import Guarantee
from burnish_optimizer.targets.kernels import RewriteTarget


@dataclass(frozen=True)
class Change:
    """One application of one rule.

    Args:
        rule: its name.   site: name of the first value that the rule replaced (before = after): what the
            gate excludes when the change does not hold.   removed, added: op types, in graph order.
    """

    rule: str
    site: str
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()


@dataclass
class Scope:
    """What a pass may know of the world, and where it tells why it left something alone.

    Args:
        target: whose kernels the result must run on.
        excluded: sites that were tried and failed their gate: never to be changed again.
        size_limit_bytes: the most that folding may add to a model with one new constant.
        opsets: operator sets that the model imports; the driver fills it in.
    """

    target: RewriteTarget
    excluded: frozenset[str] = frozenset()
    size_limit_bytes: int = 1 << 20
    opsets: Mapping[str, int] = field(default_factory=dict)
    declined: Counter[tuple[str, str]] = field(default_factory=Counter)

    def decline(self, rule: str, reason: str) -> None:
        """Tell why a near match was left alone; the report counts equal reasons."""
        self.declined[rule, reason] += 1


class Pass(Protocol):
    """One rewriting pass.

    guarantee: exact (outputs stay byte-equal) or rounding (equal in real arithmetic).
    equation: one line, what becomes what; shown in the report.
    """

    @property
    def name(self) -> str:
        """Kebab-case, as `--passes` and the report name it."""

    @property
    def guarantee(self) -> Guarantee:
        """What the gate holds it to."""

    @property
    def equation(self) -> str:
        """Before → after, in one line."""

    @property
    def anchors(self) -> frozenset[str] | None:
        """Operators without any of which there is nothing to do; None: not known."""

    def requires(self, model: ir.Model, scope: Scope) -> str:
        """Why the pass declines this model or target; empty where it applies."""

    def apply(self, model: ir.Model, scope: Scope) -> tuple[Change, ...]:
        """Rewrite in place; every change that was made, none where there was nothing to do.

        Raises: Declined.
        """

    def ensures(self, model: ir.Model, scope: Scope) -> str:
        """What is left undone of the promise after `apply`; empty where it is kept."""


@dataclass(frozen=True)
class BasePass:
    """What passes have in common: their words, no precondition, and no promise beyond what the gate sees."""

    name: str
    guarantee: Guarantee
    equation: str

    @property
    def anchors(self) -> frozenset[str] | None:
        """See `Pass.anchors`."""
        return None

    def requires(self, model: ir.Model, scope: Scope) -> str:
        """See `Pass.requires`."""
        del model, scope
        return ""

    def ensures(self, model: ir.Model, scope: Scope) -> str:
        """See `Pass.ensures`."""
        del model, scope
        return ""
