"""Parallel projections become one where that pays, with equal answers."""

from collections import Counter
from dataclasses import replace

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx_ir.passes.common import ShapeInferencePass

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.passes.horizontal import HORIZONTAL
from burnish_optimizer.rewrite.horizontal_cost import pays
from burnish_optimizer.targets.kernels import ONNXRUNTIME_CPU, PORTABLE, RewriteTarget


def model(text: str, **constants: NDArray[np.generic]) -> onnx.ModelProto:
    """`text`: the graph, in ONNX's own text form; opset 17."""
    made = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]>\n{text}')
    for name, array in constants.items():
        made.graph.initializer.append(numpy_helper.from_array(array, name))
    return made


def rewritten(source: onnx.ModelProto, target: RewriteTarget = ONNXRUNTIME_CPU) -> tuple[ir.Model, Scope]:
    found = ShapeInferencePass()(ir.from_proto(source)).model
    scope = Scope(target)
    for one in HORIZONTAL:
        one.apply(found, scope)
    return found, scope


def ops(found: ir.Model) -> Counter[str]:
    return Counter(node.op_type for node in found.graph)


def run(found: onnx.ModelProto, **feeds: NDArray[np.generic]) -> list[NDArray[np.float32]]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return list(onnxruntime.InferenceSession(found.SerializeToString(), options).run(None, feeds))


def normal(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def assert_same(source: onnx.ModelProto, found: ir.Model, **feeds: NDArray[np.generic]) -> None:
    proto = ir.to_proto(found)
    onnx.checker.check_model(proto)
    for before, after in zip(run(source, **feeds), run(proto, **feeds), strict=True):
        assert after == pytest.approx(before, abs=1e-5)


CONCATENATED = """g (float[b, s, 12] x) => (float[b, s, 9] y) {
    m = MatMul(x, w)  n = MatMul(x, v)  a = Add(m, d)  c = Add(e, n)  y = Concat<axis = -1>(a, c) }"""
PARAMETERS = {"w": normal(12, 4), "v": normal(12, 5), "d": normal(4), "e": normal(5)}


def test_concatenated_projections_become_one() -> None:
    source = model(CONCATENATED, **PARAMETERS)
    found, _ = rewritten(source, PORTABLE)
    assert ops(found) == {"MatMul": 1, "Add": 1}
    assert_same(source, found, x=normal(2, 3, 12))
    assert_same(source, found, x=normal(0, 3, 12))


def test_narrow_projections_that_are_concatenated_need_no_split() -> None:
    assert ops(rewritten(model(CONCATENATED, **PARAMETERS), ONNXRUNTIME_CPU)[0]) == {"MatMul": 1, "Add": 1}


def test_columns_keep_their_order() -> None:
    source = model(CONCATENATED, **PARAMETERS)
    swapped = model(CONCATENATED.replace("(a, c)", "(c, a)"), **PARAMETERS)
    found, _ = rewritten(swapped)
    x = normal(2, 3, 12)
    assert_same(swapped, found, x=x)
    assert np.abs(run(source, x=x)[0] - run(ir.to_proto(found), x=x)[0]).max() > 0.1


def test_only_what_lies_side_by_side_is_merged() -> None:
    source = model(
        """g (float[b, 12] x, float[b, 2] z) => (float[b, 13] y) {
        m = MatMul(x, w)  n = MatMul(x, v)  o = MatMul(x, u)  y = Concat<axis = 1>(m, n, z, o) }""",
        w=normal(12, 4),
        v=normal(12, 5),
        u=normal(12, 2),
    )
    found, _ = rewritten(source)
    assert ops(found) == {"MatMul": 2, "Concat": 1}
    assert_same(source, found, x=normal(3, 12), z=normal(3, 2))


def test_convolutions_are_merged_through_the_same_activation() -> None:
    text = """g (float[n, 3, h, w] x) => (float[n, 7, h, w] y) {
        a = Conv<pads = [1, 1, 1, 1]>(x, k, b)  c = Conv<pads = [1, 1, 1, 1]>(x, l, d)
        r = Relu(a)  s = Relu(c)  y = Concat<axis = 1>(r, s) }"""
    constants = {"k": normal(4, 3, 3, 3), "b": normal(4), "l": normal(3, 3, 3, 3), "d": normal(3)}
    source = model(text, **constants)
    found, _ = rewritten(source)
    assert ops(found) == {"Conv": 1, "Relu": 1}
    assert_same(source, found, x=normal(2, 3, 6, 5))
    other = model(text.replace("s = Relu(c)", "s = Sigmoid(c)"), **constants)
    assert ops(rewritten(other)[0])["Conv"] == 2


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ("c = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>", "strides"),
        ("c = Conv<pads = [1, 1, 1, 1], group = 3>", "groups"),
    ],
)
def test_convolutions_that_differ_are_left_alone(change: str, kept: str) -> None:
    text = """g (float[n, 3, 6, 6] x) => (float[n, c, h, w] y, float[n, 3, i, j] z) {
        a = Conv<pads = [1, 1, 1, 1]>(x, k)  c = Conv<pads = [1, 1, 1, 1]>(x, l)
        z = Identity(c)  y = Concat<axis = 1>(a, a) }""".replace("c = Conv<pads = [1, 1, 1, 1]>", change)
    weight = normal(3, 1, 3, 3) if kept == "groups" else normal(3, 3, 3, 3)
    assert ops(rewritten(model(text, k=normal(3, 3, 3, 3), l=weight))[0])["Conv"] == 2


