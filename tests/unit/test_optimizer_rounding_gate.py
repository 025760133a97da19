"""The gate of rounding passes: right fusions hold at every magnitude, wrong ones do not."""

import numpy as np
import pytest

from burnish_optimizer.gates.rounding import disagreement
from burnish_optimizer.reference.fp64 import Truth
from support.regions import answers, normal, region, verdict

N, H = 32, 192
X = f"(float[N,{H}] x) => (float[N,{H}] y)"
NORMED = f"(float[N,{H}] x, float[{H}] w, float[{H}] b) => (float[N,{H}] y)"
LINEAR = f"(float[N,{H}] x, float[{H},32] w, float[32] b) => (float[N,32] y)"
TENSORS = "(float[1,8,12,12] x, {}) => (float[1,16,12,12] y)"
BATCH_NORM = TENSORS.format("float[16,8,3,3] w, float[16] s, float[16] b, float[16] m, float[16] v")
FOLDED = TENSORS.format("float[16,8,3,3] w2, float[16] b2")
ATTENTION = "(float[2,16,48] q, float[2,16,48] k, float[2,16,48] v, float[2,4,16,16] a) => (float[2,16,48] y)"
HEADS = """t = Constant<value_ints = [0,0,4,12]>()  f = Constant<value_ints = [0,0,48]>()
    c = Constant<value_float = 0.288675135>()
    qr = Reshape(q, t)  kr = Reshape(k, t)  vr = Reshape(v, t)
    qt = Transpose<perm = [0,2,1,3]>(qr)  kt = Transpose<perm = [0,2,3,1]>(kr)
    vt = Transpose<perm = [0,2,1,3]>(vr)
    l = MatMul(qt, kt)  ls = Mul(l, c)  lm = Add(ls, a)  p = Softmax(lm)
    o = MatMul(p, vt)  ot = Transpose<perm = [0,2,1,3]>(o)  y = Reshape(ot, f)"""
SCALES = (1.0, 1e-3, 1e-6, 1e3, 1e6, 1e18)


def layer_norm(epsilon):
    """LayerNormalization in primitives."""
    return f"""n = Constant<value_ints = [-1]>()  two = Constant<value_float = 2.0>()
    e = Constant<value_float = {epsilon}>()
    m = ReduceMean(x, n)  d = Sub(x, m)  p = Pow(d, two)  v = ReduceMean(p, n)
    ve = Add(v, e)  s = Sqrt(ve)  q = Div(d, s)  g = Mul(q, w)  y = Add(g, b)"""


GELU = """r = Constant<value_float = 1.41421354>()  one = Constant<value_float = 1.0>()
    half = Constant<value_float = 0.5>()
    a = Div(x, r)  e = Erf(a)  f = Add(e, one)  h = Mul(x, f)  y = Mul(h, half)"""
MATMUL = "m = MatMul(x, w)  y = Add(m, b)"
CONV = "c = Conv<pads = [1,1,1,1]>(x, w)  n = BatchNormalization(c, s, b, m, v)  y = Relu(n)"
FUSED = 'y = com.microsoft.FusedConv<pads = [1,1,1,1], activation = "Relu">(x, w2, b2)'
PAIRS = {
    "layer-norm": (NORMED, layer_norm("0.00001"), NORMED,
                   "y = LayerNormalization<epsilon = 0.00001>(x, w, b)"),
    "gelu": (X, GELU, X, "y = Gelu(x)"),
    "gelu-contrib": (X, GELU, X, "y = com.microsoft.Gelu(x)"),
    "gemm": (LINEAR, MATMUL, LINEAR, "y = Gemm(x, w, b)"),
    "conv-batch-norm": (BATCH_NORM, CONV, FOLDED, FUSED),
    "skip": (NORMED, "t = Add(x, x)  y = LayerNormalization<epsilon = 0.00001>(t, w, b)",
             NORMED, "y = com.microsoft.SkipLayerNormalization<epsilon = 0.00001>(x, x, w, b)"),
    "hard-swish": (X, """three = Constant<value_float = 3.0>()  zero = Constant<value_float = 0.0>()
        six = Constant<value_float = 6.0>()
        a = Add(x, three)  c = Clip(a, zero, six)  d = Div(c, six)  y = Mul(x, d)""", X, "y = HardSwish(x)"),
    "reassociated": (X, "a = Add(x, x)  y = Mul(a, x)", X, "a = Mul(x, x)  y = Add(a, a)"),
}  # fmt: skip
WRONG = {
    "epsilon 1e-6 for 1e-5": (NORMED, layer_norm("0.00001"), NORMED,
                              "y = LayerNormalization<epsilon = 0.000001>(x, w, b)"),
    "epsilon 1e-5 for 1e-12": (NORMED, layer_norm("0.000000000001"), NORMED,
                               "y = LayerNormalization<epsilon = 0.00001>(x, w, b)"),
    "tanh for erf": (X, GELU, X, 'y = Gelu<approximate = "tanh">(x)'),
    "sigmoid for erf": (X, GELU, X, "y = com.microsoft.QuickGelu<alpha = 1.702>(x)"),
    "lost bias": (LINEAR, MATMUL, LINEAR, "y = MatMul(x, w)"),
    "narrowed inside": (LINEAR, MATMUL, LINEAR,
                        "h = Cast<to = 10>(x)  z = Cast<to = 1>(h)  y = Gemm(z, w, b)"),
    "narrowed to bfloat16": (LINEAR, MATMUL, LINEAR,
                             "m = Gemm(x, w, b)  h = Cast<to = 16>(m)  y = Cast<to = 1>(h)"),
    "lost Relu": (BATCH_NORM, CONV, FOLDED, "y = Conv<pads = [1,1,1,1]>(x, w2, b2)"),
    "lost mask": (ATTENTION, HEADS, ATTENTION,
                  "y = com.microsoft.MultiHeadAttention<num_heads = 4>(q, k, v)"),
    "scale off by 1 %": (ATTENTION, HEADS, ATTENTION,
                         "y = com.microsoft.MultiHeadAttention<num_heads = 4, scale=0.2857>(q, k, v, , , a)"),
}  # fmt: skip


