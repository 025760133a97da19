"""What does nothing goes; what only looks like it stays."""

import onnx
import pytest

from burnish_optimizer.passes.cleanup import CLEANUP, FOLDING
from support.exact import check, inside, parse, rewritten

F = "(float[N,3] x) => (float[N,3] y)"
S = "(float[2,3,4] x) => (float[2,3,4] y)"

GONE = {
    "identity": (F, "a = Relu(x) b = Identity(a) y = Neg(b)"),
    "cast": (F, "a = Relu(x) b = Cast<to: int = 1>(a) y = Neg(b)"),
    "cast like": (F, "a = Relu(x) b = CastLike(a, x) y = Neg(b)"),
    "transpose": (F, "a = Relu(x) b = Transpose<perm = [0, 1]>(a) y = Neg(b)"),
    "transpose 1-D": ("(float[N] x) => (float[N] y)", "a = Relu(x) b = Transpose(a) y = Neg(b)"),
    "reshape static": (S + " <int64[3] s = {2, 3, -1}>", "a = Relu(x) b = Reshape(a, s) y = Neg(b)"),
    "reshape copy": (F + " <int64[2] s = {0, -1}>", "a = Relu(x) b = Reshape(a, s) y = Neg(b)"),
    "reshape to own": (F, "a = Relu(x) s = Shape(x) b = Reshape(a, s) y = Neg(b)"),
    "flatten": (F, "a = Relu(x) b = Flatten(a) y = Neg(b)"),
    "pad": (F + " <int64[4] p = {0, 0, 0, 0}>", "a = Relu(x) b = Pad(a, p) y = Neg(b)"),
    "slice": (
        F + " <int64[2] s = {0, 0}, int64[2] e = {9223372036854775807, 3}>",
        "a = Relu(x) b = Slice(a, s, e) y = Neg(b)",
    ),
    "dropout": (F, "a = Relu(x) b = Dropout(a) y = Neg(b)"),
    "dropout not training": (
        F + " <float r = {0.5}, bool t = {0}>",
        "a = Relu(x) b = Dropout(a, r, t) y = Neg(b)",
    ),
    "expand": (F + " <int64[2] s = {1, 3}>", "a = Relu(x) b = Expand(a, s) y = Neg(b)"),
    "expand to own": (F, "a = Relu(x) s = Shape(a) b = Expand(a, s) y = Neg(b)"),
    "tile": (F + " <int64[2] s = {1, 1}>", "a = Relu(x) b = Tile(a, s) y = Neg(b)"),
    "concat": (F, "a = Relu(x) b = Concat<axis = 0>(a) y = Neg(b)"),
    "sum": (F, "a = Relu(x) b = Sum(a) c = Max(b) d = Min(c) e = Mean(d) y = Neg(e)"),
    "split": (F, "a = Relu(x) b = Split<axis = 0, num_outputs = 1>(a) y = Neg(b)"),
    "reduction": (F, "a = Relu(x) b = ReduceSum<noop_with_empty_axes = 1>(a) y = Neg(b)"),
    "where": (
        "(int32[N,3] x) => (int32[N,3] y) <bool c = {1}>",
        "a = Relu(x) b = Where(c, a, x) y = Neg(b)",
    ),
}


@pytest.mark.parametrize("name", GONE)
def test_it_goes(name):
    check(parse(*GONE[name]), (*CLEANUP, *FOLDING), Relu=1, Neg=1)


