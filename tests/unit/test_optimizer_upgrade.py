"""Old models taken in: newer format and operators, the same names, defaults and documentation."""

import onnx
import onnx_ir as ir
import pytest

from burnish_optimizer.errors import Declined
from burnish_optimizer.passes.cleanup import FOLDING, UPGRADE
from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.opset_upgrade import TARGET_OPSET, upgrade
from burnish_optimizer.targets.kernels import PORTABLE
from support.exact import check, operators, parse, rewritten


def old(opset=9, ir_version=4):
    body = """a = Clip<min = -1.0, max = 1.0>(x) b = Dropout<ratio = 0.5>(a) c = Unsqueeze<axes = [0]>(b)
      d = Squeeze<axes = [0]>(c) e = ReduceSum<axes = [1], keepdims = 1>(d) f = Softmax<axis = 1>(d)
      g = Add(e, f) y = Pad<pads = [0, 1, 0, 0]>(g)"""
    return parse("(float[N,3] x) => (float[N,4] y)", body, opset, ir_version)


def test_operators_of_an_old_set_become_those_of_the_new_one():
    proto = old()
    proto.graph.doc_string = "as it was"
    proto.metadata_props.add(key="author", value="someone")
    result, _ = check(proto, (*UPGRADE, *FOLDING), **operators(proto))
    assert result.opset_import[0].version == TARGET_OPSET
    assert result.graph.doc_string == "as it was"
    assert result.metadata_props[0].value == "someone"


def test_average_pooling_keeps_its_kernel():
    signature = "(float[1,2,6,6] x) => (float[1,2,3,3] y)"
    body = "y = AveragePool<kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 0, 0]>(x)"
    result, _ = check(parse(signature, body, 9, 4), UPGRADE, AveragePool=1)
    assert result.opset_import[0].version == 18


def test_weights_are_not_handed_to_the_converter():
    weights = ", ".join(["0.5"] * 600)
    proto = parse(
        f"(float[N,600] x) => (float[N,600] y) <float[600] w = {{{weights}}}>", "y = Mul(x, w)", 9, 4
    )
    result, _ = check(proto, UPGRADE, Mul=1)
    assert [(t.name, list(t.dims)) for t in result.graph.initializer] == [("w", [600])]
    assert [v.name for v in result.graph.input] == ["x"]


def test_defaults_stay_overridable_in_the_new_format():
    proto = parse(
        "(float[2] x, float[2] w) => (float[2] y) <float[2] w = {1, 2}>", "e = Exp(w) y = Add(x, e)", 9, 3
    )
    result, _, _ = rewritten(proto, (*UPGRADE, *FOLDING))
    assert result.ir_version >= 9
    assert [v.name for v in result.graph.input] == ["x", "w"]
    assert operators(result) == {"Exp": 1, "Add": 1}


REFUSED = {
    "too old": (parse("(float[N] x) => (float[N] y)", "y = Relu(x)", 6, 3), "below 7"),
    "bodies": (
        parse(
            "(float[N] x, bool c) => (float[N] y)",
            """y = If(c) <then_branch = t () => (float[N] p) { p = Neg(x) },
                          else_branch = e () => (float[N] q) { q = Abs(x) }>""",
            11,
            6,
        ),
        "bodies",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_raised_is_declined(name):
    proto, reason = REFUSED[name]
    with pytest.raises(Declined, match=reason):
        upgrade(ir.from_proto(proto), Scope(PORTABLE))


def test_what_is_new_enough_is_left_alone():
    model = ir.from_proto(parse("(float[N] x) => (float[N] y)", "y = Relu(x)", TARGET_OPSET))
    assert upgrade(model, Scope(PORTABLE)) == []


def test_functions_are_left_in_their_operator_set():
    text = """<ir_version: 8, opset_import: ["" : 15, "mine" : 1]>
      g (float[N] x) => (float[N] y) { y = mine.f(x) }
      <domain: "mine", opset_import: ["" : 15]> f (v) => (w) { w = Relu(v) }"""
    with pytest.raises(Declined, match="functions"):
        upgrade(ir.from_proto(onnx.parser.parse_model(text)), Scope(PORTABLE))


def test_nodes_that_stay_what_they_are_are_kept_with_what_the_converter_knows():
    proto = parse("(float[N,3] x) => (float[N,3] y)", "a = Add(x, x) b = Identity(a) y = Relu(b)", 17, 8)
    model = ir.from_proto(proto)
    nodes = tuple(model.graph)
    change = upgrade(model, Scope(PORTABLE))[0]
    assert tuple(model.graph) == nodes
    assert model.opset_imports[""] == TARGET_OPSET
    assert change.removed == change.added == ("Add", "Identity", "Relu")
    assert [str(node.outputs[0].shape) for node in nodes] == ["[N,3]"] * 3
    assert all(node.outputs[0].shape.frozen for node in nodes[:2])
