"""What a trial does not show: another one has to."""

import numpy as np
import pytest

from burnish_engine.report import Guarantee
from support.rewrite_nets import judge_of, parsed

ANY = pytest.mark.parametrize("guarantee", [Guarantee.EXACT, Guarantee.ROUNDING])


def rows(count, width=4):
    return {"x": np.random.default_rng(0).standard_normal((count, width), dtype=np.float32)}


def verdict(before, after, guarantee, signature="(float[N,4] x) => (float[N,4] y)", *, small=3):
    source = parsed(before, signature)
    judge = judge_of(source, [rows(6)], rows(small) if small else None)
    return judge.judge(source, parsed(after, signature), guarantee)


TWO = "(float[N,4] x) => (float[N,4] y, float[N,4] z)"
COUNTED = "n = Shape<start = 0, end = 1>(x) f = Cast<to = 1>(n) y = Mul(x, f) z = Max(x, x)"
FOLDED = "f = Constant<value = float[1] {6.0}>() y = Mul(x, f)"
NO_NAN = "i = IsNaN(x) o = Constant<value = float {0.0}>() z = Where(i, o, x)"


@ANY
def test_what_fails_on_small_inputs_alone_hides_no_other_mistake(guarantee):
    """The one is folded for the declared size and right there; the other forgets NaN."""
    assert verdict(COUNTED, f"{FOLDED} z = Max(x, x)", guarantee, TWO).passed
    failed = verdict(COUNTED, f"{FOLDED} {NO_NAN}", guarantee, TWO).failed
    assert [region.outputs for region in failed] == [("z",)]


@ANY
def test_what_holds_in_a_wider_cut_alone_hides_no_other_mistake(guarantee):
    """Relu(|x|) = |x| fails on numbers that no |x| is, before zeros are tried."""
    zeros = (
        "w = Abs(x) m = ReduceMax<keepdims = 0>(w) c = Constant<value = float {0.0}>() e = Equal(m, c) "
        "o = Constant<value = float {1.0}>() z = Where(e, o, x)"
    )
    before = "p = Abs(x) y = Relu(p) z = Max(x, x)"
    assert verdict(before, "p = Abs(x) y = Identity(p) z = Max(x, x)", guarantee, TWO, small=0).passed
    failed = verdict(before, f"p = Abs(x) y = Identity(p) {zeros}", guarantee, TWO, small=0).failed
    assert [region.outputs for region in failed] == [("z",)]


LAST = (
    "a = Constant<value = int64[1] {4}>() b = Constant<value = int64[1] {6}>() "
    "s = Slice(x, a, b) c = Constant<value = float {0.5}>() "
)


@ANY
def test_where_small_inputs_leave_nothing_the_declared_ones_are_tried(guarantee):
    before = f"{LAST} p = Mul(s, c) y = Mul(p, c)"
    assert verdict(before, f"{LAST} q = Constant<value = float {{0.25}}>() y = Mul(s, q)", guarantee).passed
    wrong = f"{LAST} q = Constant<value = float {{0.25001}}>() y = Mul(s, q)"
    assert not verdict(before, wrong, guarantee).passed


def branch(factor):
    return (
        "n = Shape<start = 0, end = 1>(x) l = Constant<value = int64[1] {5}>() g = Greater(n, l) "
        "k = Squeeze(g) y = If(k) <then_branch = t () => (float[N,4] r) "
        f"{{ c = Constant<value = float {{{factor}}}>() r = Mul(x, c) }}, "
        "else_branch = e () => (float[N,4] o) { o = Relu(x) }>"
    )


@ANY
def test_a_branch_that_small_inputs_do_not_take_is_tried_on_the_declared_ones(guarantee):
    assert not verdict(branch(0.25), branch(0.25001), guarantee).passed


MIXED = "(float[N,32,32] x) => (float[N,32,32] y)"
SCALED = "c = Constant<value = float {0.3}>() d = Constant<value = float {0.7}>() a = Mul(x, c) y = Mul(a, d)"
LOST = (
    "e = Constant<value = float {0.21}>() t = Constant<value = float {1e-5}>() "
    "o = Constant<value = float {0.0}>() b = Abs(x) k = Less(b, t) p = Mul(x, e) y = Where(k, o, p)"
)


def test_small_numbers_that_go_wrong_beside_large_ones_are_seen():
    source = parsed(SCALED, MIXED)
    x = np.random.default_rng(5).standard_normal((2, 32, 32), dtype=np.float32)
    judge = judge_of(source, [{"x": np.copysign(np.maximum(np.abs(x), 1e-3), x)}])
    found = judge.judge(source, parsed(LOST, MIXED), Guarantee.ROUNDING)
    assert "10^-6 to 10^6" in next(iter(found.failed.values()))


@ANY
def test_a_constant_that_is_worked_out_is_compared_though_no_taker_changed(guarantee):
    before = "c = Constant<value = float {1.0}>() y = Add(x, c)"
    after = "o = Constant<value = float {OTHER}>() c = Abs(o) y = Add(x, c)"
    assert verdict(before, after.replace("OTHER", "-1.0"), guarantee).passed
    assert not verdict(before, after.replace("OTHER", "1.00001"), guarantee).passed


def test_constants_that_no_node_takes_are_compared():
    signature = "(float[N,4] x) => (float[N,4] y, float[2] z)"
    body = "y = Relu(x) z = Constant<value = float[2] {1.0, OTHER}>()"
    right, wrong = (body.replace("OTHER", other) for other in ("2.0", "2.00001"))
    assert verdict(right, right, Guarantee.ROUNDING, signature).passed
    assert "z" in verdict(right, wrong, Guarantee.ROUNDING, signature).fault
    given = "(float[N,4] x, float[4] w) => (float[N,4] y) <float[4] w = {1, 2, 3, OTHER}>"
    one, other = (parsed("y = Add(x, w)", given.replace("OTHER", last)) for last in ("4", "4.0001"))
    assert "w" in judge_of(one, [rows(3)]).judge(one, other, Guarantee.ROUNDING).fault


@ANY
def test_sequences_at_a_cut_are_cut_around(guarantee):
    """They have no variations; what makes them may have."""
    start = "o = Constant<value = int64 {0}>() s = SequenceConstruct(x, x)"
    before = f"{start} r = SequenceAt(s, o) y = Abs(r)"
    assert verdict(before, f"{start} e = SequenceAt(s, o) n = Neg(e) y = Abs(n)", guarantee).passed
    no_nan = "i = IsNaN(e) w = Constant<value = float {0.0}>() n = Where(i, w, e)"
    assert not verdict(before, f"{start} e = SequenceAt(s, o) {no_nan} y = Abs(n)", guarantee).passed
