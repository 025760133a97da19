"""Inner values: captured at once where they are small, from smaller inputs where those declared are large."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from burnish_engine.report import Guarantee
from burnish_optimizer.gates import capture
from burnish_optimizer.gates.capture import Captures
from burnish_optimizer.gates.miniature import alike, miniature, without_sizes
from support.rewrite_nets import counted_runs, judge_of


def parsed(signature, body, opset=17):
    text = f'<ir_version: 8, opset_import: ["" : {opset}]> g {signature} {{ {body} }}'
    return ir.from_proto(onnx.parser.parse_model(text))


def proto_of(signature, body):
    return ir.serde.serialize_model(parsed(signature, body))


FIXED = "(float[1,3,224,160] x) => (float[1,3,P,Q] y)"
POOLED = "a = Relu(x) y = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(a)"


def image(*shape):
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def test_a_network_for_large_images_runs_on_small_ones():
    small = miniature(proto_of(FIXED, POOLED), {"x": image(1, 3, 224, 160)})
    assert small is not None
    assert small.feeds["x"].shape == (1, 3, 96, 96)


@pytest.mark.parametrize(
    ("declared", "small"), [(800, 96), (608, 96), (224, 96), (640, 128), (300, 108), (299, 107), (80, 80)]
)
def test_a_small_side_is_odd_wherever_the_declared_one_is(declared, small):
    assert alike(declared) == small
    assert [-(-declared // 2**n) % 2 for n in range(6)] == [-(-small // 2**n) % 2 for n in range(6)]


def test_no_miniature_where_inputs_are_small_or_sizes_are_part_of_the_model():
    assert miniature(proto_of(FIXED, POOLED), {"x": image(1, 3, 8, 8)}) is None
    sized = "n = Constant<value = int64[2] {1, 107520}>() a = Relu(x) y = Reshape(a, n)"
    fixed = parsed("(float[1,3,224,160] x) => (float[1,107520] y)", sized)
    assert miniature(ir.serde.serialize_model(fixed), {"x": image(1, 3, 224, 160)}) is None


def test_a_model_without_sizes_declares_none():
    proto = without_sizes(ir.serde.serialize_model(parsed(FIXED, POOLED)))
    dims = proto.graph.input[0].type.tensor_type.shape.dim
    assert [d.HasField("dim_value") or d.HasField("dim_param") for d in dims] == [False] * 4


def test_all_inner_values_come_from_one_run_where_they_are_small():
    model = parsed("(float[N,4] x) => (float[N,4] y)", "a = Relu(x) b = Neg(a) y = Exp(b)")
    with counted_runs() as runs:
        captures = Captures(ir.serde.serialize_model(model), lambda: [{"x": image(2, 4)}], None, 1)
        for name in ("a", "b", "a"):
            assert captures.values(model, {name})[0][name].shape == (2, 4)
    assert len(runs) == 2, "one for their sizes, one for the values"


def test_large_values_are_captured_when_they_are_wanted_on_the_first_probe_alone(monkeypatch):
    monkeypatch.setattr(capture, "ALL_BYTES", 8)
    model = parsed("(float[N,4] x) => (float[N,4] y)", "a = Relu(x) b = Neg(a) y = Exp(b)")
    captures = Captures(
        ir.serde.serialize_model(model), lambda: [{"x": image(2, 4)}, {"x": image(3, 4)}], None, 1
    )
    assert [v["a"].shape for v in captures.values(model, {"a"})] == [(2, 4)]


def test_a_name_that_went_and_came_back_is_the_new_models():
    before = parsed("(float[N,4] x) => (float[N,4] y)", "a = Relu(x) y = Exp(a)")
    after = parsed("(float[N,4] x) => (float[N,4] y)", "a = Neg(x) y = Exp(a)")
    x = image(2, 4)
    captures = Captures(ir.serde.serialize_model(before), lambda: [{"x": x}], None, 1)
    captures.values(before, {"a"})
    captures.forget({"x", "y"})
    np.testing.assert_array_equal(captures.values(after, {"a"})[0]["a"], -x)


WIDE = "(float[1,3,128,128] x) => (float[1,3,128,128] y)"


def judge_with_miniature(model):
    feeds = {"x": image(1, 3, 128, 128)}
    small = miniature(ir.serde.serialize_model(model), feeds)
    return judge_of(model, [feeds], small.feeds if small else None)


@pytest.mark.parametrize(("width", "holds"), [(128, True), (64, False)])
def test_what_fails_on_small_values_is_tried_at_the_declared_size(width, holds):
    """Slice to 128 is nothing at 128 × 128: on 96 × 96 it would prove nothing, in either direction."""
    cut = f"e = Constant<value = int64[1] {{{width}}}>() s = Constant<value = int64[1] {{0}}>() "
    cut += "k = Constant<value = int64[1] {3}>() a = Relu(x) y = Slice(a, s, e, k)"
    signature = (
        WIDE if width == 128 else WIDE.replace("(float[1,3,128,128] y)", f"(float[1,3,128,{width}] y)")
    )
    judge = judge_with_miniature(parsed(signature, cut))
    verdict = judge.judge(parsed(signature, cut), parsed(signature, "y = Relu(x)"), Guarantee.EXACT)
    assert verdict.passed is holds


def test_constants_folded_for_the_declared_size_hold_there():
    before = "n = Shape(x) f = Cast<to = 1>(n) s = ReduceSum<keepdims = 0>(f) y = Mul(x, s)"
    after = "s = Constant<value = float {260.0}>() y = Mul(x, s)"
    judge = judge_with_miniature(parsed(WIDE, before))
    assert len(judge.evidence.captures) == 2
    assert judge.judge(parsed(WIDE, before), parsed(WIDE, after), Guarantee.EXACT).passed
    wrong = after.replace("260", "228")  # 1 + 3 + 96 + 128: of no size that is tried
    assert not judge.judge(parsed(WIDE, before), parsed(WIDE, wrong), Guarantee.EXACT).passed


def test_a_source_that_answers_at_once_is_not_asked_for_sizes_first():
    model = parsed("(float[N,4] x) => (float[N,4] y)", "a = Relu(x) b = Neg(a) y = Exp(b)")
    with counted_runs() as runs:
        captures = Captures(
            ir.serde.serialize_model(model), lambda: [{"x": image(2, 4)}], None, 1, is_quick=True
        )
        assert captures.values(model, {"b"})[0]["b"].shape == (2, 4)
    assert len(runs) == 1


def test_what_a_model_computed_that_was_taken_back_is_forgotten():
    signature = "(float[N,4] x) => (float[N,4] y)"
    one, without, other = (
        parsed(signature, body)
        for body in ("n = Relu(x) y = Exp(n)", "m = Neg(x) y = Exp(m)", "n = Neg(x) y = Exp(n)")
    )
    x = image(2, 4)
    judge = judge_of(one, [{"x": x}])
    judge.accept(without)
    judge.accept(other)
    assert np.array_equal(judge.evidence.captures[0].values(other, {"n"})[0]["n"], -x)
    judge.take_back(one)
    assert np.array_equal(judge.evidence.captures[0].values(one, {"n"})[0]["n"], np.maximum(x, 0))
