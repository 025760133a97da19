"""Transposes cancel where that moves fewer bytes, and every byte stays what it was."""

from collections import Counter
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.passes.layout import LAYOUT
from burnish_optimizer.rewrite.layout import NOMINAL_DIMENSION, moves_nothing, size_bytes, transpose_bytes
from burnish_optimizer.rewrite.transposes import inverse, then
from burnish_optimizer.targets.kernels import ONNXRUNTIME_CPU
from support.fusion import assert_close, assert_same_bytes, fuse, model_of

HEAD = "(float[1,8,5,7] x) => (float[1,8,5,7] y)"
THERE, BACK = "Transpose<perm = [0,2,3,1]>", "Transpose<perm = [0,3,1,2]>"
RNG = np.random.default_rng(5)
BIAS = RNG.normal(size=8).astype(np.float32)

# name: graph, constants, op types of the result
EXACT: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "through arithmetic": (
        HEAD + "{a = " + THERE + "(x) b = Add(a, w) c = Mul(s, b) d = Relu(c) y = " + BACK + "(d)}",
        {"w": BIAS, "s": np.float32(3)},
        ["Add", "Mul", "Relu"],
    ),
    "through a concat of two": (
        "(float[1,8,5,7] x, float[1,4,5,7] z) => (float[1,12,5,7] y)"
        "{a = " + THERE + "(x) b = " + THERE + "(z) c = Concat<axis = -1>(a, b) y = " + BACK + "(c)}",
        {},
        ["Concat"],
    ),
    "through a split": (
        "(float[1,8,5,7] x) => (float[1,3,5,7] y, float[1,5,5,7] z)"
        "{a = " + THERE + "(x) b, c = Split<axis = 3>(a, n) y = " + BACK + "(b) z = " + BACK + "(c)}",
        {"n": np.array([3, 5])},
        ["Split"],
    ),
    "through a pad": (
        "(float[1,8,5,7] x) => (float[1,9,5,8] y) {a = " + THERE + "(x) b = Pad(a, p) y = " + BACK + "(b)}",
        {"p": np.array([0, 0, 0, 1, 0, 0, 1, 0])},
        ["Pad"],
    ),
    "through a slice": (
        "(float[1,8,5,7] x) => (float[1,8,3,6] y)"
        "{a = " + THERE + "(x) b = Slice(a, s, e, n) y = " + BACK + "(b)}",
        {"s": np.array([1, 1]), "e": np.array([4, 7]), "n": np.array([1, -2])},
        ["Slice"],
    ),
    "two orders that are one": (
        "(float[4,8,5,7] x) => (float[4,7,8,5] y){a = " + THERE + "(x) b = Relu(a) y = " + THERE + "(b)}",
        {},
        ["Relu", "Transpose"],
    ),
    "two ways out": (
        "(float[1,8,5,7] x) => (float[1,8,5,7] y, float[1,7,5,8] z)"
        "{a = " + THERE + "(x) b = Neg(a) y = " + BACK + "(b) z = Transpose<perm = [0,2,1,3]>(b)}",
        {},
        ["Neg", "Transpose"],
    ),
    "a way out that stays": (
        "(float[1,8,5,7] x) => (float[1,8,5,7] y, float[1,5,7,8] b)"
        "{a = " + THERE + "(x) b = Neg(a) y = " + BACK + "(b)}",
        {},
        ["Neg", "Transpose"],
    ),
}
LEFT: dict[str, tuple[str, dict[str, Any]]] = {
    "one transpose": (
        "(float[1,8,5,7] x) => (float[1,5,7,8] y) {a = " + THERE + "(x) y = Relu(a)}",
        {},
    ),
    "data of another order would have to be turned": (
        "(float[1,8,5,7] x, float[1,5,7,8] z) => (float[1,5,7,8] y) {a = " + THERE + "(x) y = Add(a, z)}",
        {},
    ),
    "an axis that goes away": (
        "(float[1,8,5,7] x) => (float[1,7,8] y)"
        "{a = " + THERE + "(x) b = ReduceMax<axes = [1], keepdims = 0>(a) y = Identity(b)}",
        {},
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_transposes_cancel_exactly(name: str) -> None:
    graph, constants, ops = EXACT[name]
    found = fuse(model_of(graph, constants), LAYOUT[:1])
    assert found.ops == Counter(ops)
    assert_same_bytes(found)


@pytest.mark.parametrize("name", LEFT)
def test_what_would_cost_as_much_stays(name: str) -> None:
    graph, constants = LEFT[name]
    assert not fuse(model_of(graph, constants), LAYOUT).changes


@pytest.mark.parametrize(
    "function",
    ["Softmax<axis = 3>", "Sigmoid", "ReduceMax<axes = [3]>", "ReduceMean<axes = [3]>", "LogSoftmax"],
)
def test_functions_are_renumbered_with_a_bound(function: str) -> None:
    channels = 1 if "Reduce" in function else 8
    graph = f"(float[1,8,5,7] x) => (float[1,{channels},5,7] y)"
    graph += "{a = " + THERE + "(x) b = " + function + "(a) y = " + BACK + "(b)}"
    model = model_of(graph)
    assert not fuse(model, LAYOUT[:1]).changes
    found = fuse(model, LAYOUT)
    assert len(found.after.graph.node) == 1
    assert_close(found)


def test_softmax_that_flattens_is_not_renumbered() -> None:
    graph = HEAD + "{a = " + THERE + "(x) b = Softmax<axis = 3>(a) y = " + BACK + "(b)}"
    assert not fuse(model_of(graph, opset=12), LAYOUT).changes


def test_a_branch_that_takes_other_data_does_not_spoil_the_rest() -> None:
    head = "(float[1,8,5,7] x, float[1,5,7,8] f) => (float[1,5,7,8] y, float[1,8,5,7] q)"
    graph = "{a = " + THERE + "(x) b = Relu(a) y = Add(b, f) q = " + BACK + "(b)}"
    found = fuse(model_of(head + graph), LAYOUT)
    assert found.ops == Counter(["Relu", "Transpose", "Add"])
    assert_same_bytes(found)


def test_excluded_sites_stay() -> None:
    graph, constants, _ = EXACT["through arithmetic"]
    model = ir.from_proto(model_of(graph, constants))
    assert not LAYOUT[0].apply(model, Scope(ONNXRUNTIME_CPU, excluded=frozenset({"y"})))
    assert LAYOUT[0].apply(model, Scope(ONNXRUNTIME_CPU))[0].site == "y"


def test_dearer_layouts_are_declined_with_both_costs() -> None:
    """Closed regions take no foreign data; this one has none, and three ways out in another order."""
    head = "(float[1,8,5,7] x) => (float[1,5,7,6] p, float[1,5,7,6] q, float[1,5,7,8] r)"
    graph = "{a = " + THERE + "(x) b = Pad(a, w) p, q, o = Split<axis = 3>(b, n) r = Relu(a)}"
    sizes = {"n": np.array([6, 6, 8]), "w": np.array([0, 0, 0, 6, 0, 0, 0, 6])}
    found = fuse(model_of(head + graph, sizes), LAYOUT[:1])
    assert not found.changes
    figures = [int(word) for (_, reason) in found.declined for word in reason.split() if word.isdigit()]
    assert len(figures) == 2
    assert figures[0] < figures[1]


def test_transposes_inside_subgraphs_cancel() -> None:
    text = (
        "(bool c, float[1,8,5,7] x) => (float[1,8,5,7] y) {y = If(c) <"
        "then_branch = t () => (float[1,8,5,7] p) {a = " + THERE + "(x) b = Neg(a) p = " + BACK + "(b)}, "
        "else_branch = e () => (float[1,8,5,7] q) {q = Relu(x)}>}"
    )
    found = fuse(model_of(text), LAYOUT)
    branch = next(a.g for a in found.after.graph.node[0].attribute if a.name == "then_branch")
    assert [node.op_type for node in branch.node] == ["Neg"]


def test_moving_axes_of_size_one_is_a_reshape() -> None:
    graph = "(float[1,8,5,1] x) => (float[8,1,1,5] y) {y = Transpose<perm = [1,0,3,2]>(x)}"
    found = fuse(model_of(graph), LAYOUT)
    assert found.ops == Counter(["Reshape"])
    assert_same_bytes(found)
    other = graph.replace("[1,8,5,1]", "[1,8,5,2]").replace("[8,1,1,5]", "[8,1,2,5]")
    assert not fuse(model_of(other), LAYOUT).changes


def test_orders_compose() -> None:
    perm = (0, 2, 3, 1)
    assert then(perm, inverse(perm)) == (0, 1, 2, 3)
    assert then((1, 0, 2), (2, 0, 1)) == (2, 1, 0)
    array = RNG.normal(size=(2, 3, 4))
    twice = array.transpose(1, 0, 2).transpose(2, 0, 1)
    assert np.array_equal(twice, array.transpose(then((1, 0, 2), (2, 0, 1))))


def test_costs_count_bytes_and_starts() -> None:
    value = ir.Value(name="x", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape([2, "n", 4]))
    assert size_bytes(value) == 2 * NOMINAL_DIMENSION * 4 * 4
    whole = transpose_bytes(value, (1, 0, 2), "onnxruntime-cpu")
    assert whole > 2 * size_bytes(value)
    assert moves_nothing((1, 8, 1), (1, 0, 2))
    assert not moves_nothing((2, 8, 1), (1, 0, 2))
    assert transpose_bytes(value, (1, 0, 2), "somewhere") == whole


def test_model_stays_valid_with_shapes() -> None:
    graph, constants, _ = EXACT["through arithmetic"]
    found = fuse(model_of(graph, constants), LAYOUT)
    onnx.shape_inference.infer_shapes(found.after, strict_mode=True)
