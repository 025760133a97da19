"""ONNX's Attention where it is legal: masks shown to be causal, keys and values that heads share."""

from collections import Counter

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx_ir.passes.common import ShapeInferencePass

from burnish_optimizer.passes.attention import ATTENTION
from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.targets.kernels import ONNXRUNTIME_CPU, PORTABLE, RewriteTarget

FUSING = next(one for one in ATTENTION if one.name == "attention")
HEADS, GROUPS, SIZE, ROWS = 6, 2, 8, 5
CONSTANTS = """<int64[4] split = {0, 0, 6, 8}, int64[4] shared = {0, 0, 2, 8}, int64[3] flat = {0, 0, 48},
int64[1] two = {2}, int64[5] times = {1, 1, 3, 1, 1}, int64[4] merged = {0, 6, 5, 8},
int64[2] square = {5, 5}, int64 k0 = {0}, int64 k1 = {1}, int64[1] w0 = {0}, float r = {2.828},
float zero = {0}, float one = {1}, float five = {5}, float low = {-1e4}>"""

MASKS = {
    "infinity above": "m = Trilu<upper = 1>(full, k1)",
    "ones below": "t = Trilu<upper = 0>(ones) e = Equal(t, zero) m = Where(e, hidden, zero)",
    "ones that stay": "t = Trilu<upper = 0>(ones) e = Equal(t, zero) m = Where(e, hidden, t)",
    "axes in front": "n = Trilu<upper = 1>(full, k1) m = Unsqueeze(n, w0)",
}
OTHER = {
    "the row's own key hidden": "m = Trilu<upper = 1>(full, k0)",
    "the lower half": "m = Trilu<upper = 0>(full)",
    "another number seen": "t = Trilu<upper = 0>(ones) e = Equal(t, zero) m = Where(e, hidden, five)",
    "a small number": "t = Trilu<upper = 0>(ones) e = Equal(t, zero) m = Where(e, low, zero)",
    "compared with another number": "t = Trilu<upper = 0>(ones) e = Equal(t, one) m = Where(e, hidden, zero)",
}
REPEATED = "{0}u = Unsqueeze({0}t, two) {0}x = Expand({0}u, times) {0}h = Reshape({0}x, merged)"


def model(mask: str, repeated: str, batch: str, value: str = REPEATED) -> onnx.ModelProto:
    """Attention of six heads over keys and values of two, at opset 23."""
    width = GROUPS * SIZE
    shared = " ".join(
        f"{side}4 = Reshape({side}, shared) {side}t = Transpose<perm = [0, 2, 1, 3]>({side}4) "
        + form.format(side)
        for side, form in (("k", repeated), ("v", value))
    )
    body = f"""q4 = Reshape(q, split) qt = Transpose<perm = [0, 2, 1, 3]>(q4) {shared}
    kT = Transpose<perm = [0, 1, 3, 2]>(kh) s = MatMul(qt, kT) ss = Div(s, r)
    full = Expand(hidden, square) ones = Expand(one, square) {mask}
    {"sm = Add(ss, m) p = Softmax(sm)" if mask else "p = Softmax(ss)"} c = MatMul(p, vh)
    ct = Transpose<perm = [0, 2, 1, 3]>(c) y = Reshape(ct, flat)"""
    rows, text = f"{batch}, {ROWS}", '<ir_version: 10, opset_import: ["" : 23]>'
    signature = f"""(float[{rows}, {HEADS * SIZE}] q, float[{rows}, {width}] k, float[{rows}, {width}] v)
    => (float[{rows}, {HEADS * SIZE}] y)"""
    made = onnx.parser.parse_model(f"{text} g {signature} {CONSTANTS} {{ {body} }}")
    hidden = onnx.numpy_helper.from_array(np.array(-np.inf, np.float32), "hidden")
    made.graph.initializer.append(hidden)
    return made


def fused(source: onnx.ModelProto, target: RewriteTarget = ONNXRUNTIME_CPU) -> ir.Model:
    made = ShapeInferencePass()(ir.from_proto(source)).model
    FUSING.apply(made, Scope(target))
    return made


