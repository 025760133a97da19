"""Constant folding: what depends on constants alone is computed once, by the kernels that would have run."""

from collections.abc import Iterator

import onnx_ir as ir

from burnish_optimizer.batches import by_size
from burnish_optimizer.passes.contract import Change, Scope
from burnish_optimizer.rewrite.cleanup_noops import feeds_packed, takes_scalars
from burnish_optimizer.rewrite.driver import graphs
from burnish_optimizer.rewrite.fold_islands import RULE, WORKING_BYTES, Island, freed_bytes, islands_of
from burnish_optimizer.rewrite.fold_run import Results, compute
from burnish_optimizer.rewrite.renamed import at_hand, renamed
from burnish_optimizer.rewrite.shapes import ensure_shapes
from burnish_optimizer.rewrite.values import op_key, tensor

MAX_ROUNDS = 10
# What one pass may hold of new constants before they are moved out of memory.
HELD_BYTES = 512 << 20
HALF = (ir.DataType.FLOAT16, ir.DataType.BFLOAT16)


def fold_constants(model: ir.Model, scope: Scope) -> list[Change]:
    """`f(constants)` = a constant, computed by ONNX Runtime's own kernel of f.

    Not where that rounds otherwise: see `fold_weights`.
    """
    return _fold(model, scope, packed=False)


def fold_weights(model: ir.Model, scope: Scope) -> list[Change]:
    """`MatMul(x, f(constants))` = `MatMul(x, constant)`: equal in real arithmetic.

    Constant weights are packed when the model is loaded, and multiplied in another order. Half precision
    that has no kernel runs in single precision, and is rounded where a chain ends: now after each constant.
    """
    return _fold(model, scope, packed=True)


def _fold(model: ir.Model, scope: Scope, *, packed: bool) -> list[Change]:
    ensure_shapes(model)
    changes: list[Change] = []
    for _ in range(MAX_ROUNDS):
        made = [
            change for graph in graphs(model) for change in _fold_graph(model, graph, scope, packed=packed)
        ]
        changes += made
        if not made:
            break
    return changes


def lift_constants(model: ir.Model, scope: Scope) -> list[Change]:
    """`Constant(value=c)` = an initializer c. What the graph gives away stays a node."""
    return [
        change
        for graph in graphs(model)
        for node in tuple(graph)
        if (change := _lift(graph, node, scope)) is not None
    ]


def _lift(graph: ir.Graph, node: ir.Node, scope: Scope) -> Change | None:
    if op_key(node) != "Constant" or any(a.is_ref() for a in node.attributes.values()):
        return None
    value = node.outputs[0]
    held = None if value.is_graph_output() else tensor(value)
    if held is None or not value.name or value.name in scope.excluded:
        return None
    become_constant(graph, value, held)
    graph.remove(node, safe=True)
    return Change("lift-constant", value.name.removesuffix(REPLACED), removed=("Constant",))


REPLACED = "/replaced"


def become_constant(graph: ir.Graph, value: ir.Value, held: ir.TensorProtocol) -> None:
    """An initializer takes a value's name and uses."""
    name = value.name or ""
    value.name = f"{name}{REPLACED}"
    kind, dims = ir.TensorType(held.dtype), ir.Shape(held.shape.numpy())
    named = ir.Value(name=name, type=kind, shape=dims, const_value=at_hand(held))
    if held.name != name:
        named.const_value = renamed(held, name)
    graph.register_initializer(named)
    value.replace_all_uses_with(named)


def _fold_graph(model: ir.Model, graph: ir.Graph, scope: Scope, *, packed: bool) -> Iterator[Change]:
    islands = [i for i in islands_of(graph, scope) if any(map(_rounds, i.frontier)) == packed]
    held = 0
    for group in by_size(islands, _bytes, WORKING_BYTES):
        if held > HELD_BYTES:
            scope.decline(RULE, "as much as may be held in memory is folded already")
            return
        results = compute(model, [(i.nodes, i.frontier) for i in group])
        for island, found in zip(group, results, strict=True):
            if isinstance(found, str):
                scope.decline(RULE, found)
                continue
            held += sum(result.nbytes for result in found)
            change = _put(graph, island, found, scope)
            if change:
                yield change


def _rounds(value: ir.Value) -> bool:
    return value.dtype in HALF or feeds_packed(value)


def _put(graph: ir.Graph, island: Island, found: Results, scope: Scope) -> Change | None:
    freed = freed_bytes(island)
    kept = []
    for value, result in zip(island.frontier, found, strict=True):
        added = result.nbytes - freed
        if takes_scalars(value, len(result.shape)):
            scope.decline(RULE, "Range takes scalars: a constant of rank 1 would be refused")
            continue
        if added > scope.size_limit_bytes:
            scope.decline(RULE, "the result is larger than what it replaces")
            continue
        freed = max(0, freed - result.nbytes)
        kept.append((value, result))
    for value, result in kept:
        _replace(graph, value, result)
    removed = [op_key(node) for node in reversed(island.nodes) if _remove(graph, node)][::-1]
    return Change(RULE, island_site(kept), tuple(removed)) if kept else None


def island_site(kept: list[tuple[ir.Value, ir.TensorProtocol]]) -> str:
    """The name of the first value that became a constant."""
    return (kept[0][0].name or "").removesuffix(REPLACED) if kept else ""


def _replace(graph: ir.Graph, value: ir.Value, result: ir.TensorProtocol) -> None:
    """An initializer; a Constant where the graph gives the value away."""
    node = value.producer()
    if not value.is_graph_output() or node is None:
        become_constant(graph, value, result)
        return
    made = ir.node("Constant", [], attributes={"value": ir.AttrTensor("value", result)})
    output, name = made.outputs[0], value.name or ""
    value.name = f"{name}{REPLACED}"
    output.name, output.type, output.shape = name, value.type, value.shape
    graph.insert_after(node, made)
    value.replace_all_uses_with(output, replace_graph_outputs=True)


def _remove(graph: ir.Graph, node: ir.Node) -> bool:
    if any(v.uses() or v.is_graph_output() for v in node.outputs):
        return False
    graph.remove(node, safe=True)
    return True


def _bytes(island: Island) -> int:
    """What its constants take."""
    return sum(t.nbytes for t in (tensor(v) for n in island.nodes for v in n.inputs) if t is not None)
