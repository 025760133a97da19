"""Activations in every order that exporters write them in, and what only looks like them."""

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from burnish_optimizer.passes.fusion import FUSION, FUSION_CONTRIB
from burnish_optimizer.targets.kernels import ONNXRUNTIME_CPU, PORTABLE
from support.fusion import assert_close, fuse, model_of, random_feeds

ROOT, HALF_ROOT = math.sqrt(2), math.sqrt(0.5)
ABOUT_ONE = 2.4e-7  # rounding of the sums with 1 that small answers are differences of
HEAD = "(float[2,3,8] x) => (float[2,3,8] y)"

GELUS = {
    "half last": ("{a = Div(x, c) b = Erf(a) d = Add(b, one) e = Mul(x, d) y = Mul(e, half)}", ROOT),
    "half first": ("{a = Div(x, c) b = Erf(a) d = Add(b, one) e = Mul(x, half) y = Mul(e, d)}", ROOT),
    "half on the gate": (
        "{a = Mul(x, c) b = Erf(a) d = Add(one, b) e = Mul(half, d) y = Mul(e, x)}",
        HALF_ROOT,
    ),
    "half inside": ("{h = Mul(half, x) a = Mul(c, x) b = Erf(a) d = Sum(b, one) y = Mul(d, h)}", HALF_ROOT),
    "division by two": ("{a = Div(x, c) b = Erf(a) d = Add(b, one) e = Mul(d, x) y = Div(e, two)}", ROOT),
}
TANHS = {
    "cube by Pow": "{p = Pow(x, three) q = Mul(p, k) s = Add(x, q) t = Mul(s, r) u = Tanh(t) v = Add(u, one)"
    " w = Mul(x, half) y = Mul(w, v)}",
    "cube by Mul": "{p = Mul(x, x) p2 = Mul(p, x) q = Mul(k, p2) s = Add(q, x) t = Mul(r, s) u = Tanh(t)"
    " v = Add(one, u) w = Mul(v, x) y = Mul(half, w)}",
    "x taken out": "{p = Mul(x, x) q = Mul(k, p) s = Add(q, one) z = Mul(x, s) t = Mul(r, z) u = Tanh(t)"
    " v = Add(one, u) w = Mul(v, half) y = Mul(x, w)}",
}
NUMBERS = {"one": 1.0, "half": 0.5, "two": 2.0, "three": 3.0, "k": 0.044715, "r": math.sqrt(2 / math.pi)}

