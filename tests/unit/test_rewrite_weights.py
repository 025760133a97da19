"""Affine steps, pads, biases and transposes taken into convolutions and matrix products."""

import math
import re
from collections import Counter
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.passes.fusion import FUSION, FUSION_CONTRIB
from burnish_optimizer.targets.kernels import ONNXRUNTIME_CPU, ONNXRUNTIME_CUDA, PORTABLE
from support.fusion import Fused, assert_close, assert_same_bytes, fuse, model_of, random_feeds, run

RNG = np.random.default_rng(7)
IMAGE = "(float[2,4,6,6] x) => (float[2,N,H,W] y)"
ROWS = "(float[5,4] x) => (float[5,N] y)"


def weights(*dims: int) -> np.ndarray[Any, Any]:
    return RNG.normal(size=dims).astype(np.float32)


def norm(channels: int) -> dict[str, Any]:
    """Statistics of a BatchNorm that has seen data."""
    values = {name: weights(channels) for name in ("g", "b", "m")}
    return {**values, "v": np.abs(weights(channels)) + 0.1}


W3, W1 = weights(6, 4, 3, 3), weights(6, 4, 1, 1)
BN = "BatchNormalization<epsilon = 0.001>"

# name: graph, constants, op types of the result
CASES: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "conv + batch norm": (
        IMAGE + "{a = Conv<pads = [1,1,1,1]>(x, w, c) y = " + BN + "(a, g, b, m, v)}",
        {"w": W3, "c": weights(6), **norm(6)},
        ["Conv"],
    ),
    "grouped conv + batch norm": (
        IMAGE + "{a = Conv<group = 2>(x, w) y = " + BN + "(a, g, b, m, v)}",
        {"w": weights(6, 2, 3, 3), **norm(6)},
        ["Conv"],
    ),
    "grouped transposed conv + batch norm": (
        IMAGE + "{a = ConvTranspose<group = 2, strides = [2,2]>(x, w, c) y = " + BN + "(a, g, b, m, v)}",
        {"w": weights(4, 3, 2, 2), "c": weights(6), **norm(6)},
        ["ConvTranspose"],
    ),
    "conv · c + d": (
        IMAGE + "{a = Conv(x, w) e = Mul(s, a) y = Add(e, t)}",
        {"w": W3, "s": weights(6, 1, 1), "t": weights(1, 6, 1, 1)},
        ["Conv"],
    ),
    "c - conv / d": (
        IMAGE + "{a = Conv(x, w, c) e = Div(a, s) y = Sub(t, e)}",
        {"w": W3, "c": weights(6), "s": np.float32(3), "t": weights(6, 1, 1)},
        ["Conv"],
    ),
    "batch norm + conv without padding": (
        IMAGE + "{a = " + BN + "(x, g, b, m, v) y = Conv(a, w, c)}",
        {"w": W3, "c": weights(6), **norm(4)},
        ["Conv"],
    ),
    "batch norm + grouped conv": (
        IMAGE + "{a = " + BN + "(x, g, b, m, v) y = Conv<group = 2>(a, w)}",
        {"w": weights(6, 2, 3, 3), **norm(4)},
        ["Conv"],
    ),
    "scale + padded conv": (
        IMAGE + "{a = Mul(x, s) y = Conv<pads = [1,1,1,1]>(a, w)}",
        {"w": W3, "s": weights(4, 1, 1)},
        ["Conv"],
    ),
    "gemm + batch norm": (
        ROWS + "{a = Gemm<transB = 1, alpha = 0.5, beta = 2.0>(x, w, c) y = " + BN + "(a, g, b, m, v)}",
        {"w": weights(6, 4), "c": weights(6), **norm(6)},
        ["Gemm"],
    ),
    "batch norm + gemm": (
        ROWS + "{a = " + BN + "(x, g, b, m, v) y = Gemm<transB = 1, alpha = 0.5>(a, w, c)}",
        {"w": weights(6, 4), "c": weights(6), **norm(4)},
        ["Gemm"],
    ),
    "matmul + batch norm": (
        ROWS + "{a = MatMul(x, w) y = " + BN + "(a, g, b, m, v)}",
        {"w": weights(4, 6), **norm(6)},
        ["Gemm"],
    ),
    "matmul · c of rank 3": (
        "(float[2,5,4] x) => (float[2,5,6] y) {a = MatMul(x, w) y = Mul(a, s)}",
        {"w": weights(4, 6), "s": weights(6)},
        ["MatMul"],
    ),
    "two batch norms": (
        IMAGE + "{a = " + BN + "(x, g, b, m, v) c = " + BN + "(a, g, b, m, v) y = Relu(c)}",
        norm(4),
        ["BatchNormalization", "Relu"],
    ),
    "a chain of constants": (
        "(float[2,4] x) => (float[2,4] y) {a = Mul(x, s) c = Div(a, t)"
        " d = Add(c, s) e = Sub(d, t) y = Neg(e)}",
        {"s": weights(4), "t": np.float32(1.7)},
        ["Mul", "Add", "Neg"],
    ),
    "matmul + add": (
        "(float[5,4] x, float[4,6] w, float[6] c) => (float[5,6] y) {a = MatMul(x, w) y = Add(c, a)}",
        {},
        ["Gemm"],
    ),
    "gemm of transposes": (
        "(float[4,5] x, float[6,4] w) => (float[5,6] y)"
        "{a = Transpose(x) b = Transpose<perm = [1,0]>(w) y = Gemm<alpha = 2.0>(a, b)}",
        {},
        ["Gemm"],
    ),
    "pad + conv": (
        IMAGE + "{a = Pad(x, p) y = Conv<pads = [0,1,0,1]>(a, w)}",
        {"w": W3, "p": np.array([0, 0, 1, 2, 0, 0, 3, 0])},
        ["Conv"],
    ),
    "pad + average pool": (
        IMAGE + "{a = Pad(x, p, z) y = AveragePool<kernel_shape = [3,3]>(a)}",
        {"z": np.float32(0), "p": np.array([0, 0, 1, 1, 0, 0, 1, 0])},
        ["AveragePool"],
    ),
    "pad + max pool": (
        IMAGE + "{a = Pad(x, p, z) y = MaxPool<kernel_shape = [3,3]>(a)}",
        {"z": np.float32(-np.inf), "p": np.array([0, 0, 1, 1, 0, 0, 1, 0])},
        ["MaxPool"],
    ),
}

