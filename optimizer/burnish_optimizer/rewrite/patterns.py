"""Rules of onnxscript's rewriter as rules of ours: same gate, same provenance, same exclusions."""

import onnx_ir as ir
from onnxscript.rewriter import RewriteRule

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.rule import Replacement


class PatternRule:
    """An onnxscript rule (its pattern, its check, its rewrite), driven by our driver.

    anchors: op types of the pattern's output node.
    """

    def __init__(self, name: str, anchors: frozenset[str], *rules: RewriteRule) -> None:
        self.name, self.anchors, self._rules = name, anchors, rules

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        graph = node.graph
        if not isinstance(graph, ir.Graph):
            return None
        for rule in self._rules:
            # try_rewrite only reads the graph, and adds the operator sets of what it would insert.
            found = rule.try_rewrite(ir.Model(graph, ir_version=10), graph, node)
            if found is not None:
                return Replacement(
                    old_values=list(found.match.outputs),
                    new_values=list(found.new_outputs),
                    nodes=list(found.new_nodes),
                    initializers=list(found.new_initializers),
                )
        return None
