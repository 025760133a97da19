"""Arithmetic and pairs: exact for NaN, infinities, both zeros, or not at all."""

import pytest

from burnish_optimizer.passes.cleanup import CLEANUP, FOLDING
from support.exact import check, inside, parse

F = "(float[N,3] x) => (float[N,3] y)"
I = "(int32[N,3] x) => (int32[N,3] y)"  # noqa: E741
B = "(bool[N] x) => (bool[N] y)"

GONE = {
    "x + -0.0": (F + " <float c = {-0.0}>", "a = Add(x, c) y = Relu(a)", {"Relu": 1}),
    "x - 0.0": (F + " <float c = {0.0}>", "a = Sub(x, c) y = Neg(a)", {"Neg": 1}),
    "x * 1": (F + " <float[3] c = {1, 1, 1}>", "a = Mul(c, x) y = Neg(a)", {"Neg": 1}),
    "x / 1": (F + " <float[1,1] c = {1}>", "a = Div(x, c) y = Neg(a)", {"Neg": 1}),
    "x ** 1": (F + " <float c = {1}>", "a = Pow(x, c) y = Neg(a)", {"Neg": 1}),
    "int + 0": (I + " <int32 c = {0}>", "a = Add(c, x) y = Neg(a)", {"Neg": 1}),
    "or false": (B + " <bool c = {0}>", "a = Or(x, c) b = Xor(a, c) y = Not(b)", {"Not": 1}),
    "and true": (B + " <bool c = {1}>", "a = And(c, x) y = Not(a)", {"Not": 1}),
    "not not": (B, "a = Not(x) b = Not(a) y = Not(b)", {"Not": 1}),
    "neg neg": (F, "a = Neg(x) b = Neg(a) y = Relu(b)", {"Relu": 1}),
    "relu relu": (F, "a = Relu(x) y = Relu(a)", {"Relu": 1}),
    "abs abs": (F, "a = Abs(x) y = Abs(a)", {"Abs": 1}),
    "sign sign": (F, "a = Sign(x) y = Sign(a)", {"Sign": 1}),
    "abs neg": (F, "a = Neg(x) y = Abs(a)", {"Abs": 1}),
    "roundings": (F, "a = Ceil(x) b = Floor(a) c = Round(b) y = Neg(c)", {"Ceil": 1, "Neg": 1}),
    "round floor": (F, "a = Round(x) y = Floor(a)", {"Round": 1}),
    "clip clip": (F + " <float l = {-1}, float h = {2}>", "a = Clip(x, l, h) y = Clip(a, l, h)", {"Clip": 1}),
    "wider clip": (
        F + " <float l = {1}, float h = {2}, float w = {9}>",
        "a = Clip(x, l, h) b = Clip(a, , w) y = Relu(b)",
        {"Clip": 1},
    ),
    "transpose transpose": (
        "(float[N,3,4] x) => (float[N,3,4] y)",
        "a = Transpose<perm = [2,0,1]>(x) b = Transpose<perm = [1,2,0]>(a) y = Neg(b)",
        {"Neg": 1},
    ),
    "transposes that are one": (
        "(float[N,3,4] x) => (float[3,4,N] y)",
        "a = Transpose<perm = [2,0,1]>(x) y = Transpose<perm = [2,0,1]>(a)",
        {"Transpose": 1},
    ),
    "transposes of two orders": (
        "(float[2,3,4] x) => (float[3,4,2] y)",
        "a = Transpose<perm = [1,0,2]>(x) y = Transpose<perm = [0,2,1]>(a)",
        {"Transpose": 1},
    ),
    "reshape reshape": (
        "(float[N,3,4] x) => (float[M,6] y) <int64[2] s = {-1, 4}, int64[2] t = {-1, 6}>",
        "a = Reshape(x, s) y = Reshape(a, t)",
        {"Reshape": 1},
    ),
    "reshape back": (
        "(float[2,3,4] x) => (float[2,3,4] y) <int64[1] s = {-1}, int64[3] t = {2, 3, 4}>",
        "a = Reshape(x, s) b = Reshape(a, t) y = Neg(b)",
        {"Neg": 1},
    ),
    "a known size between": (
        "(float[N,M,2] x) => (float[A,1,2] y) <int64[2] s = {-1, 2}, int64[3] t = {0, -1, 2}>",
        "a = Reshape(x, s) y = Reshape(a, t)",
        {"Reshape": 1},
    ),
    "reshape that keeps the first": (
        "(float[N,M,2] x) => (float[A,B,2] y) <int64[2] s = {0, -1}, int64[3] t = {0, -1, 2}>",
        "a = Reshape(x, s) y = Reshape(a, t)",
        {"Reshape": 1},
    ),
    "flatten reshape": (
        "(float[N,3,4] x) => (float[M,2] y) <int64[2] s = {-1, 2}>",
        "a = Flatten<axis = 1>(x) y = Reshape(a, s)",
        {"Reshape": 1},
    ),
    "unsqueeze squeeze": (
        F + " <int64[1] s = {-1}, int64[1] t = {2}>",
        "a = Unsqueeze(x, s) b = Squeeze(a, t) y = Neg(b)",
        {"Neg": 1},
    ),
    "squeeze unsqueeze": (
        "(float[N,1,3] x) => (float[N,1,3] y) <int64[1] s = {1}>",
        "a = Squeeze(x, s) b = Unsqueeze(a, s) y = Neg(b)",
        {"Neg": 1},
    ),
    "unsqueeze unsqueeze": (
        "(float[N,M] x) => (float[N,1,M,1] y) <int64[1] s = {2}, int64[1] t = {1}>",
        "a = Unsqueeze(x, s) y = Unsqueeze(a, t)",
        {"Unsqueeze": 1},
    ),
    "squeeze squeeze": (
        "(float[1,N,1,M] x) => (float[N,M] y) <int64[1] s = {0}, int64[1] t = {1}>",
        "a = Squeeze(x, s) y = Squeeze(a, t)",
        {"Squeeze": 1},
    ),
    "cast there and back": (
        "(float16[N] x) => (float16[N] y)",
        "a = Cast<to = 1>(x) b = Cast<to = 10>(a) y = Neg(b)",
        {"Neg": 1},
    ),
    "ints there and back": (I, "a = Cast<to = 7>(x) b = Cast<to = 6>(a) y = Neg(b)", {"Neg": 1}),
    "bool there and back": (B, "a = Cast<to = 6>(x) b = Cast<to = 9>(a) y = Not(b)", {"Not": 1}),
    "cast by way of": ("(bool[N] x) => (float[N] y)", "a = Cast<to = 6>(x) y = Cast<to = 1>(a)", {"Cast": 1}),
}


