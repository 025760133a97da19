"""Operations of a whole graph, subgraphs included. Pure."""

from collections import Counter
from dataclasses import dataclass, field

import onnx_ir as ir

from burnish_optimizer.inspection.flops import flops
from burnish_optimizer.inspection.records import Arithmetic
from burnish_optimizer.rewrite.values import constant, op_key
from burnish_optimizer.rewrite.walk import subgraphs


@dataclass
class _Counts:
    by_op: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)

    def add(self, other: "_Counts", times: int = 1) -> None:
        self.by_op.update({op: count * times for op, count in other.by_op.items()})
        self.unknown.update(other.unknown)


def arithmetic(model: ir.Model) -> tuple[Arithmetic, tuple[str, ...]]:
    """All operations of one run, by op type, and notes on what was assumed about branches and loops."""
    notes: dict[str, None] = {}
    counts = _count(model.graph, notes)
    by_op = {op: count for op, count in counts.by_op.most_common() if count}
    found = Arithmetic(flops=sum(by_op.values()), by_op=by_op, unknown=dict(counts.unknown.most_common()))
    return found, tuple(notes)


def _count(graph: ir.Graph, notes: dict[str, None]) -> _Counts:
    counts = _Counts()
    for node in graph:
        found, name = flops(node), op_key(node)
        if found is None:
            counts.unknown[name] += 1
        else:
            counts.by_op[name] += found
        inner = [_count(held, notes) for held in subgraphs(node)]
        if name == "If" and inner:
            notes["of an If within a loop the branch with more work is counted"] = None
            counts.add(max(inner, key=lambda branch: sum(branch.by_op.values())))
        else:
            for body in inner:
                counts.add(body, _trips(node, notes))
    return counts


def _trips(node: ir.Node, notes: dict[str, None]) -> int:
    """How often a Loop runs, where that is a constant; once where it is not."""
    found = constant(node.inputs[0], 1) if op_key(node) == "Loop" and node.inputs else None
    if found is not None:
        return max(int(found.item()), 0)
    notes[f"the body of each {op_key(node)} without a constant number of steps is counted once"] = None
    return 1
