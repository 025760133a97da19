"""Old models taken in: a newer file format and operator set, with everything around the nodes kept.

Source: ONNX versioning, "IR versioning" and "Operator sets"; onnx.version_converter.
"""

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import _c_api_utils

from burnish_engine.errors import one_line
from burnish_optimizer.errors import Declined
from burnish_optimizer.passes.contract import Change, Scope
from burnish_optimizer.rewrite.shapes import INFERRED, told
from burnish_optimizer.rewrite.values import op_key
from burnish_optimizer.rewrite.walk import subgraphs

# GroupNormalization, Gelu and the axes inputs of all reductions are in opset 20 or before.
TARGET_OPSET = 20
# ONNX Runtime has another kernel for the AveragePool of opset 19, which adds in another order.
BEFORE_ANOTHER_KERNEL = {"AveragePool": 18}
# The converter has no steps from below it.
LEAST_OPSET = 7
# From IR 4 on, initializers need not be inputs; IR 9 is the first that opset 20 models are written with.
LEAST_IR = 9
REASON_CHARACTERS = 200


def raise_ir_version(model: ir.Model, scope: Scope) -> list[Change]:
    """The file format says how initializers are read, not what operators do.

    An initializer that is an input, too, is a default that callers may override: it stays both.
    """
    if model.ir_version >= LEAST_IR or "ir_version" in scope.excluded:
        return []
    model.ir_version = LEAST_IR
    return [Change("raise-ir-version", "ir_version")]


def upgrade(model: ir.Model, scope: Scope) -> list[Change]:
    """The same operators in opset 20, or in the last with the same kernels.

    Raises: Declined: the converter cannot, or would leave parts behind.
    """
    found, goal = model.opset_imports.get("", 0), goal_of(model)
    if found >= goal or "opset" in scope.excluded:
        return []
    before = [op_key(node) for node in model.graph]
    raise_to(model, goal)
    return [Change("raise-opset", "opset", tuple(before), tuple(op_key(node) for node in model.graph))]


def raise_to(model: ir.Model, goal: int) -> None:
    """The same operators in this opset, where the model's is older.

    Raises: Declined: the converter cannot, or would leave parts behind.
    """
    found = model.opset_imports.get("", 0)
    if found >= goal:
        return
    _check(model, found)
    signature = _signature(model.graph)
    try:
        proto, is_same = _c_api_utils.call_onnx_api(lambda m: _converted(m, goal), model)
    except Exception as error:
        message = one_line(error, REASON_CHARACTERS)
        raise Declined(f"opset {found} cannot be raised to {goal}: {message}") from error
    if is_same:
        _keep(model, proto, signature, goal)
    else:
        _adopt(model, ir.serde.deserialize_model(proto), signature, goal)


def _converted(proto: onnx.ModelProto, goal: int) -> tuple[onnx.ModelProto, bool]:
    """The model as the converter leaves it, and whether its nodes are what they were."""
    made = onnx.version_converter.convert_version(proto, goal)
    return made, bool(made.graph.node == proto.graph.node)


def _check(model: ir.Model, found: int) -> None:
    if found < LEAST_OPSET:
        raise Declined(f"opset {found} is below {LEAST_OPSET}, the oldest that the converter knows")
    if model.functions:
        raise Declined("functions of the model are written in its operator set")
    if any(True for node in model.graph for _ in subgraphs(node)):
        raise Declined("the converter leaves the bodies of If, Loop and Scan in the old operator set")


def goal_of(model: ir.Model) -> int:
    """The newest opset whose operators run by the same kernels as those of the old one."""
    return (
        min(BEFORE_ANOTHER_KERNEL.get(node.op_type, TARGET_OPSET) for node in model.graph)
        if len(model.graph)
        else 0
    )


Signature = dict[str | None, tuple[ir.TypeProtocol | None, ir.Shape | None]]


def _signature(graph: ir.Graph) -> Signature:
    return {value.name: (value.type, value.shape) for value in (*graph.inputs, *graph.outputs)}


def _keep(model: ir.Model, converted: onnx.ModelProto, signature: Signature, goal: int) -> None:
    """The nodes that the model has, with what the converter knows of their values: to read the same nodes
    takes long where there are many."""
    for value, kind, shape in told(model, converted):
        value.type, value.shape = kind, shape
    for value in (*model.graph.inputs, *model.graph.outputs):
        value.type, value.shape = signature[value.name]
    model.graph.meta.pop(INFERRED, None)
    model.opset_imports[""] = goal


def _adopt(model: ir.Model, converted: ir.Model, signature: Signature, goal: int) -> None:
    """The new nodes under the old inputs, outputs, constants and documentation."""
    old, new = model.graph, converted.graph
    inputs = {value.name: value for value in new.inputs}
    for name, value in old.initializers.items():
        _restore(new, inputs.get(name, new.initializers.get(name)), value)
    given = [v for v in new.inputs if v.name in {i.name for i in old.inputs}]
    new.inputs.clear()
    new.inputs.extend(given)
    if [v.name for v in (*new.inputs, *new.outputs)] != [v.name for v in (*old.inputs, *old.outputs)]:
        raise Declined("the converter changed the names of inputs or outputs")
    for value in (*new.inputs, *new.outputs):
        value.type, value.shape = signature[value.name]
    new.name, new.doc_string = old.name, old.doc_string
    new.metadata_props.update(old.metadata_props)
    opsets = {**old.opset_imports, "": goal}
    model.graph = new
    model.opset_imports.update(opsets)


def _restore(graph: ir.Graph, found: ir.Value | None, value: ir.Value) -> None:
    """An initializer with its content, whether the converter had it as an input or kept it."""
    if found is not None and value.const_value is not None:
        found.const_value, found.type, found.shape = value.const_value, value.type, value.shape
        graph.register_initializer(found)
