"""The accuracy gate: the interval's bad end decides, too few samples fail, and it says how many it needs."""

import re

import numpy as np
import pytest

from burnish_engine.request import Metric, OptimizationRequest, Precision
from burnish_optimizer.gates.accuracy import accuracy_gate, excess, missing, summarize
from burnish_optimizer.gates.enough import MOST, Evidence, samples_needed
from burnish_optimizer.tasks import SampleScore


def score(own=1.0, reference=1.0, **changes):
    facts = {"finite": True, "shapes": True, "own": (own,), "reference": (reference,)}
    return SampleScore(**{**facts, **changes})


def shares(right, wrong):
    """Samples that the reference gets right, and the candidate does not always."""
    return [score()] * right + [score(0.0)] * wrong


def judge(scores, precision=Precision.INT8, **request):
    asked = OptimizationRequest(**request)
    accuracy = summarize(scores, asked)
    return accuracy_gate(accuracy, asked, precision, missing(scores, asked)), accuracy


def needed(gate):
    return int(re.search(r"about (\d+) are needed", gate.found)[1])


class TestShares:
    def test_no_change_in_enough_samples_passes(self):
        gate, accuracy = judge(shares(100, 0), metric=Metric.AGREEMENT, max_drop=0.01)
        assert gate.passed, gate.found
        assert accuracy.drop_interval == (0.0, 0.0)
        assert accuracy.samples_needed == 100

    @pytest.mark.parametrize(("max_drop", "enough"), [(0.01, 100), (0.05, 20), (0.003, 334), (0.5, 20)])
    def test_one_sample_may_cost_no_more_than_the_drop_and_there_are_at_least_20(self, max_drop, enough):
        assert judge(shares(enough, 0), max_drop=max_drop)[0].passed
        gate, accuracy = judge(shares(enough - 1, 0), max_drop=max_drop)
        assert not gate.passed
        assert needed(gate) == accuracy.samples_needed == enough

    def test_the_excess_is_the_share_of_the_loss_that_is_too_much(self):
        asked = OptimizationRequest(metric=Metric.COSINE, minimum=0.999)
        found = summarize([score(0.998)] * 100, asked)
        assert excess(found, asked) == pytest.approx(0.5)
        assert excess(summarize([score(0.9995)] * 100, asked), asked) == 0.0
        nothing = OptimizationRequest(metric=Metric.COSINE, minimum=1.0)
        assert excess(found, nothing) == 1.0

    def test_an_interval_that_reaches_beyond_the_limit_fails_and_says_how_many_would_do(self):
        gate, accuracy = judge(shares(198, 2), max_drop=0.02)
        assert accuracy.drop == pytest.approx(0.01)
        assert accuracy.drop_interval[1] > 0.02
        assert not gate.passed
        more = needed(gate)
        assert 200 < more < 2000
        assert judge(shares(more * 99 // 100, more // 100), max_drop=0.02)[0].passed

    def test_a_drop_beyond_the_limit_fails_and_asks_for_nothing(self):
        gate, _ = judge(shares(280, 20), max_drop=0.01)
        assert not gate.passed
        assert "needed" not in gate.found

    def test_no_number_of_samples_shows_a_drop_of_zero(self):
        gate, accuracy = judge(shares(5000, 0), max_drop=0.0)
        assert not gate.passed
        assert accuracy.samples_needed is None
        assert "no number of samples" in gate.found

    def test_both_sides_wrong_on_the_same_samples_is_no_drop(self):
        scores = [score()] * 60 + [score(0.0, 0.0)] * 60
        gate, accuracy = judge(scores, metric=Metric.ACCURACY)
        assert gate.passed
        assert (accuracy.value, accuracy.drop_interval) == (0.5, (0.0, 0.0))

    def test_gains_and_losses_that_cancel_out_are_still_uncertain(self):
        scores = shares(100, 5) + [score(1.0, 0.0)] * 5
        gate, accuracy = judge(scores, metric=Metric.ACCURACY)
        assert accuracy.drop == 0.0
        assert not gate.passed

    def test_a_floor_holds_for_the_lower_end(self):
        low = 1000 / (1000 + 1.96**2)  # Wilson's, where all of 1000 are right
        assert judge(shares(1000, 0), minimum=low - 1e-4)[0].passed
        assert not judge(shares(1000, 0), minimum=low + 1e-4)[0].passed
        assert judge(shares(1000, 0), Precision.FP32, minimum=low + 1e-4)[0].passed
        assert not judge(shares(1000, 0), minimum=1.0)[0].passed


class TestFp32IsJudgedAtTheEstimate:
    def test_few_samples_are_enough(self):
        assert judge(shares(3, 0), Precision.FP32)[0].passed
        assert not judge(shares(3, 0), Precision.BF16)[0].passed

    def test_a_drop_at_the_limit_passes_and_one_beyond_fails(self):
        assert judge(shares(99, 1), Precision.FP32, max_drop=0.01)[0].passed
        assert not judge(shares(98, 2), Precision.FP32, max_drop=0.01)[0].passed

    def test_better_than_the_reference_passes(self):
        gate, accuracy = judge([score(1.0, 0.0)] * 3, Precision.FP32, metric=Metric.ACCURACY)
        assert gate.passed
        assert accuracy.drop == -1.0


class TestWhatChangesByDegrees:
    def cosines(self, count, seed=3):
        return [score(float(v)) for v in 1 - np.random.default_rng(seed).uniform(0, 0.01, count)]

    def test_twenty_samples_are_the_least(self):
        assert judge(self.cosines(20), metric=Metric.COSINE, max_drop=0.01)[0].passed
        gate, _ = judge(self.cosines(19), metric=Metric.COSINE, max_drop=0.01)
        assert needed(gate) == 20

    def test_one_outlier_widens_the_interval(self):
        scores = [*self.cosines(49), score(0.8)]
        gate, accuracy = judge(scores, metric=Metric.COSINE, max_drop=0.01)
        assert accuracy.drop < 0.01
        assert not gate.passed
        assert needed(gate) > 50

    def test_a_floor_is_absolute(self):
        scores = [score(0.98)] * 30
        assert judge(scores, metric=Metric.COSINE, minimum=0.98)[0].passed
        assert not judge(scores, metric=Metric.COSINE, minimum=0.981)[0].passed

    def test_sqnr_is_judged_by_its_floor_in_decibels(self):
        scores = [
            score(reference=0.0, own=0.0).model_copy(update={"own": (1.0, 1e-3), "reference": (1.0, 0.0)})
        ]
        gate, accuracy = judge(scores * 30, metric=Metric.SQNR)
        assert accuracy.value == pytest.approx(30)
        assert gate.passed
        assert "at least 20" in gate.expected
        assert not judge(scores * 30, metric=Metric.SQNR, minimum=31)[0].passed

    def test_the_largest_error_needs_59_samples(self):
        scores = [score(0.5, 0.0)]
        assert judge(scores * 59, metric=Metric.MAX_ERROR, max_drop=0.5)[0].passed
        assert needed(judge(scores * 58, metric=Metric.MAX_ERROR, max_drop=0.5)[0]) == 59
        gate, accuracy = judge([*scores * 59, score(0.7, 0.0)], metric=Metric.MAX_ERROR, max_drop=0.6)
        assert not gate.passed
        assert (accuracy.value, accuracy.drop) == (0.7, 0.7)

    def test_an_error_rate_may_rise_and_not_fall_short(self):
        errors = [score().model_copy(update={"own": (1.0, 20.0), "reference": (2.0, 20.0)})] * 30
        gate, accuracy = judge(errors, metric=Metric.CER)
        assert gate.passed
        assert accuracy.drop == pytest.approx(-0.05)
        worse = [s.model_copy(update={"own": s.reference, "reference": s.own}) for s in errors]
        gate, _ = judge(worse, metric=Metric.CER)
        assert not gate.passed
        assert "above the reference" in gate.found


class TestMissingFigures:
    @pytest.mark.parametrize("precision", Precision)
    @pytest.mark.parametrize(
        "scores", [[], [score(own=0).model_copy(update={"own": None, "note": "no label"})]]
    )
    def test_they_fail(self, scores, precision):
        gate, accuracy = judge(scores, precision, metric=Metric.ACCURACY)
        assert accuracy is None
        assert not gate.passed
        assert gate.found in ("no accuracy: no samples", "no accuracy: no label")

    def test_some_missing_are_all_missing(self):
        scores = [*shares(200, 0), SampleScore(finite=True, shapes=True, note="no label on some samples")]
        assert not judge(scores, metric=Metric.ACCURACY)[0].passed

    def test_a_detector_that_finds_nothing_judges_nothing(self):
        scores = [score().model_copy(update={"own": (0.0, 0.0), "reference": (0.0, 0.0)})] * 200
        gate, accuracy = judge(scores, metric=Metric.DETECTION_AGREEMENT)
        assert accuracy is None
        assert "no box in any sample" in gate.found


class TestSamplesNeeded:
    def seen(self, **changes):
        facts = {"samples": 100, "units": None, "least": 20, "room": 0.02, "estimate": 0.01, "bad_end": 0.015}
        return samples_needed(Evidence(**{**facts, **changes}))

    def test_a_judgement_that_stands_needs_the_least(self):
        assert self.seen() == 20

    def test_the_half_width_falls_with_the_root_of_the_samples(self):
        assert self.seen(bad_end=0.03) == 400
        assert self.seen(bad_end=0.0200001) == 101

    def test_an_estimate_at_or_beyond_the_limit_is_not_helped_by_more(self):
        assert self.seen(estimate=0.02, bad_end=0.03) == 20
        assert self.seen(estimate=0.03, bad_end=0.04) == 20

    def test_units_of_which_one_costs_too_much(self):
        assert self.seen(units=10.0) == 500  # each costs 0.1: five times as many samples
        assert self.seen(units=5000.0) == 20
        assert self.seen(units=100.0, room=0.0) is None

    def test_limits_next_to_nothing_ask_for_more_than_there_is(self):
        assert self.seen(units=10.0, room=5e-324) == MOST
        assert self.seen(units=5e-324, room=5e-324) == MOST
        assert self.seen(room=1e-8, estimate=0.0, bad_end=1.7e308) == MOST
