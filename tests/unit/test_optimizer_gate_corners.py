"""Corners of the gate that wrong passes and random graphs have shown."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.gates.narrowing import narrowed
from burnish_optimizer.gates.probes import region_variations, search_probes
from burnish_optimizer.gates.rounding import disagreement
from burnish_optimizer.gates.view import view
from burnish_optimizer.passes.pipeline import rewrite
from burnish_optimizer.reference.fp64 import evaluate
from burnish_optimizer.targets.kernels import PORTABLE


def parsed(signature, body):
    text = f'<ir_version: 10, opset_import: ["" : 20]> g {signature} {{ {body} }}'
    return ir.from_proto(onnx.parser.parse_model(text))


def nodes(body, signature="(float[N,4] x) => (float[N,4] y)"):
    return list(view(parsed(signature, body)).nodes.values())


NARROW = "h = Cast<to = 10>(x) s = Mul(h, h) y = Cast<to = 1>(s)"
PLAIN = "y = Mul(x, x)"


def test_a_narrower_type_on_the_way_is_named():
    assert "FLOAT16" in narrowed(nodes(PLAIN), nodes(NARROW), ())


@pytest.mark.parametrize(
    ("before", "after"),
    [(NARROW, NARROW), (NARROW, PLAIN), (PLAIN, "d = Cast<to = 11>(x) s = Mul(d, d) y = Cast<to = 1>(s)")],
)
def test_what_the_source_has_and_what_is_wider_is_allowed(before, after):
    assert narrowed(nodes(before), nodes(after), ()) == ""


def test_types_that_the_graph_does_not_tell_come_from_what_is_fed():
    untyped = parsed("(float[N,4] x) => (float[N,4] y)", PLAIN)
    for value in (*untyped.graph.inputs, *untyped.graph.outputs):
        value.type = None
    plain = list(untyped.graph)
    assert narrowed(plain, nodes(NARROW), ()) == ""
    assert "FLOAT16" in narrowed(plain, nodes(NARROW), (ir.DataType.FLOAT,))
    assert narrowed(plain, nodes(NARROW), (ir.DataType.FLOAT16,)) == ""


@pytest.mark.parametrize("size", [10, 1000])
@pytest.mark.filterwarnings("ignore:overflow")
def test_squares_that_overflow_are_tried_in_small_regions_too(size):
    captured = {"x": np.linspace(-1, 1, size, dtype=np.float32)}
    varied = dict(region_variations(captured, {"x": ir.DataType.FLOAT}))
    largest = np.abs(varied["squares that overflow"]["x"]).max()
    assert np.isfinite(largest * np.float32(1000))
    assert np.isinf(np.square(largest, dtype=np.float32))


def probes_of(signature, body):
    model = parsed(signature, body)
    return search_probes(model, lambda feeds: feeds).probes


def test_integers_that_are_only_numbers_reach_the_range_of_their_type():
    probes = probes_of("(int64[N,5] x) => (int64[N,5] y)", "y = Abs(x)")
    assert max(int(np.abs(p.feeds["x"]).max(initial=0)) for p in probes) > 1 << 40


def test_integers_that_could_be_sizes_stay_small():
    probes = probes_of("(int64[3] x) => (int64[3] y)", "y = Abs(x)")
    assert max(int(np.abs(p.feeds["x"]).max(initial=0)) for p in probes) < 100


NORM = """
    m = ReduceMean(x, axes) d = Sub(x, m) q = Mul(d, d) v = ReduceMean(q, axes)
    r = Sqrt(v) n = Div(d, r) y = Add(n, one)
"""


def test_other_code_may_fail_where_the_original_overflows_on_the_way():
    """d² is beyond float32, d / Inf is 0, and the answer looks fine: no fused kernel has to copy that."""
    model = parsed("(float[N,4] x) => (float[N,4] y) <int64[1] axes = {-1}, float one = {1}>", NORM)
    feeds = {"x": np.array([[1e30, 1, 2, 3], [1, 2, 3, 5]], np.float32)}
    truth = evaluate(model, feeds)["y"]
    assert truth.overflown
    source = truth.value.astype(np.float32)
    fused = source.copy()
    fused[0, 1] = np.nan
    assert disagreement(fused, source, truth) is None
    wrong = source.copy()
    wrong[1] += 0.01
    assert disagreement(wrong, source, truth) is not None


def test_no_code_may_overflow_where_the_original_does_not():
    model = parsed("(float[N,4] x) => (float[N,4] y)", "y = Abs(x)")
    feeds = {"x": np.array([[1e30, -1, 2, 3]], np.float32)}
    truth = evaluate(model, feeds)["y"]
    assert disagreement(np.array([[np.inf, 1, 2, 3]], np.float32), np.abs(feeds["x"]), truth) is not None


# Two changed regions where one takes what the other one's makers make: together they need less than alone.
TANGLED = """
    v2 = Mul(x, x)
    f = Constant<value = bool {0}>()
    a = If (f) <then_branch = t () => (float[N,4] b) { b = Neg(v2) },
                else_branch = e () => (float[N,4] c) { c = Neg(x) }>
    g = Constant<value = bool {1}>()
    y = If (g) <then_branch = u () => (float[N,4] k) { k = Add(v2, a) },
                else_branch = w () => (float[N,4] l) { l = Neg(v2) }>
"""


def test_regions_that_share_makers_are_cut_together():
    done = rewrite(parsed("(float[N,4] x) => (float[N,4] y, float[N,4] a)", TANGLED), PORTABLE)
    assert not any("KeyError" in report.reason for report in done.passes)
    assert not any(node.op_type == "If" for node in done.model.graph)


ILL = f"{NORM} w = Sin(n) z = MatMul(w, k)"


def test_an_ill_conditioned_model_keeps_what_rounding_explains():
    """LayerNorm of almost equal numbers: rounding moves it far, and FP64 knows how far."""
    constants = "<int64[1] axes = {-1}, float one = {1}, float[4,1] k = {1, -2, 3, -4}>"
    done = rewrite(parsed(f"(float[N,4] x) => (float[N,1] z, float[N,4] y) {constants}", ILL), PORTABLE)
    assert not done.unproven
    assert not any("the whole model failed" in report.reason for report in done.passes)


@pytest.mark.parametrize("counted", [0, 1])
def test_pads_of_an_average_are_told_from_what_is_not_a_number(counted):
    body = f"y = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = {counted}>(x)"
    model = parsed("(float[N,1,4,4] x) => (float[N,1,4,4] y)", body)
    x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    x[0, 0, 0, 0] = np.nan
    source = Executable(ir.to_proto(model)).run({"x": x})["y"]
    truth = evaluate(model, {"x": x})["y"]
    assert np.isnan(truth.value).sum() == 4
    assert disagreement(source, source, truth) is None
    assert np.allclose(truth.value, source, equal_nan=True)
