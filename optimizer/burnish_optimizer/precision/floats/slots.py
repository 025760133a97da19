"""Where a node's element type may change: told by ONNX's own schemas, not by a list. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx
import onnx_ir as ir

from burnish_optimizer.rewrite.values import STANDARD, attribute, dtype, op_key
from burnish_optimizer.rewrite.walk import subgraphs

Formals = Sequence[onnx.defs.OpSchema.FormalParameter]
# Their scales and zeros belong to codes that are fixed.
QUANTIZERS = frozenset({"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"})
# Their element type is told by an attribute or by the constant within.
BY_ATTRIBUTE = frozenset({"Cast", "ConstantOfShape"})


@dataclass(frozen=True)
class Slots:
    """Inputs and outputs of a node, by index, that are FLOAT and may be narrower, all at once."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def values(self, node: ir.Node) -> list[ir.Value]:
        """The values there."""
        given = [node.inputs[i] for i in self.inputs]
        return [v for v in (*given, *(node.outputs[o] for o in self.outputs)) if v is not None]


def slots(node: ir.Node, kind: ir.DataType, opsets: Mapping[str, int]) -> Slots | str:
    """What of a node may be `kind`; or why nothing may."""
    if op_key(node) in QUANTIZERS:
        return "it belongs to a quantization"
    if any(True for _ in subgraphs(node)):
        return "it holds graphs, which keep their signatures"
    values = [v for v in (*node.inputs, *node.outputs) if v is not None]
    if any(not _is_told(value) for value in values):
        return "the type of a value is not known"
    schema = _schema(node, opsets)
    if schema is None:
        return "its operator has no schema"
    allowed = {c.type_param_str for c in schema.type_constraints if _word(kind) in c.allowed_type_strs}
    inputs = _of(node.inputs, schema.inputs, allowed)
    outputs = _of(node.outputs, schema.outputs, allowed)
    if op_key(node) not in BY_ATTRIBUTE:
        bound = {_formal(schema.inputs, index).type_str for index in inputs}
        outputs = tuple(o for o in outputs if _formal(schema.outputs, o).type_str in bound)
    elif op_key(node) == "Cast" and attribute(node, "to") != ir.DataType.FLOAT:
        outputs = ()
    if not inputs and not outputs:
        return f"none of its types may be {kind.name}"
    return Slots(inputs, outputs)


def _of(values: Sequence[ir.Value | None], formals: Formals, allowed: set[str]) -> tuple[int, ...]:
    return tuple(
        index
        for index, value in enumerate(values)
        if value is not None
        and dtype(value) == ir.DataType.FLOAT
        and _formal(formals, index).type_str in allowed
    )


def _formal(formals: Formals, index: int) -> onnx.defs.OpSchema.FormalParameter:
    """The last one may stand for many."""
    return formals[min(index, len(formals) - 1)]


def _is_told(value: ir.Value) -> bool:
    """A tensor whose element type is known. (An output that is left out has no name.)"""
    if not value.name:
        return True
    return dtype(value) is not None and (value.type is None or isinstance(value.type, ir.TensorType))


def _schema(node: ir.Node, opsets: Mapping[str, int]) -> onnx.defs.OpSchema | None:
    if node.domain not in STANDARD:
        return None
    try:
        return onnx.defs.get_schema(node.op_type, opsets.get("", 0), "")
    except onnx.defs.SchemaError:
        return None


def _word(kind: ir.DataType) -> str:
    return f"tensor({kind.name.lower()})"
