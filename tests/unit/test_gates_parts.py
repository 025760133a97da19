"""A change that rounds is cut in parts at values both sides make; where one fails, the whole is tried."""

import numpy as np
import pytest

from burnish_engine.report import Guarantee
from burnish_optimizer.gates.cut import Cut
from burnish_optimizer.gates.diff import parts, regions
from burnish_optimizer.gates.kin import shares
from burnish_optimizer.gates.view import view
from support.rewrite_nets import judge_of, parsed

ROWS = {"x": np.random.default_rng(0).standard_normal((3, 4), dtype=np.float32)}
# Two changes, one behind the other: 0.3 · 0.7 = 0.21, and x · x = x².
BEFORE = (
    "c = Constant<value = float {0.3}>() d = Constant<value = float {0.7}>() "
    "t = Constant<value = float {2.0}>() p = Mul(x, c) b = Mul(p, d) y = Mul(b, b)"
)
AFTER = "e = Constant<value = float {0.21}>() t = Constant<value = float {2.0}>() b = Mul(x, e) y = Pow(b, t)"


def changed(before, after):
    views = view(parsed(before)), view(parsed(after))
    return [part for region in regions(*views) for part in parts(region, *views)], views


def verdict(before, after, **options):
    source = parsed(before)
    return judge_of(source, [ROWS]).judge(source, parsed(after), Guarantee.ROUNDING, **options)


def test_what_both_sides_make_under_one_name_is_where_to_cut():
    found, _ = changed(BEFORE, AFTER)
    assert [(sorted(one.before), sorted(one.after), one.outputs) for one in found] == [
        (["b", "p"], ["b"], ("b",)),
        (["y"], ["y"], ("y",)),
    ]
    assert [one.taken for one in found] == [frozenset(), frozenset({"b"})]


def test_every_part_is_tried_on_what_was_captured_at_its_cut():
    held = verdict(BEFORE, AFTER)
    assert held.passed
    assert held.regions == 2


@pytest.mark.parametrize("wrong", [AFTER.replace("0.21", "0.2101"), AFTER.replace("{2.0}", "{2.001}")])
def test_a_part_that_is_wrong_is_seen(wrong):
    assert not verdict(BEFORE, wrong).passed


def test_two_wrongs_that_cancel_each_other_are_no_two_rights_but_one():
    """Each part is wrong, the whole is right: the whole is what counts."""
    before = "c = Constant<value = float {4.0}>() b = Mul(x, c) y = Div(b, c)"
    after = "c = Constant<value = float {4.0}>() b = Div(x, c) y = Mul(b, c)"
    found, _ = changed(before, after)
    assert len(found) == 2
    assert verdict(before, after).passed


def test_parts_that_do_not_take_the_same_are_not_cut():
    before = "b = Relu(x) y = Sigmoid(b)"
    after = "b = Relu(x) s = Sigmoid(x) z = Relu(s) y = Max(z, b)"
    found, _ = changed(before, after)
    assert all(not one.taken for one in found)
    crossed, _ = changed("b = Abs(x) y = Neg(b)", "y = Neg(x) b = Relu(y)")
    assert len(crossed) == 1


def test_shares_keep_kin_together_and_leave_nothing_out():
    body = "a = Neg(x) b = Neg(a) c = Exp(b) d = Neg(c) y = Exp(d)"
    other = "a = Abs(x) b = Abs(a) c = Log(b) d = Abs(c) y = Log(d)"
    found, views = changed(body, other)
    cuts = [Cut(part) for part in found]
    divided = shares(cuts, views, 2)
    assert sorted(len(share) for share in divided) == [2, 3]
    assert {cut.region for share in divided for cut in share} == set(found)
    assert shares(cuts, views, 1) == [cuts]
    assert len(shares(cuts, views, 8)) == 2