KEPT = {
    "cast that narrows": ("(float[N] x) => (int32[N] y)", "y = Cast<to: int = 6>(x)", {"Cast": 1}),
    "transpose": ("(float[2,2] x) => (float[2,2] y)", "y = Transpose(x)", {"Transpose": 1}),
    "pad of one": (
        "(float[N] x) => (float[M] y) <int64[2] p = {0, 1}>",
        "a = Neg(x) y = Pad(a, p)",
        {"Neg": 1, "Pad": 1},
    ),
    "slice up to a number": (
        "(float[N] x) => (float[M] y) <int64[1] s = {0}, int64[1] e = {3}>",
        "a = Neg(x) y = Slice(a, s, e)",
        {"Neg": 1, "Slice": 1},
    ),
    "slice backwards": (
        "(float[3] x) => (float[3] y) <int64[1] s = {-1}, int64[1] e = {-9}, int64[1] a = {0}>",
        "b = Neg(x) y = Slice(b, s, e, a, s)",
        {"Neg": 1, "Slice": 1},
    ),
    "expand that adds a dimension": (
        "(float[3] x) => (float[1,3] y) <int64[2] s = {1, 1}>",
        "a = Neg(x) y = Expand(a, s)",
        {"Neg": 1, "Expand": 1},
    ),
    "expand of two unknown sizes": (
        "(float[N,1] x, float[M,3] z) => (float[N,3] y)",
        "a = Neg(x) s = Shape(z) y = Expand(a, s)",
        {"Neg": 1, "Expand": 1, "Shape": 1},
    ),
    "where of floats": (
        "(float[4] x, float[4] z) => (float[4] y) <bool c = {1}>",
        "a = Neg(x) y = Where(c, a, z)",
        {"Neg": 1, "Where": 1},
    ),
    "where that broadcasts": (
        "(int32[1] x, int32[4] z) => (int32[4] y) <bool c = {1}>",
        "a = Neg(x) y = Where(c, a, z)",
        {"Neg": 1, "Where": 1},
    ),
    "reduction over all": (
        "(float[2,3] x) => (float[1,1] y)",
        "y = ReduceSum<noop_with_empty_axes = 0>(x)",
        {"ReduceSum": 1},
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_it_stays(name):
    signature, body, expected = KEPT[name]
    check(parse(*inside(signature, body)), (*CLEANUP, *FOLDING), Concat=1, **expected)


KEPT_AT_THE_EDGE = {
    "dropout with its mask read": (
        "(float[3] x) => (float[3] y, bool[3] m)",
        "y, m = Dropout(x)",
        {"Dropout": 1},
    ),
    "identity from input to output": ("(float[3] x) => (float[3] y)", "y = Identity(x)", {"Identity": 1}),
    "two outputs of one value": (
        "(float[3] x) => (float[3] y, float[3] z)",
        "y = Neg(x) z = Identity(y)",
        {"Identity": 1, "Neg": 1},
    ),
}


@pytest.mark.parametrize("name", KEPT_AT_THE_EDGE)
def test_it_stays_at_the_edge_of_the_graph(name):
    signature, body, expected = KEPT_AT_THE_EDGE[name]
    check(parse(signature, body), (*CLEANUP, *FOLDING), **expected)


def test_a_cast_like_forgets_what_it_is_like():
    proto = parse("(int32[N] x, float16[N] t) => (float16[N] y)", "n = Neg(t) a = CastLike(x, n) y = Abs(a)")
    check(proto, CLEANUP, Cast=1, Abs=1)


def test_domains_and_functions_that_nothing_uses_go():
    text = """<ir_version: 9, opset_import: ["" : 20, "mine" : 1, "Paddle" : 1]>
      g (float[N] x) => (float[N] y) { y = Neg(x) }
      <domain: "mine", opset_import: ["" : 20]> f (v) => (w) { w = Relu(v) }"""
    result, _ = check(onnx.parser.parse_model(text), CLEANUP, Neg=1)
    assert [o.domain for o in result.opset_import] == [""]
    assert not result.functions


def test_training_dropout_stays_and_says_why():
    proto = parse("(float[3] x, bool t) => (float[3] y) <float r = {0.5}>", "y = Dropout(x, r, t)")
    result, changes, declined = rewritten(proto, CLEANUP)
    assert not changes
    assert [n.op_type for n in result.graph.node] == ["Dropout"]
    assert ("no-dropout", "training, or not known to be inference") in declined


def test_a_branch_cannot_give_away_a_value_of_the_graph_around_it():
    body = """z = Relu(x)
      y = If(c) <then_branch = t () => (float[N] a) { a = Identity(z) },
                 else_branch = e () => (float[N] b) { b = Neg(z) }>"""
    proto = parse("(float[N] x, bool c) => (float[N] y)", body)
    check(proto, CLEANUP, Relu=1, If=1, Identity=1, Neg=1)


def test_an_overridable_default_is_no_constant():
    proto = parse("(float[3] x, int64[2] p) => (float[M] y) <int64[2] p = {0, 0}>", "y = Pad(x, p)")
    result, changes, _ = rewritten(proto, (*CLEANUP, *FOLDING))
    assert not changes
    assert [v.name for v in result.graph.input] == ["x", "p"]


def test_an_excluded_site_is_left_alone():
    proto = parse(F, "a = Relu(x) b = Identity(a) c = Identity(b) y = Neg(c)")
    result, _, _ = rewritten(proto, CLEANUP, excluded={"b"})
    assert [n.op_type for n in result.graph.node] == ["Relu", "Identity", "Neg"]


def test_a_scalar_input_of_range_is_not_made_a_constant_of_rank_1():
    proto = parse(
        "(int64[3] x) => (int64[M] y) <int64 z = {0}, int64 o = {1}, int64[1] e = {3}>",
        "a = Identity(e) b = Range(z, a, o) y = Add(b, x)",
    )
    check(proto, (*CLEANUP, *FOLDING), Identity=1, Range=1, Add=1)