def feeds(scale, offset=0.0):
    """Inputs of elementwise pairs and normalizations."""
    return {
        "x": normal(0, N, H, scale=scale, offset=offset * scale),
        "w": normal(1, H, offset=1.0),
        "b": normal(2, H, scale=0.1),
    }


def linear_feeds(scale):
    """The bias is a thousandth of what it is added to."""
    return {
        "x": normal(0, N, H, scale=scale),
        "w": normal(1, H, 32, scale=0.1),
        "b": normal(2, 32, scale=1e-3 * scale),
    }


def conv_feeds(scale):
    """w2 and b2 are what BatchNormalization makes of w."""
    given = {"x": normal(0, 1, 8, 12, 12, scale=scale), "w": normal(1, 16, 8, 3, 3, scale=0.1),
             "s": normal(2, 16), "b": normal(3, 16), "m": normal(4, 16, scale=scale),
             "v": (np.square(normal(5, 16)) * scale**2 + 1e-3).astype(np.float32)}  # fmt: skip
    factor = given["s"] / np.sqrt(given["v"].astype(np.float64) + np.float32(1e-5))
    given["w2"] = (given["w"] * factor[:, None, None, None]).astype(np.float32)
    given["b2"] = (given["b"] - given["m"] * factor).astype(np.float32)
    return given


def attention_feeds(scale):
    """The last third of the keys is masked."""
    mask = np.zeros((2, 4, 16, 16), np.float32)
    mask[..., 11:] = -10000
    return {n: normal(i, 2, 16, 48, scale=scale) for i, n in enumerate("qkv")} | {"a": mask}


def feeds_of(signature, scale):
    """The feeds that fit a signature."""
    makers = {LINEAR: linear_feeds, BATCH_NORM: conv_feeds, ATTENTION: attention_feeds}
    return makers.get(signature, feeds)(scale)


def judged(pair, scale):
    """The verdict on one pair."""
    signature, before, other, after = pair
    return verdict(region(before, signature), region(after, other), feeds_of(signature, scale))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", PAIRS)
def test_right_fusions_hold(name, scale):
    assert judged(PAIRS[name], scale) is None


@pytest.mark.parametrize("offset", [10, 1000])
def test_normalization_far_from_zero_holds(offset):
    signature, before, _, after = PAIRS["layer-norm"]
    assert verdict(region(before, signature), region(after, signature), feeds(1.0, offset)) is None


@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0])
def test_fused_attention_holds(scale):
    fused = "y = com.microsoft.MultiHeadAttention<num_heads = 4>(q, k, v, , , a)"
    assert judged((ATTENTION, HEADS, ATTENTION, fused), scale) is None


@pytest.mark.parametrize("name", WRONG)
def test_wrong_fusions_are_caught_on_plain_values(name):
    said = judged(WRONG[name], 1.0)
    assert said
    assert "FP64" in said


