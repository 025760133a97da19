"""SmoothQuant: the same answers, outlier channels gone from the activations, nothing scaled twice."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.precision.smooth import LEAST_SCALE, scales, smooth
from support.smooth_nets import INNER, WIDTH, Net, encoder_block, gated_block

FEEDS = {"x": np.random.default_rng(1).normal(0, 1, (2, 5, WIDTH)).astype(np.float32)}


def inner(model: onnx.ModelProto, names=None, feeds=None) -> dict[str, np.ndarray]:
    """Values that nodes make."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    names = names or [name for node in copy.graph.node if node.op_type != "Constant" for name in node.output]
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return Executable(copy).run(feeds or FEEDS)


def absmax_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Of everything that a MatMul or Gemm reads first."""
    values = {**inner(model), **FEEDS}
    read = {n.input[0] for n in model.graph.node if n.op_type in ("MatMul", "Gemm")}
    return {name: np.abs(v).reshape(-1, v.shape[-1]).max(0) for name, v in values.items() if name in read}


def assert_same(model: onnx.ModelProto, other: onnx.ModelProto) -> None:
    onnx.checker.check_model(other, full_check=True)
    expected, found = (Executable(m).run(FEEDS) for m in (model, other))
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=2e-5 * np.abs(values).max(), rtol=0)


BLOCKS = {
    "post-norm": encoder_block(),
    "pre-norm": encoder_block(pre_norm=True),
    "gated": gated_block(),
}


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.85, 1.0])
@pytest.mark.parametrize("block", BLOCKS)
def test_answers_stay_within_rounding(block, alpha):
    model = BLOCKS[block]
    before = model.SerializeToString()
    found = smooth(model, absmax_of(model), alpha)
    assert model.SerializeToString() == before
    assert found.folded or found.inserted
    assert_same(model, found.model)


@pytest.mark.parametrize("block", BLOCKS)
def test_each_value_is_the_old_one_divided_and_channels_come_closer(block):
    model = BLOCKS[block]
    found = smooth(model, absmax_of(model))
    old, new = {**inner(model), **FEEDS}, inner(found.model)
    for name, (source, scale) in found.divided.items():
        np.testing.assert_allclose(new[name], old[source] / scale, rtol=1e-3, atol=1e-4)
    for source in (*found.folded, *found.inserted):
        name = next(new for new, (of, _) in found.divided.items() if of == source)
        spread_before, spread_after = (spread(values) for values in (old[source], new[name]))
        assert spread_after < spread_before


def spread(values: np.ndarray) -> float:
    most = np.abs(values).reshape(-1, values.shape[-1]).max(0)
    return float(most.max() / np.median(most))


def test_a_norm_takes_the_scale_and_no_node_is_added():
    model = BLOCKS["pre-norm"]
    found = smooth(model, absmax_of(model))
    norms = [n.output[0] for n in model.graph.node if n.op_type == "LayerNormalization"]
    assert set(norms) <= set(found.folded)
    assert len(found.model.graph.node) == len(model.graph.node) + len(found.inserted)
    assert {n.op_type for n in found.model.graph.node} == {n.op_type for n in model.graph.node}


def test_a_residual_keeps_its_value_and_gets_a_multiplication():
    """Post-norm: the norm's value also goes around the block."""
    model = BLOCKS["post-norm"]
    found = smooth(model, absmax_of(model))
    norm = next(n.output[0] for n in model.graph.node if n.op_type == "LayerNormalization")
    assert norm in found.inserted
    without = smooth(model, absmax_of(model), insert=False)
    assert without.skipped[norm] == "cannot be folded: it has other readers"
    assert without.inserted == ()
    assert_same(model, without.model)


def test_readers_of_one_activation_share_one_scale():
    model = BLOCKS["post-norm"]
    norm = next(n.output[0] for n in model.graph.node if n.op_type == "LayerNormalization")
    found = smooth(model, {norm: absmax_of(model)[norm]})
    added = [n for n in found.model.graph.node if n.op_type == "Mul" and norm in n.input]
    assert len(added) == 1
    assert sum(added[0].output[0] in n.input for n in found.model.graph.node) == 3


def test_a_gate_folds_into_one_side_through_its_relu():
    model = BLOCKS["gated"]
    found = smooth(model, absmax_of(model))
    assert not found.inserted
    assert not found.skipped


def test_a_shared_weight_is_scaled_for_each_reader_by_itself():
    """One matrix behind two activations, and given out as well: the original stays for whom it is."""
    net = Net()
    shared = net.constant(WIDTH, WIDTH)
    first, second = (net.op("MatMul", net.norm("x"), shared) for _ in range(2))
    model = net.model([net.op("Add", first, second), net.op("Identity", shared)])
    found = smooth(model, absmax_of(model))
    assert len(found.folded) == 2
    assert_same(model, found.model)
    assert shared in {t.name for t in found.model.graph.initializer}


