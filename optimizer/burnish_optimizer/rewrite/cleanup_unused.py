"""What no output needs: nodes, initializers, optional outputs.

Ours, since onnx-ir's pass also drops `training_mode` of a BatchNormalization, leaves initializers of
subgraphs, and cannot leave single sites alone.
"""

from collections.abc import Iterator
from functools import cache

import onnx
import onnx_ir as ir

from burnish_optimizer.passes.contract import Change, Scope
from burnish_optimizer.rewrite.driver import graphs
from burnish_optimizer.rewrite.values import STANDARD, op_key, site_name
from burnish_optimizer.rewrite.walk import subgraphs

# How many outputs these have says how they compute: training or inference, before opset 14.
ARITY_HAS_MEANING = frozenset({"BatchNormalization"})


def remove_unused(model: ir.Model, scope: Scope) -> list[Change]:
    """`f(x)` that nothing reads = nothing."""
    changes = list(_dead_nodes(model.graph, scope))
    for graph in graphs(model):
        changes += _dead_initializers(graph, scope)
    return changes


def remove_unused_outputs(model: ir.Model, scope: Scope) -> list[Change]:
    """`(y, indices) = MaxPool(x)` where nothing reads the indices = `y = MaxPool(x)`."""
    opset = model.opset_imports.get("", 0)
    found = (_unread(node, opset) for graph in graphs(model) for node in graph)
    changes = []
    for value in (value for values in found for value in values):
        node, site = value.producer(), value.name or ""
        if node is None or site in scope.excluded:
            continue
        value.name = ""
        changes.append(Change("unused-output", site))
        _drop_trailing(node)
    return changes


def _dead_nodes(graph: ir.Graph, scope: Scope) -> Iterator[Change]:
    """Backwards, so that what only dead nodes need is dead when it is reached."""
    for node in reversed(tuple(graph)):
        site = site_name(node)
        if site not in scope.excluded and not any(v.uses() or v.is_graph_output() for v in node.outputs):
            graph.remove(node, safe=True)
            yield Change("dead-node", site, removed=(op_key(node),))
            continue
        for inner in subgraphs(node):
            yield from _dead_nodes(inner, scope)


def _dead_initializers(graph: ir.Graph, scope: Scope) -> Iterator[Change]:
    """An initializer that is an input, too, is a default that callers may override: part of the signature."""
    for name, value in tuple(graph.initializers.items()):
        needed = value.uses() or value.is_graph_output() or value.is_graph_input()
        if not needed and name not in scope.excluded:
            del graph.initializers[name]
            yield Change("dead-initializer", name)


def _unread(node: ir.Node, opset: int) -> list[ir.Value]:
    if len(node.outputs) < 2 or node.domain not in STANDARD or node.op_type in ARITY_HAS_MEANING:
        return []
    optional = _optional_outputs(node.op_type, opset)
    return [
        value
        for value, may_go in zip(node.outputs, optional, strict=False)
        if may_go and value.name and not value.uses() and not value.is_graph_output()
    ]


@cache
def _optional_outputs(op: str, opset: int) -> tuple[bool, ...]:
    """Which outputs the operator's schema lets out; none where they are variadic (Split, If, Loop)."""
    try:
        outputs = onnx.defs.get_schema(op, opset, "").outputs
    except onnx.defs.SchemaError:
        return ()
    kinds = onnx.defs.OpSchema.FormalParameterOption
    return tuple(output.option == kinds.Optional for output in outputs)


def _drop_trailing(node: ir.Node) -> None:
    kept = len(node.outputs)
    while kept > 1 and not node.outputs[kept - 1].name:
        kept -= 1
    node.resize_outputs(kept)
