"""FP64 evaluation: right by ONNX's own test data, by ONNX Runtime's kernels, and by hand."""

import math
import warnings

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx.backend.test.case.node import collect_testcases

from burnish_optimizer.errors import NoTruth
from burnish_optimizer.reference.fp64 import evaluate
from burnish_optimizer.reference.fp64_erf import erf
from support.regions import answers, excess, normal, region, truths

OPERATORS = [
    "Add", "AveragePool", "BatchNormalization", "Cast", "Celu", "Clip", "Concat", "Conv", "ConvTranspose",
    "CumSum", "DepthToSpace", "Div", "Einsum", "Elu", "Erf", "Exp", "Expand", "Gather", "Gelu", "Gemm",
    "GlobalAveragePool", "GroupNormalization", "HardSigmoid", "HardSwish", "If", "InstanceNormalization",
    "LSTM", "LayerNormalization", "LeakyRelu", "LogSoftmax", "Loop", "MatMul", "MaxPool",
    "MeanVarianceNormalization", "Mish", "Mod", "PRelu", "Pad", "Pow", "RMSNormalization", "ReduceL1",
    "ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
    "ReduceSumSquare", "Reshape", "RotaryEmbedding", "Scan", "ScatterND", "Selu", "Sigmoid", "Slice",
    "Softmax", "Softplus", "Softsign", "Split", "Sum", "Swish", "Tanh", "ThresholdedRelu", "TopK",
    "Transpose", "Trilu", "Where",
]  # fmt: skip
# To saturating 8-bit and narrower types, to strings, opset 8, and expected values that are rounded by hand.
LEFT_OUT = (
    "FLOAT8",
    "FLOAT4",
    "INT4",
    "INT2",
    "STRING",
    "scan_sum",
    "ceil_last_window",
    "seq",
    "opt",
    "e8m0",
)
X = "(float[N,24] x) => (float[N,24] y)"