def test_concatenation_over_another_axis_is_left_alone() -> None:
    source = model(
        """g (float[b, 12] x) => (float[c, 4] y) {
        m = MatMul(x, w)  n = MatMul(x, v)  y = Concat<axis = 0>(m, n) }""",
        w=normal(12, 4),
        v=normal(12, 4),
    )
    assert ops(rewritten(source)[0])["MatMul"] == 2


def gates(count: int, width: int) -> onnx.ModelProto:
    """`count` narrow projections with biases, each with users of its own."""
    lines = [f"m{i} = MatMul(x, w{i}) a{i} = Add(m{i}, b{i}) y{i} = Relu(a{i})" for i in range(count)]
    outputs = ", ".join(f"float[b, s, {width}] y{i}" for i in range(count))
    made = {f"w{i}": normal(12, width) * (i + 1) for i in range(count)}
    biases = {f"b{i}": normal(width) + i for i in range(count)}
    return model(
        f"g (float[b, s, 12] x) => ({outputs}) {{ {' '.join(lines)} }}",
        **{name: np.float32(array) for name, array in (made | biases).items()},
    )


def test_narrow_projections_are_merged_and_split() -> None:
    source = gates(4, 5)
    found, scope = rewritten(source)
    assert ops(found) == {"MatMul": 1, "Add": 1, "Split": 1, "Relu": 4}
    assert not scope.declined
    assert_same(source, found, x=normal(2, 3, 12))


def test_wide_projections_are_left_alone_and_said_so() -> None:
    found, scope = rewritten(gates(3, 96))
    assert ops(found)["MatMul"] == 3
    assert any("Split costs more" in reason for _, reason in scope.declined)


def test_targets_that_were_not_measured_get_no_split() -> None:
    assert ops(rewritten(gates(4, 5), PORTABLE)[0])["Split"] == 0
    assert ops(rewritten(gates(4, 5), replace(ONNXRUNTIME_CPU, name="elsewhere"))[0])["Split"] == 0


def test_weights_that_others_use_are_not_copied() -> None:
    source = model(
        """g (float[b, 12] x) => (float[b, 8] y, float[b, 4] z) {
        m = MatMul(x, w)  n = MatMul(x, v)  y = Concat<axis = 1>(m, n)  r = Relu(x)  z = MatMul(r, w) }""",
        w=normal(12, 4),
        v=normal(12, 4),
    )
    assert ops(rewritten(source)[0])["MatMul"] == 3


def test_gemms_are_merged() -> None:
    source = model(
        """g (float[b, 12] x) => (float[b, 9] y) {
        m = Gemm<transB = 1>(x, w, c)  n = Gemm<transB = 1>(x, v, d)  y = Concat<axis = 1>(m, n) }""",
        w=normal(4, 12),
        v=normal(5, 12),
        c=normal(4),
        d=normal(5),
    )
    found, _ = rewritten(source)
    assert ops(found) == {"Gemm": 1}
    assert_same(source, found, x=normal(3, 12))


def test_the_cost_rule_is_the_table() -> None:
    assert pays("onnxruntime-cpu", (64, 64, 64), biased=True)
    assert not pays("onnxruntime-cpu", (64, 64), biased=True)
    assert not pays("onnxruntime-cpu", (384, 384, 384), biased=True)
    assert not pays("onnxruntime-cpu", (64, 64, 64), biased=False)
    assert not pays("portable", (4,) * 12, biased=True)