# name: graph, constants: nothing may change
LEFT: dict[str, tuple[str, dict[str, Any]]] = {
    "batch norm + padded conv": (
        IMAGE + "{a = " + BN + "(x, g, b, m, v) y = Conv<pads = [1,1,1,1]>(a, w)}",
        {"w": W3, **norm(4)},
    ),
    "conv that pads by itself": (
        IMAGE + '{a = Add(x, s) y = Conv<auto_pad = "SAME_UPPER">(a, w)}',
        {"w": W3, "s": weights(4, 1, 1)},
    ),
    "a constant by pixel": (
        IMAGE + "{a = Conv(x, w) y = Mul(a, s)}",
        {"w": W3, "s": weights(4, 4)},
    ),
    "a constant that widens": (
        IMAGE.replace("[2,N,H,W] y", "[1,2,6,4,4] y") + "{a = Conv(x, w) y = Mul(a, s)}",
        {"w": W3, "s": weights(1, 1, 1, 1, 1)},
    ),
    "a convolution that others need": (
        IMAGE + "{a = Conv(x, w) e = Mul(a, s) y = Concat<axis = 1>(a, e)}",
        {"w": W3, "s": np.float32(2)},
    ),
    "weights that are not constant": (
        "(float[2,4,6,6] x, float[6,4,1,1] w) => (float[2,6,6,6] y) {a = Conv(x, w) y = Mul(a, s)}",
        {"s": np.float32(2)},
    ),
    "division of a constant": (
        IMAGE + "{a = Conv(x, w) y = Div(s, a)}",
        {"w": W3, "s": np.float32(2)},
    ),
    "an addend that widens the product": (
        "(float[1,4] x, float[4,6] w, float[5,6] c) => (float[5,6] y) {a = MatMul(x, w) y = Add(c, a)}",
        {},
    ),
    "pad of the channels": (
        IMAGE + "{a = Pad(x, p) y = Conv(a, w)}",
        {"w": weights(6, 5, 1, 1), "p": np.array([0, 1, 0, 0, 0, 0, 0, 0])},
    ),
    "pad by reflection": (
        IMAGE + '{a = Pad<mode = "reflect">(x, p) y = Conv(a, w)}',
        {"w": W3, "p": np.array([0, 0, 1, 1, 0, 0, 1, 1])},
    ),
    "pad of zeros + max pool": (
        IMAGE + "{a = Pad(x, p) y = MaxPool<kernel_shape = [3,3]>(a)}",
        {"p": np.array([0, 0, 1, 1, 0, 0, 1, 1])},
    ),
    "constants that overflow together": (
        "(float[2,4] x) => (float[2,4] y) {a = Mul(x, s) y = Mul(a, s)}",
        {"s": np.float32(1e30)},
    ),
}


