"""What a report tells of one pass."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import onnx_ir as ir

from burnish_engine.report import PassReport, RolledBack, RuleReport
from burnish_optimizer.passes.bisect import Attempt, Settled
from burnish_optimizer.passes.contract import Change, Pass
from burnish_optimizer.rewrite.values import op_key
from burnish_optimizer.rewrite.walk import graphs_of, model_nodes

SHOWN_SITES = 5


@dataclass(frozen=True)
class Counted:
    """A model as it is now, whose nodes are counted once."""

    model: ir.Model

    @cached_property
    def ops(self) -> frozenset[str]:
        """Operators of its graphs."""
        return frozenset(op_key(node) for graph in graphs_of(self.model.graph) for node in graph)

    @cached_property
    def nodes(self) -> int:
        """Nodes, those of subgraphs too."""
        return sum(1 for _ in model_nodes(self.model))


def report_of(
    one: Pass, nodes: tuple[int, int], settled: Settled, nothing: Attempt, seconds: float
) -> PassReport:
    """Args: nodes: before and after.   nothing: the model as it was, for a pass of which nothing is left."""
    attempt = settled.attempt or nothing
    return PassReport(
        name=one.name,
        guarantee=one.guarantee,
        equation=one.equation,
        applied=settled.attempt is not None and bool(attempt.changes),
        reason=_reason(attempt, settled.rolled_back, settled.attempt is not None),
        changes=_rules(attempt.changes),
        rolled_back=settled.rolled_back,
        declined={f"{rule}: {why}": n for (rule, why), n in attempt.declined.items()},
        gates=(attempt.verdict if settled.attempt else settled.refused).results(one.guarantee)
        if attempt.changes or settled.rolled_back
        else (),
        nodes_before=nodes[0],
        nodes_after=nodes[1],
        seconds=seconds,
        gate_seconds=settled.gate_seconds,
    )


def _reason(attempt: Attempt, rolled_back: Sequence[RolledBack], kept: bool) -> str:
    lost = f"; {len(rolled_back)} rolled back: {rolled_back[0].evidence}" if rolled_back else ""
    if not kept:
        return f"rolled back: {rolled_back[0].evidence}" if rolled_back else "rolled back"
    if not attempt.changes:
        return f"nothing kept{lost}" if lost else "nothing to do"
    return f"{len(attempt.changes)} changes kept{lost}"


def _rules(changes: Sequence[Change]) -> tuple[RuleReport, ...]:
    by_rule: dict[str, list[Change]] = {}
    for change in changes:
        by_rule.setdefault(change.rule, []).append(change)
    return tuple(
        RuleReport(
            rule=rule,
            changes=len(made),
            removed=dict(Counter(op for c in made for op in c.removed)),
            added=dict(Counter(op for c in made for op in c.added)),
            sites=tuple(c.site for c in made[:SHOWN_SITES]),
        )
        for rule, made in by_rule.items()
    )


def declined(one: Pass, reason: str, seconds: float = 0.0) -> PassReport:
    """Of a pass that was not applied."""
    return PassReport(
        name=one.name,
        guarantee=one.guarantee,
        equation=one.equation,
        applied=False,
        reason=reason,
        seconds=seconds,
    )
