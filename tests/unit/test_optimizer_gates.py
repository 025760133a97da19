"""Gates: what passes, what fails, and that a missing figure fails."""

import math

import ml_dtypes
import numpy as np
import pytest

from burnish_engine.descriptor import TensorSpec
from burnish_engine.request import Metric, Precision
from burnish_optimizer.gates.checks import batch_gate, faithful_gate, finite_gate, signature_gate
from burnish_optimizer.gates.intervals import bootstrap_mean, drawn, enclosing, expanded_tail, wilson
from burnish_optimizer.gates.metrics.measure import Case, mean
from burnish_optimizer.gates.metrics.table import MEASURES
from burnish_optimizer.gates.scores import score_sample
from burnish_optimizer.reference.answers import answer, batch_difference
from burnish_optimizer.tasks import BatchCheck, SampleScore

REFERENCE = [np.array([[0.1, 0.7, 0.2]], np.float32)]


def spec(name, shape, dtype="float32"):
    return TensorSpec(name=name, dtype=dtype, shape=shape)


def score(**changes):
    facts = {"finite": True, "shapes": True, "own": (1.0,), "reference": (1.0,)}
    return SampleScore(**{**facts, **changes})


def scored(expected, found, label=None, metric=Metric.AGREEMENT):
    return score_sample(
        Case([f"y{i}" for i in range(len(expected))], expected, found, label), MEASURES[metric]
    )


class TestScores:
    def test_the_same_answer_agrees_in_every_figure(self):
        found = scored(REFERENCE, REFERENCE, np.array(1))
        assert (found.finite, found.shapes, found.note) == (True, True, "")
        assert (found.own, found.reference, found.judged) == ((1.0,), (1.0,), 0)
        assert found.energies == ((pytest.approx(0.54), 0.0),)

    def test_nan_is_not_finite(self):
        assert not scored(REFERENCE, [np.array([[0.1, np.nan, 0.2]], np.float32)]).finite

    def test_infinity_where_the_reference_has_it_is_the_references_own(self):
        masked = [np.array([[0.1, -np.inf]], np.float32)]
        assert scored(masked, masked).finite

    def test_a_reference_without_a_single_number_judges_nothing(self):
        nothing = [np.full((1, 3), np.nan, np.float32)]
        assert not scored(nothing, nothing).finite

    def test_another_shape_fails_every_figure(self):
        found = scored(REFERENCE, [np.zeros((2, 3), np.float32)])
        assert (found.finite, found.shapes, found.own) == (False, False, None)
        assert "another shape" in found.note

    def test_boxes_may_be_more_or_fewer(self):
        boxes = [np.array([[0, 0.9, 1, 1, 9, 9]], np.float32)]
        more = [np.repeat(boxes[0], 2, axis=0)]
        found = scored(boxes, more, metric=Metric.DETECTION_AGREEMENT)
        assert (found.shapes, found.finite, found.energies) == (True, True, ())
        more[0][1, 3] = np.nan
        assert not scored(boxes, more, metric=Metric.DETECTION_AGREEMENT).finite


class TestFaithfulGate:
    """What the metric does not look at: here it looks at the first of two outputs."""

    SIDE = np.array([[1.0]], np.float32)

    def gate(self, judged_noise, other_noise, precision, metric=Metric.AGREEMENT):
        expected = [REFERENCE[0] * 10, self.SIDE]
        found = [expected[0] + np.float32(judged_noise), self.SIDE + np.float32(other_noise)]
        return faithful_gate([scored(expected, found, metric=metric)] * 3, precision)

    def test_answers_as_the_reference_pass(self):
        for precision in Precision:
            assert self.gate(0, 0, precision).passed

    def test_garbage_beside_the_judged_output_fails_whatever_the_precision(self):
        for precision in Precision:
            assert not self.gate(0, 0.5, precision).passed

    def test_a_shift_that_no_arg_max_sees_fails_in_fp32_alone(self):
        assert not self.gate(5, 0, Precision.FP32).passed
        assert self.gate(5, 0, Precision.INT8).passed
        assert not self.gate(0, 0.2, Precision.FP32).passed
        assert self.gate(0, 0.2, Precision.INT8).passed

    def test_a_metric_that_looks_at_everything_leaves_nothing_to_judge(self):
        assert self.gate(5, 5, Precision.INT8, Metric.COSINE).found == "no other outputs"

    def test_an_output_that_is_always_zero_stays_zero(self):
        for other, passed in ((0.0, True), (1e-3, False)):
            zero = [REFERENCE[0], np.zeros((1, 1), np.float32)]
            found = scored(zero, [REFERENCE[0], zero[1] + np.float32(other)])
            assert faithful_gate([found], Precision.INT8).passed is passed