def fused(graph: str, constants: dict[str, Any]) -> Fused:
    return fuse(model_of(graph, constants), FUSION)


@pytest.mark.parametrize("name", CASES)
def test_goes_into_the_weights(name: str) -> None:
    graph, constants, ops = CASES[name]
    found = fused(graph, constants)
    assert found.ops == Counter(ops)
    assert_close(found)


@pytest.mark.parametrize("name", LEFT)
def test_stays(name: str) -> None:
    graph, constants = LEFT[name]
    assert not fused(graph, constants).changes


GATES = {
    "gelu": "{n1 = Div(x, r) n2 = Erf(n1) n3 = Add(n2, one) n4 = Mul(x, n3) f = Mul(n4, half) ",
    "tanh-gelu": "{n1 = Pow(x, three) n2 = Mul(n1, k) n3 = Add(x, n2) n4 = Mul(n3, r) n5 = Tanh(n4)"
    " n6 = Add(n5, one) n7 = Mul(x, n6) f = Mul(n7, half) ",
}
NUMBERS = {"one": 1.0, "half": 0.5, "three": 3.0, "k": 0.044715, "r": math.sqrt(2)}


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("after", ["y = Conv(f, w)}", "y = " + BN + "(f, g, b, m, v)}", "y = Mul(f, s)}"])
def test_the_number_at_the_end_of_an_activation_stays_with_it(gate: str, after: str) -> None:
    """Runtimes know GELU by all of its steps, where the opset has no operator for it."""
    numbers = NUMBERS | ({"r": math.sqrt(2 / math.pi)} if gate == "tanh-gelu" else {})
    held = {"w": W1, "s": weights(4, 1, 1), **norm(4), **numbers}
    used = {name: held[name] for name in held.keys() & set(re.findall(r"\w+", GATES[gate] + after))}
    graph = IMAGE + GATES[gate] + after
    found = fuse(model_of(graph, used), FUSION, PORTABLE)
    assert found.ops["Mul"] + found.ops["Div"] == graph.count("Mul(") + graph.count("Div(")
    assert_close(found)


def test_batch_norm_in_training_stays() -> None:
    graph = (
        "(float[2,4,6,6] x) => (float[2,4,6,6] y) {a = Conv(x, w) "
        "y, p, q = BatchNormalization<training_mode = 1>(a, g, b, m, v)}"
    )
    assert not fused(graph, {"w": weights(4, 4, 1, 1), **norm(4)}).changes


def test_shared_weights_are_not_doubled_where_they_are_large() -> None:
    graph = IMAGE + "{a = Conv(x, w) b = Mul(a, s) c = Conv(x, w) d = Mul(c, t) y = Add(b, d)}"
    model = model_of(graph, {"w": W1, "s": np.float32(2), "t": np.float32(3)})
    small = fuse(model, FUSION)
    assert small.ops == Counter({"Conv": 2, "Add": 1})

    scope = Scope(ONNXRUNTIME_CPU, size_limit_bytes=8)
    assert not [c for one in FUSION for c in one.apply(ir.from_proto(model), scope)]
    assert any("shared" in reason for _, reason in scope.declined)


@pytest.mark.parametrize(
    ("last", "parameters"),
    [
        ("Relu(a)", []),
        ("Sigmoid(a)", []),
        ("Tanh(a)", []),
        ("LeakyRelu<alpha = 0.3>(a)", [0.3]),
        ("HardSigmoid<alpha = 0.25>(a)", [0.25, 0.5]),
        ("Clip(a, lo, hi)", [0.0, 6.0]),
    ],
)
def test_activation_behind_a_convolution(last: str, parameters: list[float]) -> None:
    graph = IMAGE + "{a = Conv<pads = [1,1,1,1], strides = [2,2]>(x, w, c) y = " + last + "}"
    limits = {"lo": np.float32(0), "hi": np.float32(6)} if "Clip" in last else {}
    model = model_of(graph, {"w": W3, "c": weights(6), **limits})
    found = fuse(model, FUSION_CONTRIB)
    assert found.ops == Counter(["FusedConv"])
    held = {a.name: onnx.helper.get_attribute_value(a) for a in found.after.graph.node[0].attribute}
    assert held.get("activation_params", []) == pytest.approx(parameters)
    assert_close(found)
    assert not fuse(model, FUSION_CONTRIB, PORTABLE).changes


def test_activation_that_the_kernel_does_not_know_stays() -> None:
    model = model_of(IMAGE + "{a = Conv(x, w) y = Softplus(a)}", {"w": W3})
    assert not fuse(model, FUSION_CONTRIB).changes


