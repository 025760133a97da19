"""Attention is fused in every form that exporters write, and masked rows answer as they did."""

from collections import Counter

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx_ir.passes.common import ShapeInferencePass

from burnish_optimizer.passes.attention import ATTENTION
from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.targets.kernels import ONNXRUNTIME_CPU, OPENVINO_CPU, PORTABLE, RewriteTarget
from support.attention_models import HEADS, SIZE, WIDTH, Form, attention, truth

FUSED = "MultiHeadAttention"
FUSING = next(one for one in ATTENTION if one.name == "attention")
LOWEST = float(np.finfo(np.float32).min)
Feeds = dict[str, NDArray[np.generic]]


def rewritten(form: Form, target: RewriteTarget = ONNXRUNTIME_CPU) -> tuple[ir.Model, Scope]:
    model = ShapeInferencePass()(attention(form)).model
    scope = Scope(target)
    FUSING.apply(model, scope)
    return model, scope


def ops(model: ir.Model) -> Counter[str]:
    return Counter(node.op_type for node in model.graph)


def run(model: ir.Model, feeds: Feeds) -> NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
    return np.asarray(session.run(None, feeds)[0])


def feeds_for(form: Form, batch: int = 2, rows: int = 5, keys: int = 7, mask: object = None) -> Feeds:
    random = np.random.default_rng(0)
    sides = {"q": rows, "k": keys, "v": keys}
    found: Feeds = {}
    for side, length in sides.items():
        dims = (batch, length, WIDTH) if form.rows else (batch, HEADS, length, SIZE)
        found[side] = random.standard_normal(dims).astype(np.float32)
    if form.mask == "add":
        found["mask"] = np.zeros((batch, 1, 1, keys), np.float32) if mask is None else np.asarray(mask)
    elif form.mask == "where":
        found["mask"] = random.random((batch, 1, rows, keys)) < 0.7 if mask is None else np.asarray(mask)
    return found


FORMS = {
    "scaled after": Form(),
    "scaled by a factor": Form(scale="mul"),
    "queries scaled": Form(scale="query"),
    "both scaled": Form(scale="both"),
    "keys transposed twice": Form(keys="heads"),
    "no mask": Form(mask="none"),
    "sizes computed": Form(target="shape"),
    "heads never merged": Form(merge=False),
    "heads never split": Form(rows=False),
    "neither": Form(rows=False, merge=False),
    "last axis counted from the front": Form(axis=3),
    "before opset 13": Form(opset=12, target="zeros"),
    "newest opset": Form(opset=23),
    "factor computed": Form(scale="computed"),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_becomes_one_operator(name: str) -> None:
    model, _ = rewritten(FORMS[name])
    assert ops(model)[FUSED] == 1
    assert not {"Softmax", "MatMul"} & set(ops(model))


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 5, 7), (3, 4, 4)])
def test_answers_stay_within_rounding_of_the_truth(name: str, sizes: tuple[int, int, int]) -> None:
    form = FORMS[name]
    feeds = feeds_for(form, *sizes)
    assert run(rewritten(form)[0], feeds) == pytest.approx(truth(form, feeds), abs=2e-6)


@pytest.mark.parametrize("fill", [-np.inf, LOWEST, -1e4, 3.5])
@pytest.mark.parametrize("dims", [(1, 1), (2, 1), (1, HEADS), (2, HEADS)])
def test_added_masks_keep_their_meaning(fill: float, dims: tuple[int, int]) -> None:
    """Per key, with padded keys and one batch row of which every key is masked."""
    mask = np.zeros((*dims, 1, 7), np.float32)
    mask[..., 4:] = fill
    mask[-1, -1] = fill
    feeds = feeds_for(Form(), mask=mask)
    before = run(attention(Form()), feeds)
    after = run(rewritten(Form())[0], feeds)
    assert np.array_equal(np.isnan(before), np.isnan(after))
    bound = 2e-6 + np.finfo(np.float32).eps * (abs(fill) if abs(fill) == 1e4 else 0)
    assert np.allclose(after, truth(Form(), feeds), atol=4 * bound, rtol=0, equal_nan=True)


def test_a_mask_that_is_ignored_does_not_match() -> None:
    mask = np.zeros((2, 1, 1, 7), np.float32)
    mask[..., 4:] = LOWEST
    feeds = feeds_for(Form(), mask=mask)
    unmasked = {**feeds, "mask": np.zeros_like(mask)}
    found = run(rewritten(Form())[0], unmasked)
    assert np.abs(found - truth(Form(), feeds)).max() > 1e-2


@pytest.mark.parametrize("dims", [(1, 1, 1, 7), (1, 1, 5, 7), (2, 3, 5, 7), (1, 1, 5, 1), (1, 1, 1, 1)])
def test_masks_of_every_broadcast_shape(dims: tuple[int, ...]) -> None:
    mask = np.random.default_rng(1).standard_normal(dims).astype(np.float32)
    feeds = feeds_for(Form(), mask=mask)
    assert run(rewritten(Form())[0], feeds) == pytest.approx(truth(Form(), feeds), abs=2e-6)


