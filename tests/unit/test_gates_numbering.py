"""Value numbers: what is the same by its structure is proved, and nothing else is."""

import onnx
import onnx_ir as ir
import pytest

from burnish_optimizer.gates import cut as cuts
from burnish_optimizer.gates.cut import Cut
from burnish_optimizer.gates.diff import regions
from burnish_optimizer.gates.numbering import same_by_structure
from burnish_optimizer.gates.view import view

XY = "(float[N,4] x) => (float[N,4] y)"


def proved(before, after, signature=XY, weights="", opsets=(20, 20)):
    """Whether every region that differs is the same by structure (there must be one)."""
    views = [
        view(ir.from_proto(onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : {opset}]> '
                                                   f"g {signature} {weights} {{ {body} }}")))
        for body, opset in zip((before, after), opsets, strict=True)
    ]  # fmt: skip
    found = [cuts.balanced(Cut(region), *views) for region in regions(*views) if region.outputs]
    assert found
    return all(same_by_structure(cut, *views, {}) for cut in found)


IF = (
    "c = Constant<value = bool {1}>() y = If(c) <then_branch = t () => (float[N,4] a) { %s }, "
    "else_branch = e () => (float[N,4] b) { b = Neg(x) }>"
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("i = Identity(x) y = Relu(i)", "y = Relu(x)"),
        ("i = Identity(x) j = Identity(i) a = Relu(j) y = Add(a, j)", "a = Relu(x) y = Add(a, x)"),
        ("a = Relu(x) b = Relu(x) y = Add(a, b)", "a = Relu(x) y = Add(a, a)"),
        ("a = Relu(x) b = Identity(a) y = Neg(b)", "b = Relu(x) y = Neg(b)"),
        (IF % "i = Identity(x) a = Relu(i)", IF % "a = Relu(x)"),
        (IF % "d = Exp(x) a = Relu(x)", IF % "a = Relu(x)"),
    ],
)
def test_identities_duplicates_renamed_and_dead_values_are_proved(before, after):
    assert proved(before, after)


def test_where_a_constant_stands_does_not_matter():
    node = "k = Constant<value = float[4] {1, 2, 3, 4}>() y = Add(x, k)"
    assert proved(f"i = Identity(x) {node.replace('(x, k)', '(i, k)')}", "y = Add(x, w)", XY,
                  "<float[4] w = {1, 2, 3, 4}>")  # fmt: skip
    assert not proved(node, "y = Add(x, w)", XY, "<float[4] w = {1, 2, 3, 5}>")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a = Relu(x) y = Neg(a)", "y = Neg(x)"),
        ("y = Sub(x, x)", "a = Neg(x) y = Sub(x, a)"),
        ("a = Relu(x) y = Sub(a, x)", "a = Relu(x) y = Sub(x, a)"),
        ("y = LeakyRelu<alpha = 0.1>(x)", "y = LeakyRelu<alpha = 0.2>(x)"),
        ("y = LeakyRelu<alpha = 0.1>(x)", "y = LeakyRelu(x)"),
        (IF % "a = Relu(x)", IF % "a = Exp(x)"),
        (IF % "a = Relu(x)", (IF % "a = Relu(x)").replace("Neg", "Relu")),
    ],
)
def test_another_operator_operand_or_attribute_is_not_proved(before, after):
    assert not proved(before, after)


def test_two_nodes_that_draw_are_not_one():
    signature = "(float[4] x) => (float[4] y)"
    before = "a = RandomNormalLike(x) b = RandomNormalLike(x) y = Sub(a, b)"
    assert not proved(before, "a = RandomNormalLike(x) y = Sub(a, a)", signature)


def test_what_may_draw_is_told_apart_by_its_name_in_bodies_too():
    signature = "(float[N,4] x, bool t) => (float[N,4] y)"
    rate = "r = Constant<value = float {0.5}>()"
    both = f"{rate} a = Dropout(x, r, t) b = Dropout(x, r, t) y = Sub(a, b)"
    assert not proved(both, f"{rate} a = Dropout(x, r, t) y = Sub(a, a)", signature)
    assert proved(f"{rate} i = Identity(x) y = Dropout(i, r, t)", f"{rate} y = Dropout(x, r, t)", signature)
    drawn = "%s = If(t) <then_branch = q () => (float[N,4] u) { u = RandomNormalLike(x) }, "
    drawn += "else_branch = w () => (float[N,4] v) { v = Neg(x) }>"
    assert not proved(f"{drawn % 'a'} {drawn % 'b'} y = Sub(a, b)", f"{drawn % 'a'} y = Sub(a, a)", signature)


def called(inner):
    """A model that calls a function, which calls another."""
    text = f'<ir_version: 9, opset_import: ["" : 20, "own" : 1]> g {XY} {{ a = Relu(x) y = own.f(a) }}'
    text += '<domain: "own", opset_import: ["" : 20, "own" : 1]> f (x) => (y) { z = own.h(x) y = Neg(z) }'
    text += f'<domain: "own", opset_import: ["" : 20]> h (x) => (y) {{ y = {inner}(x) }}'
    return view(ir.from_proto(onnx.parser.parse_model(text)))


def test_a_call_of_a_function_that_does_something_else_has_changed():
    assert regions(called("Exp"), called("Exp")) == ()
    (region,) = regions(called("Exp"), called("Neg"))
    assert region.outputs == ("y",)


def test_arguments_of_bodies_are_told_apart_by_place():
    loop = (
        "n = Constant<value = int64 {3}>() t = Constant<value = bool {1}>() p, y = Loop(n, t, x, x) "
        "<body = b (int64 i, bool c, float[N,4] u, float[N,4] v) => (bool d, float[N,4] r, float[N,4] s) "
        "{ d = Identity(c) r = Neg(%s) s = Exp(%s) }>"
    )
    assert proved(loop % ("u", "v"), (loop % ("w", "v")).replace("r = Neg", "w = Identity(u) r = Neg"))
    assert not proved(loop % ("u", "v"), loop % ("v", "u"))


def test_an_operator_that_another_set_defines_anew_is_not_proved_by_its_name():
    views = [
        view(ir.from_proto(onnx.parser.parse_model(
            f'<ir_version: 8, opset_import: ["" : {opset}]> g {XY} {{ y = Softmax<axis = 1>(x) }}')))
        for opset in (12, 13)
    ]  # fmt: skip
    (region,) = regions(*views)
    assert region.twin


def test_an_operator_that_both_sets_define_alike_has_not_changed():
    views = [
        view(ir.from_proto(onnx.parser.parse_model(
            f'<ir_version: 8, opset_import: ["" : {opset}]> g {XY} {{ y = Relu(x) }}')))
        for opset in (14, 17)
    ]  # fmt: skip
    assert regions(*views) == ()
