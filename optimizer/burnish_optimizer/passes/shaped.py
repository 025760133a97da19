"""Rules that ask for shapes."""

from dataclasses import dataclass

import onnx_ir as ir

from burnish_optimizer.passes.contract import Change, Scope
from burnish_optimizer.rewrite.driver import RulePass
from burnish_optimizer.rewrite.shapes import ensure_shapes


@dataclass(frozen=True)
class ShapedRulePass(RulePass):
    """Rules over a model whose shapes were inferred anew, so that none is trusted for being written down."""

    def apply(self, model: ir.Model, scope: Scope) -> tuple[Change, ...]:
        """See `Pass.apply`."""
        ensure_shapes(model)
        return super().apply(model, scope)
