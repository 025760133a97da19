"""Control flow whose way is known: the taken branch moves into the graph around it."""

import numpy as np
import onnx_ir as ir
from onnx_ir._cloner import Cloner

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.renamed import renamed
from burnish_optimizer.rewrite.rule import Replacement
from burnish_optimizer.rewrite.values import attribute, initializer, node_of, scalar, site_name

AXES_ARE_INPUTS = 13


class IfKnown:
    """`If(true, then=f, else=g)` = `f`"""

    name, anchors = "if-known", frozenset({"If"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        taken = scalar(node.inputs[0])
        if taken is None:
            return None
        branch: ir.Graph = attribute(node, "then_branch" if taken else "else_branch")
        nodes, constants, results = unfold(branch, [], _site(node))
        return Replacement(list(node.outputs), results, nodes, constants)


class LoopKnown:
    """`Loop(0 times, …, x)` = `x`, `Loop(once, body=f, x)` = `f(0, true, x)`, scans with a leading 1"""

    name, anchors = "loop-known", frozenset({"Loop"})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        trips, condition = scalar(node.inputs[0]), scalar(node.inputs[1])
        given = [v is not None for v in node.inputs[:2]]
        carried = list(node.inputs[2:])
        if (given[1] and condition is None) or (condition is not False and trips not in (0, 1)):
            return None
        if condition is False or trips == 0:
            if len(node.outputs) > len(carried):
                scope.decline(self.name, "no iteration: the scans are empty, of a shape that is not known")
                return None
            return Replacement(list(node.outputs), [v for v in carried if v is not None])
        if len(node.outputs) > len(carried) and scope.opsets.get("", 0) < AXES_ARE_INPUTS:
            scope.decline(self.name, "scans of one iteration need the Unsqueeze of opset 13")
            return None
        return self._once(node, carried)

    def _once(self, node: ir.Node, carried: list[ir.Value | None]) -> Replacement:
        first = initializer("iteration", np.array(0, np.int64))
        going = initializer("condition", np.array(True))
        nodes, constants, results = unfold(attribute(node, "body"), [first, going, *carried], _site(node))
        axis = initializer("scan_axis", np.array([0], np.int64))
        finals = results[1 : 1 + len(carried)]
        stacked = [node_of("Unsqueeze", [value, axis]) for value in results[1 + len(carried) :]]
        return Replacement(
            list(node.outputs),
            [*finals, *(s.outputs[0] for s in stacked)],
            [*nodes, *stacked],
            [first, going, *constants, *([axis] if stacked else [])],
        )


def _site(node: ir.Node) -> str:
    return site_name(node) or "body"


def unfold(
    body: ir.Graph, arguments: list[ir.Value | None], site: str
) -> tuple[list[ir.Node], list[ir.Value], list[ir.Value]]:
    """A copy of a body's nodes, constants and results, its inputs bound to `arguments`.

    Results that are inputs, constants, outer values, or given twice pass through an Identity, so that each
    is a value of its own. Inner bodies get names that nothing around them has.
    """
    values: dict[ir.Value, ir.Value | None] = dict(zip(body.inputs, arguments, strict=True))
    constants: list[ir.Value] = []
    for value in body.initializers.values():
        tensor = renamed(value.const_value, value.name or "") if value.const_value is not None else None
        bound = values[value] = ir.Value(
            name=value.name, type=value.type, shape=value.shape, const_value=tensor
        )
        constants.append(bound)
    cloner = Cloner(
        attr_map={},
        value_map=values,
        metadata_props={},
        post_process=lambda node: _rename(node, site),
        allow_outer_scope_values=True,
    )
    nodes = [cloner.clone_node(node) for node in body]
    results: list[ir.Value] = []
    made = {id(output) for node in nodes for output in node.outputs}
    for output in body.outputs:
        result = values.get(output, output)
        if id(result) not in made or result in results:
            nodes.append(node_of("Identity", [result]))
            result = nodes[-1].outputs[0]
        if result is not None:
            results.append(result)
    return nodes, constants, results


def _rename(node: ir.Node, site: str) -> None:
    for value in node.outputs:
        if value.name:
            value.name = f"{site}/{value.name}"


CONTROL = (IfKnown(), LoopKnown())
