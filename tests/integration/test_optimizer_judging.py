"""What a whole run judges on, and with what: one set for both purposes, and functions of the user's."""

import json

import pytest

from burnish_engine.request import Metric, OptimizationRequest, Precision
from burnish_optimizer.errors import InvalidData, InvalidJob
from burnish_optimizer.job import Input, OptimizeJob
from burnish_optimizer.measure.interleave import Windows
from burnish_optimizer.optimize import optimize
from burnish_optimizer.stages import Exact
from support import optimizer_nets as nets
from support.candidates import fault

QUICK = Windows(window_seconds=0.01, seconds=0.2, patience_seconds=0.4, min_pairs=4)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Optimize the small net with these recipes and one set for both purposes, without rewriting it."""
    monkeypatch.setattr(
        "burnish_optimizer.optimize.run_passes", lambda _, found: Exact(str(found.model.path))
    )

    def optimized(samples, *recipes, labelled=False, **request):
        source = nets.save_net(tmp_path / "net.onnx")
        data = nets.save_samples(tmp_path / "data.npz", samples, labelled=labelled)
        job = OptimizeJob(
            source=Input(str(source)),
            work_dir=tmp_path / "work",
            output_dir=tmp_path / "engine",
            request=OptimizationRequest(threads=1, **request),
            calibration=Input(str(data)),
        )
        return optimize(job, recipes=recipes, windows=QUICK).report

    return optimized


def test_a_set_that_is_large_enough_is_split(run):
    report = run(150, fault("told", Precision.INT8))
    assert report.environment["judged_on"] == "held-out calibration"
    assert (report.calibration.samples, report.accuracy.samples) == (50, 100)
    told = json.loads(report.candidates[0].reason.removeprefix("declined: "))
    assert told == {"every": 3, "limit": 64, "others": False}


def test_a_set_that_is_not_is_judged_as_a_whole_and_the_report_says_so(run):
    report = run(70, fault("same", Precision.INT8), calibration_samples=10)
    assert (report.calibration.samples, report.accuracy.samples) == (10, 70)
    assert "calibrated with" in report.environment["judged_caveat"]
    [candidate] = report.candidates
    assert "70 samples are too few to tell, about 100 are needed" in candidate.reason
    assert candidate.accuracy.samples_needed == 100


def test_labels_of_a_calibration_set_are_used_where_they_are_needed(run):
    assert run(120, labelled=True, metric=Metric.F1).accuracy.metric is Metric.F1
    with pytest.raises(InvalidData, match="no label"):
        run(120, metric=Metric.ACCURACY)


def test_a_function_of_the_users_judges_in_the_probe(run):
    report = run(40, fault("wrong"), metric=Metric.ENTRY, metric_entry="support.own_metrics:closeness")
    assert report.accuracy.value == pytest.approx(1.0, abs=1e-4)
    [candidate] = report.candidates
    assert candidate.accuracy.drop > 0.01
    assert "entry" in candidate.reason


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("support.own_metrics:needs_a_label", "raised TypeError"),
        ("nobody-installed-this", "no such name in the entry point group"),
    ],
)
def test_a_function_that_does_not_work_ends_the_run_with_what_it_said(run, function, told):
    with pytest.raises(InvalidJob, match=told):
        run(40, metric=Metric.ENTRY, metric_entry=function)


def test_a_metric_that_cannot_read_the_outputs_ends_the_run_with_what_is_missing(run):
    with pytest.raises(InvalidJob, match=r"no boxes and scores"):
        run(40, metric=Metric.DETECTION_AGREEMENT)
