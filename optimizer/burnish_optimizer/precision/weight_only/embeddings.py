"""Tables that Gather reads, in 8 bits with one scale a row: a quarter of the size.

Gather(table, ids) → Cast(Gather(codes, ids)) · Gather(scales, ids). Only the rows that are read are
turned into FP32. (A DequantizeLinear before the Gather would do that to the whole table in every request,
and one behind it has no way to take a scale a row below opset 21.)
"""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from burnish_optimizer.precision.place import Place
from burnish_optimizer.precision.weight_only.grid import Floats
from burnish_optimizer.precision.weight_only.plan import Plan
from burnish_optimizer.rewrite.values import attribute, node_of, op_key, rank, site_name, tensor
from burnish_optimizer.rewrite.walk import nodes_of

TOP = 127


def found(model: ir.Model, plan: Plan) -> list[ir.Value]:
    """Constant float32 tables [rows, width] that nothing but Gathers of whole rows take."""
    tables = {
        id(node.inputs[0]): node.inputs[0]
        for node in nodes_of(model.graph)
        if op_key(node) == "Gather" and node.inputs[0] is not None and _is_large(node.inputs[0], plan)
    }
    return [
        table for table in tables.values() if all(_takes(node, table, plan) for node in table.consumers())
    ]


def rows_of(table: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Codes int8 [rows, width] and scales float32 [rows, 1], symmetric."""
    furthest = np.abs(table).max(axis=1, keepdims=True)
    scales = np.where(furthest > 0, furthest / np.float32(TOP), np.float32(1)).astype(np.float32)
    return np.clip(np.rint(table / scales), -TOP, TOP).astype(np.int8), scales


def place(table: ir.Value, codes: ir.Value, scales: ir.Value, where: Place) -> None:
    """Let every Gather of the table read codes and scales."""
    for node in tuple(table.consumers()):
        ids = node.inputs[1]
        read = node_of("Gather", [codes, ids], {"axis": 0})
        numbers = node_of("Cast", [read.outputs[0]], {"to": int(ir.DataType.FLOAT)})
        row = node_of("Gather", [scales, ids], {"axis": 0})
        product = node_of("Mul", [numbers.outputs[0], row.outputs[0]])
        where.swap(node, [node], [read, numbers, row, product])


def _is_large(table: ir.Value, plan: Plan) -> bool:
    held = tensor(table)
    if held is None or held.dtype != ir.DataType.FLOAT or table.is_graph_output():
        return False
    return len(held.shape) == 2 and held.size >= plan.least_elements


def _takes(node: ir.Node, table: ir.Value, plan: Plan) -> bool:
    return (
        op_key(node) == "Gather"
        and node.inputs[0] is table
        and node.inputs[1] is not table
        and attribute(node, "axis", 0) in (0, -2)
        and rank(node.inputs[1]) is not None
        and not {node.name, site_name(node)} & plan.excluded
    )