def test_odd_numbers_hold_through_a_fusion():
    x = np.tile(np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, 3e38, -3e38], np.float32), (2, H // 8))
    for name in ("gelu", "gelu-contrib", "hard-swish"):
        signature, before, _, after = PAIRS[name]
        assert verdict(region(before, signature), region(after, signature), {"x": x}) is None


def test_infinities_beside_the_largest_numbers_may_overflow_in_another_order():
    signature = "(float[N,2] x, float[2,1] w) => (float[N,1] y)"
    before = region("k = Constant<value_float = 100.0>()  m = MatMul(x, w)  y = Mul(m, k)", signature)
    folded = region("k = Constant<value_float = 100.0>()  v = Mul(w, k)  y = MatMul(x, v)", signature)
    x = np.array([[-np.inf, 3e38], [-np.inf, 1.0], [2.0, 1.0]], np.float32)
    feeds = {"x": x, "w": np.full((2, 1), 0.5, np.float32)}
    assert np.isnan(answers(folded, feeds)["y"][0, 0])
    assert verdict(before, folded, feeds) is None


def test_swallowed_nan_is_caught():
    signature = "(float[N] x) => (float[N] y)"
    lost = "z = Constant<value_float = 0.0>()  n = IsNaN(x)  k = Where(n, z, x)  y = Mul(k, k)"
    x = np.array([1.0, np.nan, 2.0], np.float32)
    said = verdict(region("y = Mul(x, x)", signature), region(lost, signature), {"x": x})
    assert said
    assert "1 of 3 elements: found 0 where FP64 gives nan" in said


def truth(values, error=1e-7, dtype=np.float32):
    """A truth with one bound for all elements."""
    exact = np.array(values, np.float64)
    return Truth(exact, np.full(exact.shape, error), np.dtype(dtype))


def said(found, source, exact):
    """The gate's word on float32 lists."""
    return disagreement(np.array(found, np.float32), np.array(source, np.float32), exact)


@pytest.mark.parametrize(("found", "source", "exact", "holds"), [
    ([np.nan], [np.nan], [np.nan], True),
    ([1.0], [np.nan], [np.nan], False),
    ([np.nan], [1.0], [1.0], False),
    ([np.inf], [np.inf], [np.inf], True),
    ([-np.inf], [np.inf], [np.inf], False),
    ([np.nan], [np.inf], [np.inf], False),
    ([np.inf], [1.0], [1.0], False),
    ([np.inf], [np.inf], [1e39], True),
    ([0.0], [np.inf], [1e39], False),
    ([1.0], [np.nan], [1.0], True),
    ([3.0], [np.nan], [1.0], False),
    ([0.0], [np.nan], [np.nan], False),
    ([0.5], [0.5], [np.nan], True),
    ([0.0], [-0.0], [0.0], True),
    ([0.0], [1e-41], [1e-41], True),
    ([0.0], [1e-30], [1e-30], False),
])  # fmt: skip
def test_numbers_that_are_not_ordinary(found, source, exact, holds):
    assert (said(found, source, truth(exact, error=0.0)) is None) is holds


def test_worse_than_the_original_and_beyond_the_bound():
    exact = truth([1.0, 1.0])
    assert said([1.0, 1.0 + 1e-6], [1.0, 1.0], exact)
    assert said([1.0, 1.0 + 1e-6], [1.0, 1.0 - 1e-6], exact) is None


def test_where_nothing_is_known_anything_holds():
    assert said([np.nan, 5.0], [1.0, 2.0], truth([1.0, 2.0], error=np.inf)) is None


def test_small_errors_that_all_have_one_sign_are_systematic():
    values = np.linspace(1, 2, 4000)
    source = values.astype(np.float32)
    off = (values + 4e-7).astype(np.float32)
    assert "systematic" in (disagreement(off, source, truth(values, error=1e-6)) or "")
    assert disagreement(off[:2], source[:2], truth(values[:2], error=1e-6)) is None


def test_a_few_of_many_elements_may_be_beyond_an_estimated_bound():
    values = np.ones(3000)
    found, source = values.astype(np.float32), values.astype(np.float32)
    found[7] += 2.5e-6
    assert disagreement(found, source, truth(values, error=1e-6)) is None
    found[7] += 2e-6
    assert "1 of 3000" in (disagreement(found, source, truth(values, error=1e-6)) or "")


def test_types_shapes_and_integers_are_exact():
    exact = Truth(np.array([1, 2]), np.zeros(2), np.dtype(np.int64))
    ints = np.array([1, 2])
    assert disagreement(ints, ints, exact) is None
    assert disagreement(ints + 1, ints, exact) == "2 of 2 elements differ, where nothing is rounded"
    assert "int32[2]" in (disagreement(ints.astype(np.int32), ints, exact) or "")
    assert "int64[1]" in (disagreement(ints[:1], ints, exact) or "")
