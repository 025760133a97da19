"""Which samples are judged, and which are calibrated with, where one set serves both."""

import pytest

from burnish_engine.request import Metric, OptimizationRequest
from burnish_optimizer.ingest.samples import Chosen, DataSpec
from burnish_optimizer.judged import MIN_CALIBRATION_SAMPLES, JudgedOn, least_judged, split


class Numbers:
    """A set whose samples are their own positions."""

    def __init__(self, count):
        self._count = count

    def __len__(self):
        return self._count

    def __iter__(self):
        return iter(range(self._count))


def sides(samples, **request):
    cut = split(samples, OptimizationRequest(**request))
    calibrated = list(Chosen(Numbers(samples), DataSpec(path="", limit=cut.limit, every=cut.every)))
    held_out = cut.held_out
    judged = DataSpec(path="", every=cut.every, others=True) if held_out else DataSpec(path="")
    return calibrated, list(Chosen(Numbers(samples), judged)), held_out


@pytest.mark.parametrize("samples", [117, 128, 164, 200, 1000, 12_345])
def test_a_large_set_is_split_and_no_sample_is_on_both_sides(samples):
    calibrated, judged, held_out = sides(samples)
    assert held_out
    assert not set(calibrated) & set(judged)
    assert MIN_CALIBRATION_SAMPLES <= len(calibrated) <= 64
    assert len(judged) >= 100


def test_calibration_samples_are_spread_over_the_set():
    """Sets are often in order of class: a quarter of the set is a quarter of what is calibrated with."""
    calibrated, _, _ = sides(1000)
    quarters = [sum(low <= c < low + 250 for c in calibrated) for low in range(0, 1000, 250)]
    assert min(quarters) >= 14


@pytest.mark.parametrize(("samples", "metric", "held_out"), [(115, "agreement", False), (40, "cosine", True)])
def test_it_is_split_only_where_enough_can_be_judged(samples, metric, held_out):
    calibrated, judged, found = sides(samples, metric=metric)
    assert found is held_out
    if not held_out:
        assert len(judged) == samples
        assert set(calibrated) < set(judged)


def test_the_number_of_calibration_samples_that_was_asked_for_is_kept():
    calibrated, judged, held_out = sides(180, calibration_samples=80)
    # A split would leave 90, and 100 are needed.
    assert (len(calibrated), len(judged), held_out) == (80, 180, False)
    calibrated, judged, held_out = sides(200, calibration_samples=80)
    assert (len(calibrated), held_out) == (80, True)


def test_the_least_that_is_judged_depends_on_metric_and_drop():
    assert least_judged(OptimizationRequest(max_drop=0.005)) == 200
    assert least_judged(OptimizationRequest(metric=Metric.COSINE, max_drop=0.001)) == 20
    assert least_judged(OptimizationRequest(metric=Metric.MAX_ERROR, max_drop=1.0)) == 59


def test_only_an_evaluation_set_needs_no_caveat():
    assert [on for on in JudgedOn if not on.caveat] == [JudgedOn.EVALUATION]
    assert "calibrated with, which flatters" in JudgedOn.CALIBRATION.caveat
