"""Operators that have no kernel of ours: ONNX's reference implementation, given FP64.

(Function bodies of schemas are not used: asking onnx 1.23 for one that depends on the inputs ends the process
for some operators.)
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import RuntimeContextError
from onnx.reference.ops._op_list import load_op

from burnish_optimizer.errors import NoTruth
from burnish_optimizer.reference.fp64_values import Call, DType, Wide

STANDARD = ("", "ai.onnx")
# Answers that no other run repeats.
RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)
# Dropout draws where it trains, which an input may tell.
DRAWING = RANDOM | {"Dropout"}
# The reference implementation loops over elements in Python: seconds for what kernels do in microseconds.
SLOW = frozenset({"Resize", "Upsample", "RoiAlign", "GridSample", "DeformConv", "MaxUnpool", "AffineGrid",
                  "NonMaxSuppression", "Col2Im", "LpPool", "MaxRoiPool", "LRN"})  # fmt: skip
SLOW_ELEMENTS = 100_000


@lru_cache(maxsize=4096)
def schema_of(op: str, version: int) -> onnx.defs.OpSchema | None:
    """The operator's definition at this opset; None where ONNX has none."""
    try:
        return onnx.defs.get_schema(op, version, "")
    except onnx.defs.SchemaError:
        return None


def node_proto(call: Call) -> onnx.NodeProto:
    """The node alone, with the attributes of its function put in."""
    proto = ir.serde.serialize_node(call.node)
    kept = [a for a in proto.attribute if not a.ref_attr_name]
    for name, attribute in call.node.attributes.items():
        found = call.resolve(attribute)
        if attribute.is_ref() and found is not None:
            kept.append(ir.serde.serialize_attribute(ir.Attr(name, found.type, found.value)))
    del proto.attribute[:]
    proto.attribute.extend(kept)
    return proto


def reference_kernel(call: Call) -> Sequence[Any]:
    """ONNX's own Python implementation, given FP64.

    Raises: NoTruth: there is none, it gives other answers each time, or takes too long or fails.
    """
    op = call.node.op_type
    if call.node.domain not in STANDARD:
        raise NoTruth(f"{call.node.domain}::{op}", "no definition of it")
    if op in RANDOM:
        raise NoTruth(op, "its answers are random")
    if op in SLOW and max(np.size(x) for x in call.data if x is not None) > SLOW_ELEMENTS:
        raise NoTruth(op, f"more than {SLOW_ELEMENTS:,} elements take too long")
    try:
        return _implementation(call).run(*call.data)  # type: ignore[no-any-return]
    except (ValueError, TypeError, RuntimeError, IndexError, AttributeError, AssertionError) as error:
        raise NoTruth(op, f"ONNX's reference implementation: {error}") from error


def _implementation(call: Call) -> Any:
    parameters: Mapping[str, Any] = {
        "log": lambda *_: None, "opsets": {"": call.version}, "verbose": 0, "new_ops": None,
        "evaluator_cls": ReferenceEvaluator,
    }  # fmt: skip
    try:
        made = load_op("", call.node.op_type, call.version, evaluator_cls=ReferenceEvaluator)
    except (NotImplementedError, RuntimeContextError) as error:
        raise NoTruth(call.node.op_type, "no reference implementation") from error
    return made(node_proto(call), parameters)


def output_types(call: Call) -> list[DType | None]:
    """What each output stands for, by the operator's type variables; None where no input binds them."""
    schema = schema_of(call.node.op_type, call.version) if call.node.domain in STANDARD else None
    if schema is None:
        return [None] * len(call.node.outputs)
    known: dict[str, DType] = {}
    for index, value in enumerate(call.inputs):
        formal = schema.inputs[min(index, len(schema.inputs) - 1)]
        if isinstance(value, Wide):
            known.setdefault(formal.type_str, value.dtype)
    last = len(schema.outputs) - 1
    return [known.get(schema.outputs[min(i, last)].type_str) for i in range(len(call.node.outputs))]