def test_sum_and_relu_behind_a_convolution() -> None:
    graph = "(float[2,4,6,6] x, float[2,6,6,6] z) => (float[2,6,6,6] y)"
    graph += "{a = Conv(x, w) b = Add(z, a) y = Relu(b)}"
    found = fuse(model_of(graph, {"w": W1}), FUSION_CONTRIB, ONNXRUNTIME_CUDA)
    assert found.ops == Counter(["FusedConv"])
    assert_close(found)
    wide = graph.replace("float[2,6,6,6] z", "float[1,6,1,1] z")
    assert not fuse(model_of(wide, {"w": W1}), FUSION_CONTRIB, ONNXRUNTIME_CUDA).ops["FusedConv"]


def test_sum_stays_where_the_target_blocks_channels_itself() -> None:
    graph = "(float[2,4,6,6] x, float[2,6,6,6] z) => (float[2,6,6,6] y)"
    graph += "{a = Conv(x, w) b = Add(z, a) y = Relu(b)}"
    assert not fuse(model_of(graph, {"w": W1}), FUSION_CONTRIB).changes


@pytest.mark.parametrize(
    ("graph", "op"),
    [
        ("{b = Transpose<perm = [0,2,1]>(w) a = MatMul(x, b) y = Div(a, c)}", "FusedMatMul"),
        ("{b = Transpose<perm = [0,2,1]>(w) d = Mul(x, c) y = MatMul(d, b)}", "FusedMatMul"),
    ],
)
def test_transposes_and_scales_go_into_the_product(graph: str, op: str) -> None:
    head = "(float[2,5,4] x, float[2,6,4] w) => (float[2,5,6] y)"
    found = fuse(model_of(head + graph, {"c": np.float32(8)}), FUSION_CONTRIB)
    assert found.ops == Counter([op])
    assert_close(found)


def test_a_transpose_of_other_axes_stays() -> None:
    graph = "(float[2,5,4] x, float[4,2,6] w) => (float[2,5,6] y)"
    graph += "{b = Transpose<perm = [1,0,2]>(w) y = MatMul(x, b)}"
    assert not fuse(model_of(graph), FUSION_CONTRIB).changes


@pytest.mark.parametrize("last", ["Relu(a)", "Tanh(a)", "Elu<alpha = 0.7>(a)", "LeakyRelu<alpha = 0.2>(a)"])
def test_activation_behind_gemm(last: str) -> None:
    graph = ROWS + "{a = Gemm<transB = 1>(x, w, c) y = " + last + "}"
    found = fuse(model_of(graph, {"w": weights(6, 4), "c": weights(6)}), FUSION_CONTRIB)
    assert found.ops == Counter(["FusedGemm"])
    assert_close(found, floor=2.4e-7)


def test_slices_that_share_a_tensor_out_are_one_split() -> None:
    head = "(float[2,7] x) => (float[2,3] p, float[2,4] q)"
    ends = {"o": np.array([0]), "m": np.array([3]), "e": np.array([99]), "a": np.array([-1])}
    found = fuse(model_of(head + "{q = Slice(x, m, e, a) p = Slice(x, o, m, a)}", ends), FUSION)
    assert found.ops == Counter(["Split"])
    assert_same_bytes(found)


def test_slices_with_a_gap_stay() -> None:
    graph = "(float[2,7] x) => (float[2,2] p, float[2,4] q) {p = Slice(x, o, m, a) q = Slice(x, m, e, a)}"
    ends = {"o": np.array([1]), "m": np.array([3]), "e": np.array([99]), "a": np.array([1])}
    assert not fuse(model_of(graph, ends), FUSION).changes


def test_folded_weights_are_near_the_truth() -> None:
    """Against FP64, the folded convolution is no worse than the two steps in float32."""
    graph, constants, _ = CASES["conv + batch norm"]
    found = fused(graph, constants)
    feeds = random_feeds(found.before)
    doubles = {name: value.astype(np.float64) for name, value in constants.items()}
    exact = model_of(graph.replace("float[", "double["))
    exact.graph.initializer.extend(onnx.numpy_helper.from_array(v, k) for k, v in doubles.items())

    truth = np.asarray(ReferenceEvaluator(exact).run(None, {"x": feeds["x"].astype(np.float64)}))[0]
    before, after = (np.abs(values[0] - truth).max() for values in found.outputs(feeds))
    assert after <= 2 * before + 1e-6
    assert run(found.after, feeds)[0].dtype == np.float32