# name: graph, constants, op types of the result for ONNX Runtime on a CPU at opset 17
WHOLE: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    **{f"gelu, {k}": (g, {**NUMBERS, "c": c}, ["Gelu"]) for k, (g, c) in GELUS.items()},
    **{f"tanh-gelu, {k}": (g, NUMBERS, ["FastGelu"]) for k, g in TANHS.items()},
    "silu": ("{a = Sigmoid(x) y = Mul(a, x)}", {}, ["QuickGelu"]),
    "quick gelu": ("{b = Mul(x, c) a = Sigmoid(b) y = Mul(x, a)}", {"c": 1.702}, ["QuickGelu"]),
    "hard swish, divided first": (
        "{a = Add(x, c) b = Clip(a, lo, hi) d = Div(b, hi) y = Mul(x, d)}",
        {"c": 3.0, "lo": 0.0, "hi": 6.0},
        ["HardSigmoid", "Mul"],
    ),
    "hard swish, divided last": (
        "{a = Add(c, x) b = Clip(a, lo, hi) d = Mul(b, x) y = Div(d, hi)}",
        {"c": 3.0, "lo": 0.0, "hi": 6.0},
        ["HardSigmoid", "Mul"],
    ),
    "hard swish, relu6 by Relu and Min": (
        "{a = Add(c, x) b = Relu(a) e = Min(b, hi) d = Div(e, hi) y = Mul(d, x)}",
        {"c": 3.0, "hi": 6.0},
        ["HardSigmoid", "Mul"],
    ),
    "hard sigmoid": (
        "{a = Mul(x, s) b = Add(a, c) y = Clip(b, lo, hi)}",
        {"s": 0.2, "c": 0.5, "lo": 0.0, "hi": 1.0},
        ["HardSigmoid"],
    ),
    "hard sigmoid, relu6 / 6": (
        "{a = Add(x, c) b = Clip(a, lo, hi) y = Div(b, hi)}",
        {"c": 3.0, "lo": 0.0, "hi": 6.0},
        ["HardSigmoid"],
    ),
    "clip": ("{a = Max(x, lo) y = Min(a, hi)}", {"lo": -1.0, "hi": 2.0}, ["Clip"]),
    "leaky relu": ("{a = Less(x, z) b = Mul(s, x) y = Where(a, b, x)}", {"z": 0.0, "s": 0.1}, ["LeakyRelu"]),
    "prelu": (
        "{a = Less(x, z) b = Mul(s, x) y = Where(a, b, x)}",
        {"z": 0.0, "s": np.linspace(0, 1, 8, dtype=np.float32)},
        ["PRelu"],
    ),
    "elu": (
        "{a = Less(x, z) e = Exp(x) f = Sub(e, one) b = Mul(s, f) y = Where(a, b, x)}",
        {"z": 0.0, "s": 2.0, "one": 1.0},
        ["Elu"],
    ),
    "selu": (
        "{e = Exp(x) f = Mul(a, e) h = Sub(f, a) n = Mul(g, h) p = Mul(g, x) l = Less(x, z)"
        " y = Where(l, n, p)}",
        {"z": 0.0, "a": 1.67, "g": 1.05},
        ["Selu"],
    ),
    "celu": ("{a = Div(x, s) e = Elu(a) y = Mul(s, e)}", {"s": 2.0}, ["Celu"]),
    "thresholded relu": ("{l = Less(a, x) y = Where(l, x, z)}", {"a": 0.5, "z": 0.0}, ["ThresholdedRelu"]),
    "softplus": ("{e = Exp(x) f = Add(e, one) y = Log(f)}", {"one": 1.0}, ["Softplus"]),
    "softsign": ("{e = Abs(x) f = Add(one, e) y = Div(x, f)}", {"one": 1.0}, ["Softsign"]),
    "relu": ("{y = Max(x, z)}", {"z": 0.0}, ["Relu"]),
    "x ≥ 0": (
        "{a = Greater(x, z) b = Equal(x, z) c = Or(a, b) y = Where(c, x, z2)}",
        {"z": 0.0, "z2": 9.0},
        ["GreaterOrEqual", "Where"],
    ),
}

# name: graph, constants: nothing may change
NOT: dict[str, tuple[str, dict[str, Any]]] = {
    "1.41 is not √2": (GELUS["half last"][0], {**NUMBERS, "c": 1.41}),
    "another half": (GELUS["half first"][0], {**NUMBERS, "c": ROOT, "half": 0.4}),
    "another one": (GELUS["half first"][0], {**NUMBERS, "c": ROOT, "one": 1.01}),
    "another cube": (TANHS["cube by Pow"], {**NUMBERS, "k": 0.0447}),
    "not a cube": (TANHS["cube by Pow"], {**NUMBERS, "three": 2.0}),
    "a number that widens": (
        GELUS["half first"][0],
        {**NUMBERS, "c": ROOT, "half": [[[[0.5]]]]},
    ),
    "another gate": ("{a = Sigmoid(x) b = Neg(x) y = Mul(a, b)}", {}),
    "a gate that others need": ("{a = Sigmoid(x) b = Mul(a, x) y = Add(a, b)}", {}),
    "hard swish by 5": (
        "{a = Add(x, c) b = Clip(a, lo, hi) d = Div(b, five) y = Mul(x, d)}",
        {"c": 3.0, "lo": 0.0, "hi": 6.0, "five": 5.0},
    ),
    "limits that cross": ("{a = Max(x, lo) y = Min(a, hi)}", {"lo": 2.0, "hi": -1.0}),
    "elu of another sign": (
        "{a = Less(z, x) e = Exp(x) f = Sub(e, one) b = Mul(s, f) y = Where(a, b, x)}",
        {"z": 0.0, "s": 2.0, "one": 1.0},
    ),
    "softplus of two": ("{e = Exp(x) f = Add(e, one) y = Log(f)}", {"one": 2.0}),
    "celu of two scales": ("{a = Div(x, s) e = Elu(a) y = Mul(t, e)}", {"s": 2.0, "t": 3.0}),
}


