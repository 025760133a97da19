"""Whole-model transformations as passes: onnx-ir's own where they are right, ours where they are not."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from burnish_engine.errors import one_line
from burnish_optimizer.errors import Declined
from burnish_optimizer.passes.contract import BasePass, Change, Scope
from burnish_optimizer.rewrite.driver import graphs
from burnish_optimizer.rewrite.values import op_key

Apply = Callable[[ir.Model, Scope], Sequence[Change]]


@dataclass(frozen=True)
class ModelPass(BasePass):
    """A pass that is one function over the whole model, which tells its changes itself.

    run: rewrites in place, honours `scope.excluded`, returns what it changed.
    """

    run: Apply

    def apply(self, model: ir.Model, scope: Scope) -> tuple[Change, ...]:
        """See `Pass.apply`."""
        return tuple(self.run(model, scope))


@dataclass(frozen=True)
class IrPass(BasePass):
    """A pass of onnx-ir. It knows no excluded sites: where its one site is excluded, it declines.

    factory: makes the pass anew for every run (onnx-ir's passes keep state).
    concerns: whether there is anything of the kind that the pass is about: it need not run to find nothing.
    """

    factory: Callable[[], ir.passes.PassBase]
    concerns: Callable[[ir.Model], bool] = lambda _model: True

    def requires(self, model: ir.Model, scope: Scope) -> str:
        """See `Pass.requires`."""
        if self.name in scope.excluded:
            return "did not hold as a whole"
        return super().requires(model, scope)

    def apply(self, model: ir.Model, scope: Scope) -> tuple[Change, ...]:
        """See `Pass.apply`. One change: the difference in op counts. Raises: Declined: onnx-ir refuses."""
        del scope
        if not self.concerns(model):
            return ()
        before = tally(model)
        try:
            result = self.factory()(model)
        except (ValueError, RuntimeError, ir.passes.PassError) as error:
            message = one_line(error.__cause__ or error)
            raise Declined(message) from error
        if not result.modified:
            return ()
        after = tally(model)
        removed, added = before - after, after - before
        return (Change(self.name, self.name, tuple(removed.elements()), tuple(added.elements())),)


def tally(model: ir.Model) -> Counter[str]:
    """Nodes by op type, those of subgraphs too."""
    return Counter(op_key(node) for graph in graphs(model) for node in graph)