@pytest.fixture(scope="module")
def node_cases():
    """ONNX's node tests by operator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reference implementation overflows on the way
        collect_testcases("Abs")
        return {name: [c for c in collect_testcases(name) if not any(w in c.name for w in LEFT_OUT)]
                for name in OPERATORS}  # fmt: skip


@pytest.mark.parametrize("operator", OPERATORS)
def test_onnx_expects_what_fp64_gives(node_cases, operator):
    assert node_cases[operator]
    for case in node_cases[operator]:
        inputs, outputs = case.data_sets[0]
        feeds = {v.name: _array(x) for v, x in zip(case.model.graph.input, inputs, strict=True)}
        found = truths(case.model, feeds)
        for value, expected in zip(case.model.graph.output, outputs, strict=True):
            _close(case.name, found[value.name], _array(expected))


def _array(value):
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def _close(name, truth, expected):
    assert truth.value.shape == expected.shape, name
    if truth.value.dtype != np.float64:
        assert np.array_equal(truth.value, expected), name
        return
    narrow = expected.dtype.itemsize < 4
    rtol, atol = (1e-2, 5e-3) if narrow else (1e-4, 1e-5)
    np.testing.assert_allclose(truth.value, expected.astype(np.float64), rtol, atol, err_msg=name)


def test_erf_is_right_to_the_last_bits():
    x = np.concatenate([np.linspace(-7, 7, 2001), np.logspace(-12, 0, 50), [0.0, np.inf, -np.inf]])
    expected = np.array([math.erf(v) for v in x])
    np.testing.assert_allclose(erf(x), expected, rtol=1e-15, atol=0)
    assert np.isnan(erf(np.array([np.nan]))).all()


H = 48
HEADS = {"q": normal(1, 2, 8, H), "k": normal(2, 2, 8, H), "v": normal(3, 2, 8, H)}
ROPE = {
    "x": normal(4, 2, 8, H),
    "p": np.tile(np.arange(8), (2, 1)),
    "c": np.cos(normal(5, 16, 6)),
    "s": np.sin(normal(5, 16, 6)),
}
NORM = {
    "x": normal(6, 2, 8, H),
    "z": normal(7, 2, 8, H),
    "g": normal(8, H),
    "b": normal(9, H),
    "d": normal(10, H),
}
QKV = "(float[2,8,48] q, float[2,8,48] k, float[2,8,48] v) => (float[2,8,48] y)"
ROPE_SIGNATURE = "(float[2,8,48] x, int64[2,8] p, float[16,6] c, float[16,6] s) => (float[2,8,48] y)"
KERNELS = {
    "gelu": ("y = com.microsoft.Gelu(x)", X, {"x": normal(0, 8, 24, scale=4)}),
    "quick-gelu": ("y = com.microsoft.QuickGelu<alpha = 1.702>(x)", X, {"x": normal(0, 8, 24, scale=4)}),
    "fast-gelu": ("y = com.microsoft.FastGelu(x, b)", "(float[N,24] x, float[24] b) => (float[N,24] y)",
                  {"x": normal(0, 8, 24), "b": normal(1, 24)}),
    "bias-gelu": ("y = com.microsoft.BiasGelu(x, b)", "(float[N,24] x, float[24] b) => (float[N,24] y)",
                  {"x": normal(0, 8, 24), "b": normal(1, 24)}),
    "fused-matmul": ("y = com.microsoft.FusedMatMul<alpha = 0.3, transB = 1>(x, w)",
                     "(float[N,24] x, float[9,24] w) => (float[N,9] y)",
                     {"x": normal(0, 8, 24), "w": normal(1, 9, 24)}),
    "fused-gemm": ('y = com.microsoft.FusedGemm<activation = "LeakyRelu", activation_alpha = 0.2>(x, w, b)',
                   "(float[N,24] x, float[24,9] w, float[9] b) => (float[N,9] y)",
                   {"x": normal(0, 8, 24), "w": normal(1, 24, 9), "b": normal(2, 9)}),
    "fused-conv": ('y = com.microsoft.FusedConv<activation = "Relu", pads = [1,1,1,1], group = 2>(x, w, b)',
                   "(float[2,4,7,7] x, float[6,2,3,3] w, float[6] b) => (float[2,6,7,7] y)",
                   {"x": normal(0, 2, 4, 7, 7), "w": normal(1, 6, 2, 3, 3), "b": normal(2, 6)}),
    "multi-head": ("y = com.microsoft.MultiHeadAttention<num_heads = 4>(q, k, v)", QKV, HEADS),
    "multi-head-causal": ("y = com.microsoft.MultiHeadAttention<num_heads = 4, unidirectional = 1>(q, k, v)",
                          QKV, HEADS),
    "packed-attention": ("y = com.microsoft.Attention<num_heads = 4>(x, w, b)",
                         "(float[2,8,48] x, float[48,144] w, float[144] b) => (float[2,8,48] y)",
                         {"x": normal(0, 2, 8, H), "w": normal(1, H, 144, scale=0.2), "b": normal(2, 144)}),
    "grouped-query": ("y, pk, pv = com.microsoft.GroupQueryAttention<num_heads = 6, kv_num_heads = 3>"
                      "(q, k, v, , , n, t)",
                      "(float[2,8,48] q, float[2,8,24] k, float[2,8,24] v, int32[2] n, int32[1] t)"
                      " => (float[2,8,48] y)",
                      {"q": HEADS["q"], "k": normal(2, 2, 8, 24), "v": normal(3, 2, 8, 24),
                       "n": np.full(2, 7, np.int32), "t": np.array([8], np.int32)}),
    "rotary": ("y = com.microsoft.RotaryEmbedding(x, p, c, s)",
               ROPE_SIGNATURE, ROPE),
    "rotary-interleaved": ("y = com.microsoft.RotaryEmbedding<interleaved = 1>(x, p, c, s)",
                           ROPE_SIGNATURE, ROPE),
    "skip-layer-norm": ("y, m, i, t = com.microsoft.SkipLayerNormalization<epsilon = 0.01>(x, z, g, b, d)",
                        "(float[2,8,48] x, float[2,8,48] z, float[48] g, float[48] b, float[48] d)"
                        " => (float[2,8,48] y, float[2,8,48] t)", NORM),
    "skip-rms-norm": ("y, m, i, t = com.microsoft.SkipSimplifiedLayerNormalization<epsilon=0.01>(x, z, g, d)",
                      "(float[2,8,48] x, float[2,8,48] z, float[48] g, float[48] d)"
                      " => (float[2,8,48] y, float[2,8,48] t)", NORM),
    "rms-norm": ("y = SimplifiedLayerNormalization<epsilon = 0.01>(x, g)",
                 "(float[2,8,48] x, float[48] g) => (float[2,8,48] y)", NORM),
    "embed-layer-norm": ("y, m = com.microsoft.EmbedLayerNormalization<epsilon = 0.01>(i, s, w, p, t, g, b)",
                         "(int32[2,8] i, int32[2,8] s, float[30,48] w, float[16,48] p, float[2,48] t,"
                         " float[48] g, float[48] b) => (float[2,8,48] y, int32[2] m)",
                         {"i": np.arange(16, dtype=np.int32).reshape(2, 8), "s": np.ones((2, 8), np.int32),
                          "w": normal(0, 30, H), "p": normal(1, 16, H), "t": normal(2, 2, H),
                          "g": normal(3, H), "b": normal(4, H)}),
}  # fmt: skip


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_of_onnxruntime_are_within_the_bound(name):
    body, signature, feeds = KERNELS[name]
    model = region(body, signature)
    taken = {v.name: feeds[v.name] for v in model.graph.input}
    assert excess(model, taken) <= 1


@pytest.mark.parametrize("shape", [(2,), (4,), (2, 8), (2, 8, 8)])
def test_masks_of_every_form_mean_what_onnxruntime_means(shape):
    lengths = {(2,): [5, 3], (4,): [7, 8, 1, 2]}
    mask = np.array(lengths.get(shape, np.random.default_rng(0).integers(0, 2, shape)), np.int32)
    mask[..., 0] = np.maximum(mask[..., 0], 1)
    dims = ",".join(map(str, shape))
    signature = f"(float[2,8,48] x, float[48,144] w, float[144] b, int32[{dims}] m) => (float[2,8,48] y)"
    model = region("y = com.microsoft.Attention<num_heads = 4>(x, w, b, m)", signature)
    feeds = {"x": normal(0, 2, 8, H), "w": normal(1, H, 144, scale=0.2), "b": normal(2, 144), "m": mask}
    assert excess(model, feeds) <= 1


def test_only_what_is_asked_for_is_computed():
    body = "y = Exp(x)  r = RandomNormalLike(x)  z = Add(r, y)"
    model = ir.from_proto(region(body, "(float[N] x) => (float[N] y, float[N] z)"))
    feeds = {"x": normal(0, 4)}
    assert list(evaluate(model, feeds, {"y"})) == ["y"]
    with pytest.raises(NoTruth):
        evaluate(model, feeds)


def test_what_is_exact_has_no_error():
    body = "a = Transpose<perm = [1, 0]>(x)  b = Relu(a)  c = Transpose<perm = [1, 0]>(b)  y = Neg(c)"
    truth = truths(region(body, X), {"x": normal(0, 3, 24)})["y"]
    assert np.array_equal(truth.error, np.abs(truth.value) * 2**-24)


def test_cancellation_makes_the_bound_grow():
    signature = "(float[N] x, float[N] z, float[N] w) => (float[N] y)"
    model = region("a = Mul(x, z)  y = Sub(a, w)", signature)
    x, z = normal(0, 50, offset=1000), normal(1, 50, offset=1000)
    near = truths(model, {"x": x, "z": z, "w": x * z})["y"]
    far = truths(model, {"x": x, "z": z, "w": np.zeros(50, np.float32)})["y"]
    assert np.all(near.error > 0.05)
    assert np.all(near.error / np.abs(near.value) > 100 * far.error / np.abs(far.value))


@pytest.mark.parametrize(("kind", "u"), [("float", 2**-24), ("float16", 2**-11), ("bfloat16", 2**-8)])
def test_the_bound_follows_the_type(kind, u):
    dtype = {"float": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}[kind]
    model = region("y = Mul(x, x)", f"({kind}[N] x) => ({kind}[N] y)")
    truth = truths(model, {"x": normal(0, 100, offset=2).astype(dtype)})["y"]
    assert truth.dtype == dtype
    np.testing.assert_allclose(truth.error / np.abs(truth.value) / u, 5, rtol=0.5)


def test_bfloat16_may_come_as_bits():
    model = region("y = Add(x, x)", "(bfloat16[N] x) => (bfloat16[N] y)")
    x = np.array([1.5, -2.25], ml_dtypes.bfloat16)
    assert truths(model, {"x": x.view(np.uint16)})["y"].value.tolist() == [3.0, -4.5]


def test_where_the_type_overflows_on_the_way_nothing_is_known():
    model = region("a = Mul(x, x)  y = Sqrt(a)", "(float[N] x) => (float[N] y)")
    truth = truths(model, {"x": np.array([3.0, 1e30], np.float32)})["y"]
    assert np.isfinite(truth.error[0])
    assert np.isinf(truth.error[1])


def test_a_pole_is_no_overflow():
    model = region("y = Div(x, z)", "(float[N] x, float[N] z) => (float[N] y)")
    truth = truths(model, {"x": np.ones(2, np.float32), "z": np.array([0.0, 2.0], np.float32)})["y"]
    assert truth.value[0] == np.inf
    assert truth.error[0] == 0


def test_functions_of_the_model_and_their_attributes():
    text = """<ir_version: 10, opset_import: ["": 20, "own": 1]>
    g (float[N] x) => (float[N] y) { y = own.shifted<by = 2.5>(x) }
    <domain: "own", opset_import: ["": 20]>
    shifted <by> (a) => (b) { c = Constant<value_float: float = @by>()  b = Add(a, c) }"""
    model = onnx.parser.parse_model(text)
    assert truths(model, {"x": np.array([1.0], np.float32)})["y"].value.tolist() == [3.5]


def test_loops_see_what_is_around_them():
    body = """n = Constant<value_int = 3>()  go = Constant<value = bool {1}>()
    k = Constant<value_float = 0.5>()
    y, all = Loop (n, go, x) <body = b (int64 i, bool c, float[N] s) => (bool o, float[N] t, float[N] each) {
        o = Identity(c)  t = Mul(s, k)  each = Identity(t) }>"""
    model = region(body, "(float[N] x) => (float[N] y, float[3,N] all)")
    feeds = {"x": np.array([8.0, 16.0], np.float32)}
    found, run = truths(model, feeds), answers(model, feeds)
    for name in ("y", "all"):
        np.testing.assert_array_equal(found[name].value, run[name])
        assert np.all(found[name].error > 0)


def test_the_same_evaluation_gives_the_same_bound():
    model = region("a = Softmax(x)  y = Mul(a, x)", X)
    one, other = (truths(model, {"x": normal(0, 5, 24)})["y"].error for _ in range(2))
    assert np.array_equal(one, other)


def test_an_output_that_is_no_tensor_has_no_truth():
    model = ir.from_proto(region("y = SequenceConstruct(x)", "(float[N] x) => (seq(float[N]) y)"))
    with pytest.raises(NoTruth, match="no tensor"):
        evaluate(model, {"x": normal(0, 4)})


@pytest.mark.parametrize(("body", "why"), [
    ("y = RandomNormalLike(x)", "random"),
    ("y = com.microsoft.SparseAttention(x)", "no definition"),
    ('y = Resize<mode = "cubic">(x, , s)  s = Constant<value_floats = [1.0, 1.0]>()', "too long"),
])  # fmt: skip
def test_what_cannot_be_evaluated_is_said(body, why):
    model = ir.from_proto(region(" ".join(reversed(body.split("  "))), X))
    with pytest.raises(NoTruth, match=why):
        evaluate(model, {"x": normal(0, 5000, 24)})


@pytest.mark.parametrize("options", ['auto_pad = "SAME_UPPER", ', "ceil_mode = 1, "])
def test_rare_variants_are_left_to_the_reference_implementation(options):
    body = f"y = AveragePool<{options}kernel_shape = [2, 2], strides = [2, 2]>(x)"
    net = region(body, "(float[1,1,5,5] x) => (float[A,B,C,D] y)")
    x = {"x": np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5)}
    np.testing.assert_allclose(truths(net, x)["y"].value, answers(net, x)["y"])


@pytest.mark.parametrize(
    ("body", "weights"),
    [
        ("y = Conv<pads = [1, 1, 1, 1]>(x, w)", (6, 4, 3, 3)),
        ("y = Conv<group = 4>(x, w)", (8, 1, 3, 3)),
        ("y = ConvTranspose(x, w)", (4, 6, 3, 3)),
    ],
)
def test_an_empty_batch_has_an_empty_truth(body, weights):
    dims = ",".join(map(str, weights))
    net = region(body, f"(float[N,4,5,5] x, float[{dims}] w) => (float[A,B,C,D] y)")
    feeds = {"x": np.zeros((0, 4, 5, 5), np.float32), "w": normal(0, *weights)}
    assert truths(net, feeds)["y"].value.shape == answers(net, feeds)["y"].shape
