"""What can be removed without touching a number."""

import onnx_ir as ir
from onnx_ir.passes import common

from burnish_engine.report import Guarantee


class RemoveIdentity:
    """`f(Identity(x))` = `f(x)`, where a graph's own inputs and outputs keep their names."""

    name = "remove-identity"
    guarantee = Guarantee.EXACT

    def apply(self, model: ir.Model) -> int:
        """See `Pass.apply`."""
        before = size(model)
        common.IdentityEliminationPass()(model)
        return before - size(model)


class RemoveUnused:
    """Nodes and initializers that no output needs."""

    name = "remove-unused"
    guarantee = Guarantee.EXACT

    def apply(self, model: ir.Model) -> int:
        """See `Pass.apply`."""
        before = size(model)
        common.RemoveUnusedNodesPass()(model)
        return before - size(model)


def size(model: ir.Model) -> int:
    """Nodes (of subgraphs, too) and top-level initializers."""
    return sum(1 for _ in ir.traversal.RecursiveGraphIterator(model.graph)) + len(model.graph.initializers)


PASSES = (RemoveIdentity(), RemoveUnused())