def test_a_weight_that_nobody_reads_any_more_is_gone():
    model = BLOCKS["gated"]
    found = smooth(model, absmax_of(model))
    assert len(found.model.graph.initializer) == len(model.graph.initializer)


@pytest.mark.parametrize("transposed", [0, 1])
@pytest.mark.parametrize("bias", ["row", "number", "matrix", "none"])
def test_gemm_takes_and_gives_scales(transposed, bias):
    net = Net()
    rows = net.op("Reshape", "x", net.constant(2))
    net.weights["c0"] = np.array([-1, WIDTH], np.int64)
    shape = {"row": (INNER,), "number": (1,), "matrix": (10, INNER)}
    size = (INNER, WIDTH) if transposed else (WIDTH, INNER)
    extra = [net.constant(*shape[bias])] if bias in shape else []
    options = {"transB": transposed, "alpha": 0.5, "beta": 2.0}
    hidden = net.op("Relu", net.op("Gemm", net.norm(rows), net.constant(*size), *extra, **options))
    last = net.op("Gemm", hidden, net.constant(*reversed(size)), net.constant(WIDTH), **options)
    model = net.model([last])
    found = smooth(model, absmax_of(model))
    assert len(found.folded) == 2
    assert_same(model, found.model)


def test_sub_and_div_are_folded_too():
    net = Net()
    value = net.op("Sub", net.constant(WIDTH), net.op("Div", "x", net.constant(WIDTH)))
    model = net.model([net.op("MatMul", value, net.constant(WIDTH, WIDTH))])
    found = smooth(model, absmax_of(model))
    assert found.folded == (value,)
    assert_same(model, found.model)


def test_what_a_body_reads_keeps_its_value():
    net = Net()
    normal = net.norm("x")
    product = net.op("MatMul", normal, net.constant(WIDTH, WIDTH))
    body = helper.make_graph(
        [helper.make_node("Neg", [normal], ["inside"])],
        "body",
        [],
        [helper.make_tensor_value_info("inside", TensorProto.FLOAT, ["N", "S", WIDTH])],
    )
    condition = net.constant()
    net.weights[condition] = np.array(True)
    chosen = net.op("If", condition, then_branch=body, else_branch=body)
    model = net.model([product, chosen])
    found = smooth(model, absmax_of(model))
    assert found.inserted == (normal,)
    assert_same(model, found.model)


def test_dead_channels_are_left_alone():
    found = scales(np.array([0, 4, 4, np.inf, 1e-30]), np.array([1, 0, 1, 1, 1e30]), 0.5)
    np.testing.assert_array_equal(found, [1, 1, 2, 1, LEAST_SCALE])


def test_an_alpha_moves_nothing_or_all():
    absmax, weights = np.array([8.0, 2.0]), np.array([4.0, 0.5])
    np.testing.assert_allclose(scales(absmax, weights, 1.0), absmax)
    np.testing.assert_allclose(scales(absmax, weights, 0.0), 1 / weights)
    with pytest.raises(ValueError, match="alpha 2"):
        smooth(BLOCKS["gated"], {}, 2)


def test_reasons_are_told():
    model = BLOCKS["post-norm"]
    found = smooth(model, {"x": np.ones(WIDTH), "v0": np.ones(3), "nothing": np.ones(2)})
    assert found.skipped["x"] == "read by no MatMul or Gemm with a constant matrix in memory"
    assert found.skipped["v0"] == "3 channels, and matrices of another size"
    assert "nothing" in found.skipped
    assert not found.folded


@pytest.mark.parametrize("kind", ["FLOAT16", "DOUBLE"])
def test_other_floats_keep_their_type(kind):
    number = getattr(TensorProto, kind)
    block = encoder_block if kind == "FLOAT16" else gated_block  # ONNX Runtime has no Erf for double
    model = block()
    del model.graph.value_info[:]
    dtype = helper.tensor_dtype_to_np_dtype(number)
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(dtype), tensor.name))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = number
    absmax = absmax_of(block())
    found = smooth(model, absmax)
    feeds = {"x": FEEDS["x"].astype(dtype)}
    before, after = (Executable(m).run(feeds) for m in (model, found.model))
    tolerance = 0.05 if kind == "FLOAT16" else 1e-12
    for name, values in before.items():
        assert after[name].dtype == dtype
        assert np.abs(after[name] - values).max() <= tolerance * np.abs(values).max()


def test_what_float16_cannot_hold_is_skipped():
    net = Net()
    model = net.model([net.op("MatMul", "x", net.constant(WIDTH, WIDTH))])
    weight = model.graph.initializer[0]
    huge = np.full((WIDTH, WIDTH), 6e4, np.float16)
    weight.CopyFrom(numpy_helper.from_array(huge, weight.name))
    found = smooth(model, {"x": np.full(WIDTH, 6e4)}, alpha=1.0)
    assert found.skipped == {"x": "the weights' type cannot hold the scaled ones"}
    assert found.model.SerializeToString() == model.SerializeToString()