def ops(made: ir.Model) -> Counter[str]:
    return Counter(node.op_type for node in made.graph)


def answers(proto: onnx.ModelProto, batch: int = 2) -> NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    random = np.random.default_rng(0)
    widths = {"q": HEADS * SIZE, "k": GROUPS * SIZE, "v": GROUPS * SIZE}
    feeds = {n: random.standard_normal((batch, ROWS, w)).astype(np.float32) for n, w in widths.items()}
    return np.asarray(onnxruntime.InferenceSession(proto.SerializeToString(), options).run(None, feeds)[0])


@pytest.mark.parametrize("mask", MASKS)
def test_causal_masks_become_an_attribute(mask: str) -> None:
    source = model(MASKS[mask], REPEATED, "2")
    made = fused(source)
    (node,) = (node for node in made.graph if node.op_type == "Attention")
    given = {name: node.attributes[name].value for name in ("is_causal", "q_num_heads", "kv_num_heads")}
    assert given == {"is_causal": 1, "q_num_heads": HEADS, "kv_num_heads": GROUPS}
    assert answers(ir.to_proto(made)) == pytest.approx(answers(source), abs=2e-6)


@pytest.mark.parametrize("mask", OTHER)
def test_other_masks_stay_masks(mask: str) -> None:
    source = model(OTHER[mask], REPEATED, "2")
    made = fused(source)
    assert ops(made)["Attention"] == 0
    assert ops(made)["MultiHeadAttention"] == 1
    found, expected = answers(ir.to_proto(made)), answers(source)
    assert np.allclose(found, expected, atol=2e-6, equal_nan=True)
    assert ops(fused(source, PORTABLE))["Attention"] == 0


def test_a_constant_mask_is_read() -> None:
    source = model("m = Identity(triangle)", REPEATED, "2")
    below = np.where(np.tri(ROWS, dtype=np.int8), 0, np.finfo(np.float32).min).astype(np.float32)
    for place, (array, causal) in enumerate(((below, 1), (below.T, 0), (np.zeros_like(below), 0))):
        proto = onnx.ModelProto.FromString(source.SerializeToString())
        proto.graph.initializer.append(onnx.numpy_helper.from_array(np.ascontiguousarray(array), "m"))
        kept = [node for node in proto.graph.node if node.output[0] != "m"]
        del proto.graph.node[:]
        proto.graph.node.extend(kept)
        assert ops(fused(proto))["Attention"] == causal, place


def test_without_a_mask_shared_heads_are_not_repeated() -> None:
    source = model("", REPEATED, "2")
    made = fused(source)
    (node,) = (node for node in made.graph if node.op_type == "Attention")
    assert (node.attributes["is_causal"].value, node.attributes["kv_num_heads"].value) == (0, GROUPS)
    assert answers(ir.to_proto(made)) == pytest.approx(answers(source), abs=2e-6)


def test_heads_that_are_repeated_otherwise_are_written_out() -> None:
    """Six heads by Tile, whose order is another: head 0 is followed by head 1, not by itself."""
    tiled = "{0}h = Tile({0}t, tiles)"
    source = model("", REPEATED, "2", tiled)
    source.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 3, 1, 1]), "tiles"))
    made = fused(source)
    (node,) = (node for node in made.graph if node.op_type == "Attention")
    assert node.attributes["kv_num_heads"].value == HEADS
    assert answers(ir.to_proto(made)) == pytest.approx(answers(source), abs=2e-6)


def test_free_sizes_keep_the_kernel_that_takes_an_empty_batch() -> None:
    source = model(MASKS["infinity above"], REPEATED, "N")
    assert ops(fused(source))["MultiHeadAttention"] == 1
    assert ops(fused(source, PORTABLE))["Attention"] == 1
    assert answers(ir.to_proto(fused(source)), batch=0).shape == (0, ROWS, HEADS * SIZE)
