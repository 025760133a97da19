"""Laws of batches: models that mix rows are caught, whatever the values are."""

import numpy as np
import onnx.parser
import pytest

from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.gates.metamorphic import batch_laws, deviation
from burnish_optimizer.gates.probes import Probe

HEADER = '<ir_version: 9, opset_import: ["" : 17]>'
ROWS = np.random.default_rng(4).normal(size=(3, 4, 4)).astype(np.float32)
PROBE = Probe("batch 3, normal", {"x": ROWS}, {"x": 0})
HONEST = "y = Softmax(x)"


def run_of(body, signature="(float[N, 4, 4] x) => (float[N, 4, 4] y)"):
    return Executable(onnx.parser.parse_model(f"{HEADER} g {signature} {{ {body} }}")).run


def laws(rewritten, source=HONEST, probe=PROBE, **options):
    return batch_laws(run_of(source), run_of(rewritten), [probe], **options)


def test_a_model_that_keeps_rows_apart_passes():
    result = laws(HONEST, exact=True)
    assert result.passed
    assert "rows alone 0" in result.found
    assert "batch 3, normal" in result.found


@pytest.mark.parametrize(
    "wrong",
    [
        "y = Softmax <axis = 0> (x)",
        "m = ReduceMean <axes = [0]> (x) y = Sub(x, m)",
        "y = CumSum(x, zero) ",
        "a = Constant <value_ints = [0]> () first = Gather <axis = 0> (x, a) y = Add(x, first)",
        "m = ReduceMax <keepdims = 1> (x) y = Div(x, m)",
    ],
)
def test_rows_that_mix_are_caught(wrong):
    wrong = wrong.replace("y = CumSum", "zero = Constant <value_int = 0> () y = CumSum")
    result = laws(wrong)
    assert not result.passed
    assert "output 'y' differs by" in result.found
    assert "the source: 0" in result.expected


def test_a_transpose_that_swaps_rows_with_columns_is_caught():
    square = Probe("batch 4, normal", {"x": np.concatenate([ROWS, ROWS[:1] * 2])}, {"x": 0})
    swapped = "t = Transpose <perm = [1, 0, 2]> (x) y = Softmax(t)"
    assert laws(swapped, probe=square).passed is False


def test_a_small_share_of_another_row_is_caught():
    mixed = """s = Softmax(x) m = ReduceMean <axes = [0]> (s) c = Constant <value = float {0.001}> ()
               little = Mul(m, c) y = Add(s, little)"""
    assert laws(mixed).passed is False


def test_rows_that_come_back_in_another_order_are_caught():
    reverse = """a = Constant <value_ints = [-1]> () e = Constant <value_ints = [-9]> ()
                 z = Constant <value_ints = [0]> ()
                 r = Slice(x, a, e, z, a) y = Softmax(r)"""
    assert laws(reverse).passed is False


def test_a_rewrite_that_fails_on_another_batch_is_caught():
    fixed = "s = Constant <value_ints = [3, 4, 4]> () r = Reshape(x, s) y = Softmax(r)"
    result = laws(fixed)
    assert not result.passed
    assert "the rewritten model fails" in result.found


def test_byte_equality_binds_exact_passes_alone():
    def nearly(feeds):
        x = feeds["x"]
        return {"y": x if len(x) > 1 else np.nextafter(x, np.float32(9))}

    def source(feeds):
        return {"y": feeds["x"]}

    assert batch_laws(source, nearly, [PROBE], exact=False).passed
    assert not batch_laws(source, nearly, [PROBE], exact=True).passed


def test_not_a_number_in_one_row_does_not_reach_another():
    odd = ROWS.copy()
    odd[2, 0, 0] = np.nan
    probe = Probe("NaN", {"x": odd}, {"x": 0})
    assert laws(HONEST, probe=probe).passed
    spread = "m = ReduceSum <keepdims = 1> (x) n = Sub(m, m) s = Softmax(x) y = Add(s, n)"
    assert laws(spread, probe=probe).passed is False


@pytest.mark.parametrize(
    ("source", "signature"),
    [
        ("m = ReduceMean <axes = [0]> (x) y = Sub(x, m)", "(float[N, 4, 4] x) => (float[N, 4, 4] y)"),
        ("y = ReduceSum(x)", "(float[N, 4, 4] x) => (float y)"),
        ("s = Constant <value_ints = [-1, 4]> () y = Reshape(x, s)", "(float[N, 4, 4] x) => (float[M, 4] y)"),
    ],
)
def test_no_law_binds_a_source_that_is_not_batchable(source, signature):
    run = run_of(source, signature)
    assert batch_laws(run, run, [PROBE]) is None


def test_no_law_without_rows():
    assert laws(HONEST, probe=Probe("fixed", {"x": ROWS})) is None
    assert laws(HONEST, probe=Probe("batch 1", {"x": ROWS[:1]}, {"x": 0})) is None
    assert laws(HONEST, probe=Probe("batch 0", {"x": ROWS[:0]}, {"x": 0})) is None


def test_inputs_that_all_rows_share_stay_as_they_are():
    run = run_of("y = Mul(x, b)", "(float[N, 4, 4] x, float b) => (float[N, 4, 4] y)")
    probe = Probe("shared", {"x": ROWS, "b": np.array(2, np.float32)}, {"x": 0})
    assert batch_laws(run, run, [probe], exact=True).passed


def test_rows_may_lie_on_an_inner_axis():
    run = run_of("y = Neg(s)", "(float[2, N, 4] s) => (float[2, N, 4] y)")
    probe = Probe("state", {"s": np.moveaxis(ROWS[:, :2], 0, 1)}, {"s": 1})
    assert batch_laws(run, run, [probe], exact=True).passed


class TestDeviation:
    def test_of_equal_answers_is_zero_at_their_scale(self):
        assert deviation({"y": ROWS}, {"y": ROWS}) == (0.0, pytest.approx(float(np.abs(ROWS).max())))

    @pytest.mark.parametrize("other", [np.nan, np.inf, -np.inf])
    def test_a_number_for_none_and_the_reverse_is_infinite(self, other):
        number, none = ({"y": np.array([1.0, v], np.float32)} for v in (2.0, other))
        assert deviation(number, none)[0] == deviation(none, number)[0] == np.inf
        assert deviation(none, none)[0] == 0.0

    def test_infinities_of_other_signs_are_not_equal(self):
        assert deviation({"y": np.array([np.inf])}, {"y": np.array([-np.inf])})[0] == np.inf

    def test_texts_are_equal_or_not(self):
        a, b = ({"y": np.array([t], object)} for t in "ab")
        assert (deviation(a, a)[0], deviation(a, b)[0]) == (0.0, np.inf)

    def test_other_shapes_raise(self):
        with pytest.raises(ValueError, match="in a batch"):
            deviation({"y": ROWS}, {"y": ROWS[:1]})
