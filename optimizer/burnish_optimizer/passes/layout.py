"""Layout: transposes pushed through what does not care for the order of axes, where fewer bytes move."""

from dataclasses import dataclass

import onnx_ir as ir

from burnish_engine.report import Guarantee
from burnish_optimizer.passes.contract import BasePass, Change, Pass, Scope
from burnish_optimizer.rewrite.driver import RulePass, graphs
from burnish_optimizer.rewrite.transpose_regions import Region, closed, cost, region_of, site_of, turn_back
from burnish_optimizer.rewrite.transposes import MOVES, ROUNDS, TransposeReshape
from burnish_optimizer.rewrite.values import is_op, op_key

MAX_ROUNDS = 4
SUNK = "Transpose⁻¹(f(Transpose(x))) → f(x), where the transposes left move fewer bytes"


@dataclass(frozen=True)
class SinkTransposes(BasePass):
    """f(Transpose(x)) = Transpose(f(x)) for agnostic f, over whole regions, where fewer bytes move."""

    ops: frozenset[str]

    @property
    def anchors(self) -> frozenset[str] | None:
        """See `Pass.anchors`."""
        return frozenset(("Transpose",))

    def apply(self, model: ir.Model, scope: Scope) -> tuple[Change, ...]:
        """See `Pass.apply`."""
        scope.opsets = model.opset_imports
        changes: list[Change] = []
        for graph in graphs(model):
            for number in range(MAX_ROUNDS):
                made = self._round(graph, scope, number)
                changes += made
                if not made:
                    break
        return tuple(changes)

    def _round(self, graph: ir.Graph, scope: Scope, number: int) -> list[Change]:
        changes: list[Change] = []
        order = {node: place for place, node in enumerate(graph)}
        tried: set[ir.Node] = set()
        for node in tuple(graph):
            if node.graph is not graph or node in tried or not is_op(node.outputs[0], "Transpose"):
                continue
            found = region_of(node, self.ops, scope, order)
            if found is None:
                continue
            tried |= {maker for value in found.sources if (maker := value.producer()) is not None}
            change = self._try(found, graph, scope, number)
            changes += [change] if change else []
        return changes

    def _try(self, found: Region, graph: ir.Graph, scope: Scope, number: int) -> Change | None:
        before, after = cost(found, scope.target.name)
        if after >= before and found.foreign:
            found = closed(found)
            before, after = cost(found, scope.target.name)
        site = site_of(found)
        if not site or site in scope.excluded:
            return None  # nothing is left of the region, or nothing needs it
        if after == before:
            return None  # one transpose before or behind: the same
        if after > before:
            scope.decline(self.name, f"{before} bytes moved as it is, {after} otherwise")
            return None
        removed = tuple(op_key(node) for node in found.nodes)
        new = turn_back(found, graph, f"{site}/{self.name}.{number}")
        return Change(self.name, site, removed, tuple(op_key(node) for node in new))


LAYOUT: tuple[Pass, ...] = (
    SinkTransposes("sink-transposes", Guarantee.EXACT, SUNK, MOVES),
    SinkTransposes("sink-transposes-through-functions", Guarantee.ROUNDING, SUNK, ROUNDS),
    RulePass(
        "transposes-to-reshapes",
        Guarantee.EXACT,
        "Transpose(x) → Reshape(x), where only axes of size 1 change places",
        (TransposeReshape(),),
    ),
)
"""The exact pass first: what it can do needs no bound."""