@pytest.mark.parametrize("fill", [-np.inf, LOWEST, -1e4])
def test_where_masks_are_left_alone_and_said_so(fill: float) -> None:
    """They hide a NaN in a masked key; a mask that is added does not."""
    found, scope = rewritten(Form(mask="where", fill=fill))
    assert ops(found)[FUSED] == 0
    assert any("Where" in reason for _, reason in scope.declined)


@pytest.mark.parametrize("scale", ["query", "both"])
def test_scaling_before_the_product_stays_there(scale: str) -> None:
    """Numbers whose product overflows unless it is scaled first."""
    form = Form(scale=scale, mask="none")
    large = np.float32(1e19)
    feeds = {side: np.full((1, 2, WIDTH), large, np.float32) for side in "qkv"}
    assert np.isfinite(run(attention(form), feeds)).all()
    assert np.isfinite(run(rewritten(form)[0], feeds)).all()
    assert not np.isfinite(run(rewritten(Form(mask="none"))[0], feeds)).any()


@pytest.mark.parametrize("form", [Form(axis=2), Form(axis=1)])
def test_softmax_over_another_axis_is_left_alone(form: Form) -> None:
    assert ops(rewritten(form)[0])[FUSED] == 0


def test_scores_that_are_an_output_are_left_alone_and_said_so() -> None:
    model = ShapeInferencePass()(attention(Form())).model
    probabilities = next(node for node in model.graph if node.op_type == "Softmax").outputs[0]
    model.graph.outputs.append(probabilities)
    scope = Scope(ONNXRUNTIME_CPU)
    assert not FUSING.apply(model, scope)
    assert scope.declined["attention", "the scores are used elsewhere too"]


def test_excluded_sites_are_left_alone() -> None:
    model = ShapeInferencePass()(attention(Form())).model
    assert not FUSING.apply(model, Scope(ONNXRUNTIME_CPU, frozenset({"y"})))


def test_portable_models_get_standard_operators_only() -> None:
    """ONNX Attention from opset 23 on, and without masks: kernels differ where every key is masked."""
    assert ops(rewritten(Form(mask="none", opset=23), PORTABLE)[0])["Attention"] == 1
    old, scope = rewritten(Form(mask="none", opset=22), PORTABLE)
    assert ops(old)["Attention"] == 0
    assert any("opset 22" in reason for _, reason in scope.declined)
    assert ops(rewritten(Form(opset=23), PORTABLE)[0])["Attention"] == 0


def test_the_standard_operator_answers_within_rounding() -> None:
    form = Form(mask="none", opset=23)
    feeds = feeds_for(form)
    assert run(rewritten(form, PORTABLE)[0], feeds) == pytest.approx(truth(form, feeds), abs=2e-6)


def layer(width: int, *, other: bool = False) -> onnx.ModelProto:
    """Projections of x (V of another input, if `other`) around attention as one operator."""
    inputs = f"float[b, s, {width}] x, float[b, s, {width}] z, float[1, 1, s, s] mask"
    lines = " ".join(
        f"{side}m = MatMul({'z' if other and side == 'v' else 'x'}, w{side}) {side} = Add({side}m, b{side})"
        for side in "qkv"
    )
    made = onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]>
        g ({inputs}) => (float[b, s, {width}] y) {{ {lines} empty = Identity(mask)
        y = com.microsoft.MultiHeadAttention<num_heads = 2, scale = 0.3>(q, k, v, , , empty) }}"""
    )
    random = np.random.default_rng(5)
    for side in "qkv":
        weight = (random.standard_normal((width, width)) / np.sqrt(width)).astype(np.float32)
        made.graph.initializer.append(numpy_helper.from_array(weight, f"w{side}"))
        bias = random.standard_normal(width).astype(np.float32)
        made.graph.initializer.append(numpy_helper.from_array(bias, f"b{side}"))
    return made


def packed(source: onnx.ModelProto, target: RewriteTarget = ONNXRUNTIME_CPU) -> ir.Model:
    model = ir.from_proto(source)
    one = next(one for one in ATTENTION if one.name == "packed-attention")
    if not one.requires(model, Scope(target)):
        one.apply(model, Scope(target))
    return model


def test_narrow_projections_go_into_the_operator() -> None:
    source = layer(16)
    found = packed(source)
    assert ops(found) == {"Attention": 1, "Identity": 1}
    random = np.random.default_rng(6)
    feeds = {name: random.standard_normal((2, 5, 16)).astype(np.float32) for name in "xz"}
    feeds["mask"] = np.triu(np.full((1, 1, 5, 5), LOWEST, np.float32), 1)
    assert run(found, feeds) == pytest.approx(run(ir.from_proto(source), feeds), abs=2e-6)
    shuffled = {**feeds, "mask": feeds["mask"][..., ::-1]}
    assert np.abs(run(found, shuffled) - run(found, feeds)).max() > 1e-2


def test_what_is_wide_or_crossed_or_elsewhere_is_not_packed() -> None:
    assert ops(packed(layer(1024)))[FUSED] == 1
    assert ops(packed(layer(16, other=True)))[FUSED] == 1
    assert ops(packed(layer(16), OPENVINO_CPU))[FUSED] == 1
