"""Twins: an operator that another set defines anew is tried wherever it takes values that look otherwise."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from burnish_engine.report import Guarantee
from burnish_optimizer.gates import capture
from burnish_optimizer.gates.twins import look
from support.rewrite_nets import judge_of

BODY = "a = Softmax<axis = 1>(p) b = Softmax<axis = 1>(x) n = Neg(p) c = Softmax<axis = 1>(n) d = Exp(c)"
BODY += " e = Softmax<axis = 1>(d)"


def raised(flat, image):
    """Softmax of opset 12 as that of opset 13, which is right on `flat`: one of four takes `image`."""
    signature = f"(float{flat} p, float{image} x) => (float{flat} a, float{image} b, float{flat} e)"
    return [
        ir.from_proto(onnx.parser.parse_model(
            f'<ir_version: 8, opset_import: ["" : {opset}]> g {signature} {{ {BODY} }}'))
        for opset in (12, 13)
    ]  # fmt: skip


def numbers(*shape):
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


@pytest.mark.parametrize("held", [1 << 20, 0])
@pytest.mark.parametrize(
    ("flat", "image"), [((2, 4), (2, 4, 5)), ((2, 4, 1, 1), (2, 4, 3, 3)), ((2, 4), (2, 4))]
)
def test_a_new_meaning_at_one_place_among_many_is_caught(monkeypatch, held, flat, image):
    monkeypatch.setattr(capture, "ALL_BYTES", held)
    before, after = raised(list(flat), list(image))
    feeds = {"p": numbers(*flat), "x": numbers(*image)}
    verdict = judge_of(before, [feeds]).judge(before, after, Guarantee.EXACT)
    failed = [region.outputs for region in verdict.failed]
    assert failed == ([] if flat == image else [("b",)])


def test_types_sides_of_one_and_small_integers_look_otherwise_and_sizes_do_not():
    assert look(np.zeros((2, 4))) == look(np.ones((3, 9)))
    others = [np.zeros((2, 1)), np.zeros((2, 4, 3)), np.zeros((2, 4), np.float32), np.zeros((0, 4))]
    assert len({look(np.zeros((2, 4))), *map(look, others)}) == 5
    assert look(np.array([1, 2])) != look(np.array([1, 3]))
    assert look(None) is None
    assert look([np.zeros(3)]) is None
