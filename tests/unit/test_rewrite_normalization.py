"""Normalizations and reductions written out in parts, and what only looks like them."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from burnish_optimizer.passes.fusion import FUSION, FUSION_CONTRIB
from burnish_optimizer.targets.kernels import PORTABLE
from support.fusion import assert_close, assert_same_bytes, fuse, model_of, random_feeds

RNG = np.random.default_rng(3)
HEAD = "(float[2,3,8] x) => (float[2,3,8] y)"
SCALE = {"g": RNG.normal(size=8).astype(np.float32), "b": RNG.normal(size=8).astype(np.float32)}
NUMBERS = {"eps": 1e-5, "two": 2.0, "one": 1.0}
PLAIN = (0.1, 1.0, 30.0)  # below, the variance is nothing beside epsilon: differences of equal numbers
MEAN = "m = ReduceMean<axes = [-1]>(x) d = Sub(x, m) "
DEEP = "v = ReduceMean<axes = [-1]>(q) e = Add(v, eps) s = Sqrt(e) "

LAYERS = {
    "square by Pow": "{" + MEAN + "q = Pow(d, two) " + DEEP + "n = Div(d, s) w = Mul(n, g) y = Add(w, b)}",
    "square by Mul": "{" + MEAN + "q = Mul(d, d) " + DEEP + "n = Div(d, s) w = Mul(g, n) y = Add(b, w)}",
    "by the reciprocal": "{"
    + MEAN
    + "q = Mul(d, d) "
    + DEEP
    + "r = Reciprocal(s) n = Mul(d, r) w = Mul(g, n) y = Add(w, b)}",
    "one over the root": "{"
    + MEAN
    + "q = Mul(d, d) "
    + DEEP
    + "r = Div(one, s) n = Mul(r, d) w = Mul(n, g) y = Add(w, b)}",
    "mean of squares": "{m = ReduceMean<axes = [2]>(x) p = Mul(x, x) q = ReduceMean<axes = [2]>(p)"
    ""
    " o = Mul(m, m) v = Sub(q, o) e = Add(v, eps) s = Sqrt(e) d = Sub(x, m)"
    " n = Div(d, s) w = Mul(n, g) y = Add(w, b)}",
    "the difference twice": "{"
    + MEAN
    + "d2 = Sub(x, m) q = Pow(d2, two) "
    + DEEP
    + "n = Div(d, s) w = Mul(n, g) y = Add(w, b)}",
}
NOT: dict[str, tuple[str, dict[str, Any]]] = {
    "no epsilon": (
        "{" + MEAN + "q = Mul(d, d) v = ReduceMean<axes = [-1]>(q) s = Sqrt(v) y = Div(d, s)}",
        {},
    ),
    "epsilon by element": (
        "{" + MEAN + "q = Mul(d, d) " + DEEP + "y = Div(d, s)}",
        {"eps": np.array([[[1e-5], [1e-3], [1e-5]]], np.float32)},
    ),
    "variance of other axes": (
        "{"
        + MEAN
        + "q = Mul(d, d) v = ReduceMean<axes = [1,2]>(q) e = Add(v, eps) s = Sqrt(e) y = Div(d, s)}",
        {},
    ),
    "not the last axes": (
        "{m = ReduceMean<axes = [1]>(x) d = Sub(x, m) q = Mul(d, d) v = ReduceMean<axes = [1]>(q)"
        " e = Add(v, eps) s = Sqrt(e) y = Div(d, s)}",
        {},
    ),
    "cubes": ("{" + MEAN + "q = Pow(d, two) " + DEEP + "y = Div(d, s)}", {"two": 3.0}),
    "variance of something else": ("{" + MEAN + "q = Mul(x, d) " + DEEP + "y = Div(d, s)}", {}),
    "mean less x": (
        "{m = ReduceMean<axes = [-1]>(x) d = Sub(m, x) q = Mul(d, d) " + DEEP + "y = Div(d, s)}",
        {},
    ),
    "a root that others need": ("{" + MEAN + "q = Mul(d, d) " + DEEP + "n = Div(d, s) y = Add(n, s)}", {}),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_norm_in_every_form(name: str) -> None:
    found = fuse(model_of(HEAD + LAYERS[name], {**NUMBERS, **SCALE}), FUSION, PORTABLE)
    assert found.ops == Counter(["LayerNormalization"])
    assert len(found.after.graph.node[0].input) == 3
    rtol = 1e-3 if name == "mean of squares" else 2e-5  # E[x²] - E[x]² cancels
    assert_close(found, rtol, magnitudes=PLAIN)


def test_layer_norm_over_several_axes() -> None:
    graph = (
        "{m = ReduceMean<axes = [1,2]>(x) d = Sub(x, m) q = Mul(d, d) v = ReduceMean<axes = [2,1]>(q)"
        " e = Add(v, eps) s = Sqrt(e) y = Div(d, s)}"
    )
    found = fuse(model_of(HEAD + graph, NUMBERS), FUSION)
    assert found.ops == Counter(["LayerNormalization"])
    assert_close(found, magnitudes=PLAIN)


def test_statistics_that_others_need_come_from_the_operator() -> None:
    head = "(float[2,3,8] x) => (float[2,3,8] y, float[2,3,1] m, float[2,3,1] r)"
    graph = "{" + MEAN + "q = Mul(d, d) " + DEEP + "y = Div(d, s) r = Reciprocal(s)}"
    found = fuse(model_of(head + graph, NUMBERS), FUSION)
    assert found.ops == Counter(["LayerNormalization"])
    assert_close(found, magnitudes=PLAIN)


@pytest.mark.parametrize("name", NOT)
def test_no_layer_norm(name: str) -> None:
    graph, constants = NOT[name]
    found = fuse(model_of(HEAD + graph, {**NUMBERS, **constants}), FUSION)
    assert not found.ops["LayerNormalization"]


@pytest.mark.parametrize(("head", "name"), [("float[1,8]", "other rank"), ("float[3,1]", "other axis")])
def test_scale_of_another_shape_stays_outside(head: str, name: str) -> None:
    shape = [int(size) for size in head[6:-1].split(",")]
    graph = "{" + MEAN + "q = Mul(d, d) " + DEEP + "n = Div(d, s) y = Mul(n, g)}"
    found = fuse(model_of(HEAD + graph, {**NUMBERS, "g": np.ones(shape, np.float32)}), FUSION)
    assert found.ops == Counter(["LayerNormalization", "Mul"]), name


ROOT_MEAN = "{q = Mul(x, x) v = ReduceMean(q, a) e = Add(v, eps) s = Sqrt(e) "
DIVIDED, MULTIPLIED = "n = Div(x, s) y = Mul(n, g)}", "r = Reciprocal(s) n = Mul(x, r) y = Mul(g, n)}"


@pytest.mark.parametrize("last", [DIVIDED, MULTIPLIED])
def test_rms_norm(last: str) -> None:
    constants = {**NUMBERS, **SCALE, "a": np.array([-1])}
    found = fuse(model_of(HEAD + ROOT_MEAN + last, constants, opset=23), FUSION)
    assert found.ops == Counter(["RMSNormalization"])
    assert_close(found)
    older = fuse(model_of(HEAD + ROOT_MEAN + last, constants, opset=22), FUSION)
    assert not older.changes
    assert ("rms-norm", "opset 22 has no RMSNormalization (since 23)") in older.declined


def test_layer_norm_needs_its_opset() -> None:
    found = fuse(model_of(HEAD + LAYERS["square by Pow"], {**NUMBERS, **SCALE}, opset=16), FUSION)
    assert not found.ops["LayerNormalization"]
    assert ("layer-norm", "opset 16 has no LayerNormalization (since 17)") in found.declined


def test_skip_connection_goes_in_and_its_sum_stays() -> None:
    head = "(float[2,3,8] x, float[2,3,8] z) => (float[2,3,8] y)"
    graph = "{a = Add(x, z) n = LayerNormalization<axis = -1>(a, g, b) y = Add(n, a)}"
    found = fuse(model_of(head + graph, SCALE), FUSION_CONTRIB)
    assert found.ops == Counter(["SkipLayerNormalization", "Add"])
    assert_close(found, magnitudes=PLAIN)


@pytest.mark.parametrize(
    ("head", "graph"),
    [
        (
            "(float[2,3,8] x, float[8] z) => (float[2,3,8] y)",
            "{a = Add(x, z) y = LayerNormalization(a, g, b)}",
        ),
        (
            "(float[2,3,8] x, float[2,3,8] z) => (float[2,3,8] y)",
            "{a = Add(x, z) c = Relu(a) n = LayerNormalization(a, g, b) y = Add(n, c)}",
        ),
    ],
)
def test_skip_that_broadcasts_or_is_used_before_stays(head: str, graph: str) -> None:
    assert not fuse(model_of(head + graph, SCALE), FUSION_CONTRIB).changes


AXES = {"a": np.array([1])}
SHIFTED = "m = ReduceMax<axes = [1]>(x) d = Sub(x, m) e = Exp(d) s = ReduceSum(e, a) "
REDUCTIONS: dict[str, tuple[str, str]] = {
    "softmax": ("{" + SHIFTED + "y = Div(e, s)}", "Softmax"),
    "log softmax": (
        "{" + SHIFTED + "l = Log(s) y = Sub(d, l)}",
        "LogSoftmax",
    ),
    "log of softmax": ("{s = Softmax<axis = 1>(x) y = Log(s)}", "LogSoftmax"),
}
NORMS = {
    "ReduceL2": "{q = Mul(x, x) s = ReduceSum(q, a) y = Sqrt(s)}",
    "ReduceL1": "{q = Abs(x) y = ReduceSum(q, a)}",
    "ReduceSumSquare": "{q = Mul(x, x) y = ReduceSum(q, a)}",
    "ReduceLogSumExp": "{q = Exp(x) s = ReduceSum(q, a) y = Log(s)}",
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_softmax_in_parts(name: str) -> None:
    graph, op = REDUCTIONS[name]
    found = fuse(model_of(HEAD + graph, AXES), FUSION)
    assert found.ops == Counter([op])
    assert_close(found, floor=2.4e-7, magnitudes=(1e-3, 1.0, 5.0))


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("op", NORMS)
def test_norms_in_parts(op: str, opset: int) -> None:
    head = "(float[2,3,8] x) => (float[2,1,8] y)"
    found = fuse(model_of(head + NORMS[op], AXES, opset), FUSION)
    assert found.ops == Counter([op])
    assert_close(found, floor=2.4e-7, magnitudes=(1e-3, 1.0, 5.0))


@pytest.mark.parametrize(
    "graph",
    [
        "{e = Exp(x) s = ReduceSum<keepdims = 0>(e, a) y = Log(s)}",
        "{e = Exp(x) s = ReduceSum(e, a) y = Log(s)}",
    ],
)
def test_kept_axes_are_kept(graph: str) -> None:
    dims = "[2,8]" if "keepdims" in graph else "[2,1,8]"
    found = fuse(model_of(f"(float[2,3,8] x) => (float{dims} y)" + graph, AXES), FUSION)
    assert found.ops == Counter(["ReduceLogSumExp"])
    assert_close(found, floor=2.4e-7, magnitudes=(1.0,))


def test_shift_along_another_axis_is_not_taken_for_the_maximum() -> None:
    graph = "{m = ReduceMax<axes = [2]>(x) d = Sub(x, m) e = Exp(d) s = ReduceSum(e, a) y = Div(e, s)}"
    found = fuse(model_of(HEAD + graph, AXES), FUSION)
    assert found.ops == Counter(["ReduceMax", "Sub", "Softmax"])
    assert_close(found, magnitudes=(1.0,))


def test_division_by_the_sum_of_something_else_stays() -> None:
    graph = "{e = Exp(x) f = Exp(e) s = ReduceSum(f, a) y = Div(e, s)}"
    assert not fuse(model_of(HEAD + graph, AXES), FUSION).changes


def test_global_mean_beside_a_convolution_is_pooling() -> None:
    graph = "(float[2,4,6,6] x) => (float[2,4,1,1] y) {a = Relu(x) y = ReduceMean<axes = [2,3]>(a)}"
    found = fuse(model_of(graph), FUSION)
    assert found.ops == Counter(["Relu", "GlobalAveragePool"])
    assert_close(found)
    other = graph.replace("[2,4,1,1]", "[2,1,1,6]").replace("[2,3]>", "[1,2]>")
    assert not fuse(model_of(other), FUSION).changes


def test_comparison_is_exact() -> None:
    graph = "(float[6] x, float[6] z) => (bool[6] y) {a = Less(x, z) b = Equal(z, x) y = Or(b, a)}"
    found = fuse(model_of(graph), FUSION)
    assert found.ops == Counter(["LessOrEqual"])
    assert_same_bytes(found)
    assert random_feeds(found.before)["x"].shape == (6,)
