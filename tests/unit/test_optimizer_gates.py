"""Gates: what passes, what fails, and that a missing figure fails."""

import math

import ml_dtypes
import numpy as np
import pytest

from burnish_engine.descriptor import TensorSpec
from burnish_engine.request import Metric, OptimizationRequest
from burnish_optimizer.gates.accuracy import accuracy_gate, summarize
from burnish_optimizer.gates.checks import batch_gate, finite_gate, signature_gate
from burnish_optimizer.gates.intervals import bootstrap_mean, wilson
from burnish_optimizer.gates.scores import class_scores, cosine, score_sample
from burnish_optimizer.reference.answers import answer, batch_difference
from burnish_optimizer.tasks import BatchCheck, SampleScore

REFERENCE = [np.array([[0.1, 0.7, 0.2]], np.float32)]


def spec(name, shape, dtype="float32"):
    return TensorSpec(name=name, dtype=dtype, shape=shape)


def score(**changes):
    facts = {"finite": True, "shapes": True, "cosine": 1.0, "agreement": 1.0, "max_error": 0.0}
    return SampleScore(**{**facts, **changes})


class TestScores:
    def test_the_same_answer_agrees_in_every_figure(self):
        found = score_sample(REFERENCE, REFERENCE, np.array(1))
        assert found.finite
        assert found.agreement == 1.0
        assert found.max_error == 0.0
        assert found.cosine == pytest.approx(1.0)
        assert (found.correct, found.reference_correct) == (1.0, 1.0)

    def test_another_arg_max_disagrees_and_may_be_wrong(self):
        found = score_sample(REFERENCE, [np.array([[0.8, 0.1, 0.1]], np.float32)], np.array(1))
        assert (found.agreement, found.correct, found.reference_correct) == (0.0, 0.0, 1.0)

    def test_nan_is_not_finite(self):
        assert not score_sample(REFERENCE, [np.array([[0.1, np.nan, 0.2]], np.float32)], None).finite

    def test_infinity_where_the_reference_has_it_is_the_references_own(self):
        masked = [np.array([[0.1, -np.inf]], np.float32)]
        assert score_sample(masked, masked, None).finite

    def test_a_reference_without_a_single_number_judges_nothing(self):
        nothing = [np.full((1, 3), np.nan, np.float32)]
        assert not score_sample(nothing, nothing, None).finite

    def test_another_shape_fails_every_figure(self):
        found = score_sample(REFERENCE, [np.zeros((2, 3), np.float32)], None)
        assert (found.finite, found.shapes, found.cosine, found.agreement) == (False, False, 0.0, 0.0)
        assert math.isinf(found.max_error)

    def test_labels_of_another_shape_give_no_figure(self):
        assert score_sample(REFERENCE, REFERENCE, np.array([1, 1])).correct is None

    def test_several_positions_give_a_share(self):
        expected = [np.eye(4, dtype=np.float32)[np.newaxis]]
        found = [np.eye(4, dtype=np.float32)[[0, 1, 2, 0]][np.newaxis]]
        assert score_sample(expected, found, None).agreement == 0.75

    def test_cosine_is_of_the_output_that_agrees_least(self):
        expected = [np.array([1.0, 0.0]), np.array([1.0, 0.0])]
        found = [np.array([1.0, 0.0]), np.array([0.0, 1.0])]
        assert score_sample(expected, found, None).cosine == 0.0

    @pytest.mark.parametrize(
        ("a", "b", "expected"), [([0.0], [0.0], 1.0), ([0.0], [1.0], 0.0), ([2.0], [-2.0], -1.0)]
    )
    def test_cosine_of_zeros_and_opposites(self, a, b, expected):
        assert cosine(np.array(a), np.array(b)) == expected

    def test_class_scores_are_the_first_float_output_with_a_long_last_axis(self):
        outputs = [np.zeros((1, 5), np.int64), np.zeros((1, 1), np.float32), np.zeros((1, 7), np.float32)]
        assert class_scores(outputs) == 2
        assert class_scores(outputs[:2]) is None


class TestAccuracyGate:
    def judge(self, scores, **request):
        asked = OptimizationRequest(**request)
        accuracy = summarize(scores, asked.metric)
        return accuracy_gate(accuracy, asked), accuracy

    def test_a_drop_within_the_limit_passes(self):
        scores = [score(correct=1.0, reference_correct=1.0)] * 99 + [
            score(correct=0.0, reference_correct=1.0)
        ]
        gate, accuracy = self.judge(scores, metric=Metric.ACCURACY, max_drop=0.01)
        assert gate.passed
        assert accuracy.value == pytest.approx(0.99)
        assert accuracy.drop == pytest.approx(0.01)

    def test_a_drop_beyond_the_limit_fails(self):
        scores = [score(correct=1.0, reference_correct=1.0)] * 98 + [
            score(correct=0.0, reference_correct=1.0)
        ] * 2
        assert not self.judge(scores, metric=Metric.ACCURACY, max_drop=0.01)[0].passed

    def test_better_than_the_reference_passes(self):
        gate, accuracy = self.judge([score(correct=1.0, reference_correct=0.0)] * 3, metric=Metric.ACCURACY)
        assert gate.passed
        assert accuracy.drop == -1.0

    def test_a_minimum_is_absolute(self):
        scores = [score(cosine=0.98)] * 10
        assert self.judge(scores, metric=Metric.COSINE, minimum=0.98)[0].passed
        assert not self.judge(scores, metric=Metric.COSINE, minimum=0.981)[0].passed

    @pytest.mark.parametrize(
        "scores",
        [[], [score()], [score(correct=1.0, reference_correct=1.0), score()]],
        ids=["none", "no", "some"],
    )
    def test_a_missing_label_or_no_samples_fails(self, scores):
        gate, accuracy = self.judge(scores, metric=Metric.ACCURACY)
        assert accuracy is None
        assert not gate.passed

    def test_agreement_without_class_scores_fails(self):
        assert not self.judge([score(agreement=None)], metric=Metric.AGREEMENT)[0].passed


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
    found = score_sample(expected, opposite, None)
    assert (round(found.cosine, 6), found.agreement, found.max_error) == (-1.0, 0.0, 6.0)
    assert not score_sample(expected, broken, None).finite