class TestIntervals:
    def test_wilson_of_a_known_case(self):
        low, high = wilson(45, 50)  # computed by hand from Wilson's formula
        assert (round(low, 3), round(high, 3)) == (0.786, 0.957)

    def test_all_right_is_not_certain(self):
        low, high = wilson(20, 20)
        assert low < 0.85
        assert high == 1.0

    def test_bootstrap_is_reproducible_and_encloses_the_mean(self):
        values = list(np.random.default_rng(3).normal(5, 1, 200))
        assert bootstrap_mean(values) == bootstrap_mean(values)
        low, high = bootstrap_mean(values)
        assert low < np.mean(values) < high

    def test_few_samples_have_wider_tails(self):
        # Φ(-√(n/(n-1)) t) with scipy's t, to three digits
        assert [round(expanded_tail(n), 4) for n in (20, 100)] == [0.0159, 0.0231]
        assert 0.0249 < expanded_tail(100_000) < 0.025

    def test_sides_are_drawn_together(self):
        """The second is the first, 0.1 lower: their difference has no spread at all."""
        values = np.random.default_rng(5).normal(0, 1, 50)
        one, other = (mean([(v - shift,) for v in values]) for shift in (0.0, 0.1))
        draws = drawn([one, other], 50)
        np.testing.assert_allclose(draws[0] - draws[1], 0.1)
        assert draws[0].std() == pytest.approx(values.std() / 50**0.5, rel=0.15)
        assert np.array_equal(draws, drawn([one, other], 50))

    def test_many_samples_are_drawn_in_pieces(self):
        values = [(float(i % 2),) for i in range(30_000)]
        low, high = enclosing(drawn([mean(values)], len(values))[0], 0.5, len(values))
        assert 0.49 < low < 0.5 < high < 0.51


class TestOtherGates:
    SOURCE = ((spec("x", (None, 3)),), (spec("y", (None, 4)),))

    def test_the_same_signature_passes(self):
        assert signature_gate(self.SOURCE, self.SOURCE).passed

    @pytest.mark.parametrize(
        "inputs",
        [
            (spec("other", (None, 3)),),
            (spec("x", (1, 3)),),
            (spec("x", (None, 3), "float16"),),
            (spec("x", (None, 3, 1)),),
            (spec("x", (None, 3)), spec("extra", (1,))),
            (),
        ],
        ids=["renamed", "batch fixed", "dtype", "rank", "added", "gone"],
    )
    def test_any_change_of_the_inputs_fails(self, inputs):
        assert not signature_gate(self.SOURCE, (inputs, self.SOURCE[1])).passed

    def test_an_output_axis_that_a_backend_infers_is_no_change(self):
        source = (self.SOURCE[0], (spec("y", (None, None)),))
        assert signature_gate(source, (self.SOURCE[0], (spec("y", (None, 4)),))).passed

    def test_one_broken_sample_fails_the_finite_gate(self):
        assert finite_gate([score()] * 3).passed
        assert not finite_gate([score(), score(finite=False)]).passed
        assert not finite_gate([]).passed

    def test_the_batch_gate_needs_a_figure_unless_it_does_not_apply(self):
        assert batch_gate(BatchCheck(applicable=True, difference=1e-7, tolerance=1e-6)).passed
        assert not batch_gate(BatchCheck(applicable=True, difference=1e-3, tolerance=1e-6)).passed
        assert not batch_gate(BatchCheck(applicable=True)).passed
        assert not batch_gate(None).passed
        assert batch_gate(BatchCheck(applicable=False, note="fixed")).passed


class Rows:
    """A session whose rows are right alone, and NaN together."""

    outputs = (spec("y", (None, 2)),)

    def run(self, feeds):
        x = feeds["x"]
        return {"y": x if len(x) == 1 else np.full_like(x, np.nan)}


def test_nan_in_a_batch_is_a_difference_not_a_missing_figure():
    singles = [{"x": np.ones((1, 2), np.float32)}] * 2
    difference, scale = batch_difference(Rows(), singles, {"x": np.ones((2, 2), np.float32)})
    assert (difference, scale) == (math.inf, 1.0)
    assert not batch_gate(BatchCheck(applicable=True, difference=difference, tolerance=1.0)).passed


class Bits:
    """A session that answers in bfloat16, hence in raw bits."""

    outputs = (spec("y", (None, 3), "bfloat16"),)

    def __init__(self, *values):
        self._bits = np.array([values], ml_dtypes.bfloat16).view(np.uint16)

    def run(self, feeds):
        return {"y": self._bits}


def test_answers_in_bfloat16_are_judged_by_their_numbers_and_not_by_their_bits():
    expected, opposite, broken = (
        [answer(Bits(*values), {})["y"]] for values in ((1, 2, 3), (-1, -2, -3), (1, np.nan, 3))
    )
    assert expected[0].tolist() == [[1.0, 2.0, 3.0]]
    figures = [
        scored(expected, opposite, metric=metric).own
        for metric in (Metric.COSINE, Metric.AGREEMENT, Metric.MAX_ERROR)
    ]
    assert figures == [(pytest.approx(-1.0),), (0.0,), (6.0,)]
    assert not scored(expected, broken).finite
