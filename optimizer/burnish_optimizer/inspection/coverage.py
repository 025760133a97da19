"""Which nodes a target has kernels for, by op type and element type. Pure."""

from collections import Counter
from collections.abc import Mapping

import onnx
import onnx_ir as ir

from burnish_optimizer.inspection.records import Coverage
from burnish_optimizer.rewrite.values import STANDARD, dtype, kernel_type, op_key
from burnish_optimizer.rewrite.walk import model_nodes
from burnish_optimizer.targets.kernels import BY_CONVENTION, DATA_CONSTRAINTS, RewriteTarget


def coverage(model: ir.Model, targets: Mapping[str, RewriteTarget]) -> dict[str, Coverage]:
    """Every target, with the nodes that it has no kernel for."""
    nodes = list(model_nodes(model))
    return {name: _of_target(model, nodes, target) for name, target in targets.items()}


def _of_target(model: ir.Model, nodes: list[ir.Node], target: RewriteTarget) -> Coverage:
    missing: Counter[str] = Counter()
    composed: Counter[str] = Counter()
    for node in nodes:
        kind = data_type(node, model.opset_imports)
        word, opset = kernel_type(kind) if kind else "", _opset(node, model.opset_imports)
        if op_key(node) == "Constant" or target.has_kernel(node.domain, node.op_type, word, opset):
            continue
        is_composed = node.domain in STANDARD and _has_body(node, opset)
        (composed if is_composed else missing)[f"{op_key(node)} ({word or 'type not known'})"] += 1
    covered = len(nodes) - missing.total() - composed.total()
    return Coverage(
        covered=covered, composed=dict(composed.most_common()), missing=dict(missing.most_common())
    )


def data_type(node: ir.Node, opsets: Mapping[str, int]) -> ir.DataType | None:
    """The element type that decides on the kernel: of what the schema types with T, T1 or V."""
    values = [*zip(node.inputs, _names(node, opsets, "inputs"), strict=False)]
    values += zip(node.outputs, _names(node, opsets, "outputs"), strict=False)
    typed = {kind: known for value, kind in reversed(values) if (known := dtype(value)) is not None}
    names = DATA_CONSTRAINTS.get(node.op_type, BY_CONVENTION)
    found = next((typed[name] for name in names if name in typed), None)
    # An operator whose schema ONNX does not have: by convention its data come first.
    return found or next((kind for v in (*node.inputs, *node.outputs) if (kind := dtype(v))), None)


def _opset(node: ir.Node, opsets: Mapping[str, int]) -> int:
    return opsets.get("" if node.domain in STANDARD else node.domain, 0)


def _has_body(node: ir.Node, opset: int) -> bool:
    """Whether the standard defines the operator as a function of others."""
    try:
        schema = onnx.defs.get_schema(node.op_type, opset or onnx.defs.onnx_opset_version())
    except onnx.defs.SchemaError:
        return False
    # The type stubs of onnx do not know these.
    return any(getattr(schema, name) for name in ("has_function", "has_context_dependent_function"))


def _names(node: ir.Node, opsets: Mapping[str, int], side: str) -> list[str]:
    """The type variables of a schema's inputs or outputs; the last one stands for all of a variadic list."""
    domain = "" if node.domain in STANDARD else node.domain
    try:
        schema = onnx.defs.get_schema(node.op_type, opsets.get(domain, 1), domain)
    except onnx.defs.SchemaError:
        return []
    names = [parameter.type_str for parameter in getattr(schema, side)]
    return names + names[-1:] * len(getattr(node, side))