@pytest.mark.parametrize("name", GONE)
def test_it_is_less(name):
    signature, body, expected = GONE[name]
    check(parse(signature, body), (*CLEANUP, *FOLDING), **expected)


KEPT = {
    "x + 0.0": (F + " <float c = {0.0}>", "y = Add(x, c)", {"Add": 1}),
    "x - -0.0": (F + " <float c = {-0.0}>", "y = Sub(x, c)", {"Sub": 1}),
    "0 - x": (F + " <float c = {0.0}>", "y = Sub(c, x)", {"Sub": 1}),
    "1 / x": (F + " <float c = {1}>", "y = Div(c, x)", {"Div": 1}),
    "x * 0": (F + " <float c = {0}>", "y = Mul(x, c)", {"Mul": 1}),
    "1 of another shape": (
        "(float[3] x) => (float[2,3] y) <float[2,1] c = {1, 1}>",
        "a = Neg(x) y = Mul(a, c)",
        {"Neg": 1, "Mul": 1},
    ),
    "1 that broadcasts a 1": (
        "(float[N,1] x) => (float[N,3] y) <float[3] c = {1, 1, 1}>",
        "a = Neg(x) y = Mul(a, c)",
        {"Neg": 1, "Mul": 1},
    ),
    "narrower clip": (
        F + " <float l = {-1}, float h = {2}, float n = {1}>",
        "a = Clip(x, l, h) y = Clip(a, l, n)",
        {"Clip": 2},
    ),
    "bounds that cross": (
        F + " <float l = {2}, float h = {1}, float w = {9}, float v = {-9}>",
        "a = Clip(x, l, h) y = Clip(a, v, w)",
        {"Clip": 2},
    ),
    "ceil of abs": (F, "a = Abs(x) y = Ceil(a)", {"Abs": 1, "Ceil": 1}),
    "cast that loses": (F, "a = Cast<to = 10>(x) y = Cast<to = 1>(a)", {"Cast": 2}),
    "cast that wraps": (I, "a = Cast<to = 3>(x) y = Cast<to = 6>(a)", {"Cast": 2}),
    "float to int by way of double": (
        "(float[N] x) => (int32[N] y)",
        "a = Cast<to = 11>(x) y = Cast<to = 6>(a)",
        {"Cast": 2},
    ),
    "transposes that are not inverse": (
        "(float[3,3,3] x) => (float[3,3,3] y)",
        "a = Transpose<perm = [1,2,0]>(x) b = Neg(a) y = Transpose<perm = [1,2,0]>(b)",
        {"Transpose": 2, "Neg": 1},
    ),
    "squeeze of what is found": (
        "(float[1,N,1] x) => (float[1,N,1] y) <int64[2] s = {0, 2}>",
        "a = Squeeze(x) b = Neg(a) y = Unsqueeze(b, s)",
        {"Squeeze": 1, "Neg": 1, "Unsqueeze": 1},
    ),
    "reshape that copies another size than x has": (
        "(float[N,M,K] x) => (float[A,B,C] y) <int64[3] p = {0, -1, 1}>",
        "a = Flatten<axis = 2>(x) y = Reshape(a, p)",
        {"Flatten": 1, "Reshape": 1},
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_it_stays(name):
    signature, body, expected = KEPT[name]
    check(parse(*inside(signature, body)), CLEANUP, Concat=1, **expected)