@pytest.mark.parametrize("name", WHOLE)
def test_becomes_one_operator(name: str) -> None:
    graph, constants, ops = WHOLE[name]
    found = fuse(model_of(HEAD + graph, constants), FUSION)
    assert found.ops == Counter(ops)
    assert_close(found, floor=ABOUT_ONE)


@pytest.mark.parametrize("name", NOT)
def test_what_only_looks_alike_stays(name: str) -> None:
    graph, constants = NOT[name]
    head = HEAD if "widens" not in name else "(float[2,3,8] x) => (float[1,2,3,8] y)"
    model = model_of(head + graph, constants)
    found = fuse(model, FUSION)
    assert found.ops["Gelu"] + found.ops["FastGelu"] + found.ops["QuickGelu"] == 0
    assert sum(found.ops.values()) == len(model.graph.node)


@pytest.mark.parametrize(
    ("graph", "constants", "opset", "op"),
    [
        (GELUS["half last"][0], {**NUMBERS, "c": ROOT}, 20, "Gelu"),
        (TANHS["cube by Pow"], NUMBERS, 20, "Gelu"),
        ("{a = Sigmoid(x) y = Mul(a, x)}", {}, 24, "Swish"),
        ("{a = HardSigmoid<alpha = 0.16666667, beta = 0.5>(x) y = Mul(a, x)}", {}, 14, "HardSwish"),
        ("{a = Softplus(x) b = Tanh(a) y = Mul(b, x)}", {}, 18, "Mish"),
    ],
)
def test_portable_takes_standard_operators_of_its_opset(
    graph: str, constants: dict[str, Any], opset: int, op: str
) -> None:
    found = fuse(model_of(HEAD + graph, constants, opset), FUSION, PORTABLE)
    assert found.ops == Counter([op])
    assert_close(found)
    older = fuse(model_of(HEAD + graph, constants, opset - 1), FUSION, PORTABLE)
    assert op not in older.ops
    assert len(older.after.graph.node) > 1


def test_tells_which_opset_is_missing() -> None:
    found = fuse(model_of(HEAD + GELUS["half last"][0], {**NUMBERS, "c": ROOT}), FUSION, PORTABLE)
    assert ("gelu", "opset 17 has no Gelu (since 20)") in found.declined


def test_swish_is_not_written_where_it_does_not_load() -> None:
    found = fuse(model_of(HEAD + "{a = Sigmoid(x) y = Mul(a, x)}", opset=25), FUSION, PORTABLE)
    assert not found.changes
    assert ("silu", "Swish does not load at opset 25") in found.declined


def test_half_precision_without_a_kernel_stays() -> None:
    graph = "(float16[2,8] x) => (float16[2,8] y) {a = Sigmoid(x) y = Mul(a, x)}"
    found = fuse(model_of(graph), FUSION)
    assert found.ops == Counter(["Sigmoid", "Mul"])
    assert ("silu", "opset 17 has no Swish (since 24)") in found.declined


def test_bias_of_gelu_goes_into_it_where_the_target_has_the_kernel() -> None:
    graph = HEAD + "{a = Add(x, b) y = com.microsoft.Gelu(a)}"
    model = model_of(graph, {"b": np.arange(8, dtype=np.float32)})
    found = fuse(model, FUSION_CONTRIB, ONNXRUNTIME_CPU)
    assert found.ops == Counter(["BiasGelu"])
    assert_close(found)
    assert not fuse(model, FUSION_CONTRIB, PORTABLE).changes


def test_numbers_that_are_not_finite_stay_so() -> None:
    graph, constants, _ = WHOLE["gelu, half last"]
    found = fuse(model_of(HEAD + graph, constants), FUSION)
    x = random_feeds(found.before)["x"]
    x[0, 0, :3] = np.nan, np.inf, -np.inf
    before, after = found.outputs({"x": x})
    assert np.array_equal(np.isnan(before[0]), np.isnan(after[0]))
