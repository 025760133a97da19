"""The shape of a model: same signature, one name a value, everything defined before it is used."""

from collections.abc import Iterable

import onnx_ir as ir

from burnish_optimizer.gates.equality import difference
from burnish_optimizer.gates.view import constant_of
from burnish_optimizer.rewrite.walk import subgraphs


def fault(before: ir.Model, after: ir.Model) -> str:
    """What is wrong with the structure of `after`; empty where nothing is."""
    signature = _signature_fault(before, after) or _constants_fault(before.graph, after.graph)
    return signature or _graph_fault(after.graph, set())


def _signature_fault(before: ir.Model, after: ir.Model) -> str:
    for what in ("inputs", "outputs"):
        old = [_told(v) for v in getattr(before.graph, what)]
        new = [_told(v) for v in getattr(after.graph, what)]
        if [n for n, _ in old] != [n for n, _ in new]:
            return f"{what} {[n for n, _ in new]} in the place of {[n for n, _ in old]}"
        moved = [f"{n}: {b} in the place of {a}" for (n, a), (_, b) in zip(old, new, strict=True) if a != b]
        if moved:
            return f"{what} of another type: {'; '.join(moved)}"
    return ""


def _constants_fault(before: ir.Graph, after: ir.Graph) -> str:
    """Values that inputs have by default, and constants that are outputs: no node tells of them."""
    for what in ("inputs", "outputs"):
        for old, new in zip(getattr(before, what), getattr(after, what), strict=True):
            if not _is_same(_constant(old), _constant(new)):
                return f"{what} of another value: {old.name}"
    return ""


def _constant(value: ir.Value) -> ir.TensorProtocol | None:
    maker = value.producer()
    return value.const_value if maker is None else constant_of(maker)


def _is_same(one: ir.TensorProtocol | None, other: ir.TensorProtocol | None) -> bool:
    """Whether both hold the same, where both hold anything."""
    if one is None or other is None or one is other:
        return True
    return one.dtype == other.dtype and difference(other.numpy(), one.numpy()) is None


def _told(value: ir.Value) -> tuple[str, str]:
    dims = None if value.shape is None else [str(d) for d in value.shape]
    return value.name or "", f"{value.type} {dims}"


def _graph_fault(graph: ir.Graph, outer: set[str]) -> str:
    known = set(outer)
    own = [v.name for v in graph.inputs] + [n for n in graph.initializers if n not in _names(graph.inputs)]
    for name in own:
        if name in known:
            return f"the name {name!r} stands for two values"
        known.add(name or "")
    for node in graph:
        for value in node.inputs:
            if value is not None and value.name not in known:
                return f"{node.op_type} {node.name!r} takes {value.name!r}, which is not made before it"
        for inner in subgraphs(node):
            said = _graph_fault(inner, known)
            if said:
                return said
        for value in node.outputs:
            if value.name and value.name in known:
                return f"the name {value.name!r} stands for two values"
            known.add(value.name or "")
    lost = [v.name for v in graph.outputs if v.name not in known]
    return f"output {lost[0]!r} is made by nothing" if lost else ""


def _names(values: Iterable[ir.Value]) -> set[str]:
    return {v.name or "" for v in values}
