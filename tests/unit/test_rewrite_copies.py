"""Copies are the model, and share nothing that a pass may change; order is mended only where it is broken."""

import numpy as np
import onnx_ir as ir

from burnish_optimizer.rewrite.copies import copy_of, put_in_order
from burnish_optimizer.rewrite.renamed import at_hand
from burnish_optimizer.rewrite.walk import model_nodes

TEXT = """
<ir_version: 9, opset_import: ["" : 20, "com.microsoft" : 1]>
model (float[N, 4] x, bool c) => (float[N, 4] y) <float[4] w = {1, 2, 3, 4}> {
    a = Add(x, w)
    y = If (c) <
        then_branch = then () => (float[N, 4] t) <float s = {2}> { t = Mul(a, s) },
        else_branch = other () => (float[N, 4] e) { b = Neg(a) e = Relu(b) }
    >
}
"""


def _model() -> ir.Model:
    model = ir.from_onnx_text(TEXT)
    model.metadata_props["told"] = "model"
    model.graph.meta["known"] = True
    next(iter(model.graph)).metadata_props["told"] = "node"
    return model


def _bytes(model: ir.Model) -> bytes:
    return ir.serde.serialize_model(model).SerializeToString(deterministic=True)


def test_a_copy_is_the_model() -> None:
    model = _model()
    copy = copy_of(model)
    assert _bytes(copy) == _bytes(model) == _bytes(model.clone())
    assert copy.graph.meta["known"] is True


def test_a_copy_can_be_changed_alone() -> None:
    model = _model()
    before = _bytes(model)
    copy = copy_of(model)
    for node in model_nodes(copy):
        node.metadata_props["told"] = "copy"
        node.outputs[0].name = f"{node.outputs[0].name}/copy"
        node.outputs[0].shape = None
    assert _bytes(model) == before
    theirs = {id(v) for node in model_nodes(model) for v in (*node.inputs, *node.outputs)}
    assert not theirs & {id(v) for node in model_nodes(copy) for v in (*node.inputs, *node.outputs)}


def test_functions_are_copied_too() -> None:
    model = ir.from_onnx_text("""
<ir_version: 9, opset_import: ["" : 20, "local" : 1]>
model (float[4] x) => (float[4] y) { y = local.f(x) }
<domain: "local", opset_import: ["" : 20]>
f (a) => (b) { b = Relu(a) }
""")
    assert _bytes(copy_of(model)) == _bytes(model)


def test_order_is_mended_where_it_is_broken() -> None:
    model = _model()
    first = next(iter(model.graph))
    before = _bytes(model)
    put_in_order(model)
    assert _bytes(model) == before
    model.graph.remove(first)
    model.graph.append(first)  # after the If, whose bodies take it
    put_in_order(model)
    assert _bytes(model) == before


def test_a_tensor_at_hand_is_the_same() -> None:
    held = ir.serde.deserialize_tensor(ir.serde.serialize_tensor(ir.tensor(np.float32([1, 2]), name="w")))
    found = at_hand(held)
    assert (found.name, found.dtype, found.shape, found.tobytes()) == (
        "w",
        held.dtype,
        held.shape,
        held.tobytes(),
    )
    assert at_hand(found) is found
