"""Mixtures follow the objective, and a run that was killed goes on from the last one that was finished."""

import shutil
from dataclasses import replace

import pytest

from burnish_engine.report import CandidateState
from burnish_engine.request import Metric, Minimize, OptimizationRequest
from burnish_optimizer.job import Input, OptimizeJob
from burnish_optimizer.measure.interleave import Windows
from burnish_optimizer.optimize import optimize
from support import mixtures
from support import optimizer_nets as nets
from support.candidates import fault

QUICK = Windows(window_seconds=0.01, seconds=0.2, patience_seconds=0.4, min_pairs=4)


def job(tmp_path, **request):
    return OptimizeJob(
        source=Input(str(nets.save_net(tmp_path / "net.onnx"))),
        work_dir=tmp_path / "work",
        output_dir=tmp_path / "engine",
        request=OptimizationRequest(metric=Metric.COSINE, max_drop=0.001, threads=1, **request),
        calibration=Input(str(nets.save_samples(tmp_path / "calibration.npz"))),
        evaluation=Input(str(nets.save_samples(tmp_path / "evaluation.npz", seed=6))),
    )


def state_of(report, name):
    return next(c.state for c in report.candidates if c.recipe == name)


@pytest.mark.parametrize("minimize", [Minimize.SIZE, Minimize.MEMORY])
def test_where_bytes_count_parts_are_given_back_by_bytes(tmp_path, minimize):
    report = optimize(job(tmp_path, minimize=minimize), recipes=[mixtures.mixable()], windows=QUICK).report
    assert state_of(report, "halved") is CandidateState.REJECTED
    (curve,) = report.curves
    assert curve.minimize is minimize
    assert curve.points[1].bytes_given_up == pytest.approx(432, abs=60)  # the loud one's, first of all
    assert curve.points[1].loss < curve.points[0].loss / 100


def test_the_smallest_mixture_that_passes_wins_where_size_is_asked_for(tmp_path):
    report = optimize(
        job(tmp_path, minimize=Minimize.SIZE), recipes=[mixtures.mixable()], windows=QUICK
    ).report
    assert report.selected.recipe == "halved-mixed"
    assert [point.passed for point in report.curves[0].points] == [None, True, True, None]
    assert report.optimized.size_bytes < 0.7 * report.baseline.size_bytes


def test_a_key_that_was_given_to_another_source_brings_nothing_of_it_along(tmp_path):
    """Callers may compute keys: one given twice must not let one model's candidates serve for another."""
    first = replace(job(tmp_path), key="k" * 64)
    optimize(first, recipes=[fault("same")], windows=QUICK)
    nets.save_net(tmp_path / "net.onnx", seed=9)
    second = replace(first, output_dir=tmp_path / "second")
    (same,) = optimize(second, recipes=[fault("same")], windows=QUICK).report.candidates
    assert same.accuracy.drop < 1e-6
    assert all(gate.passed for gate in same.gates)


def test_a_killed_run_goes_on_from_the_last_step_of_a_mixture(tmp_path):
    first = job(tmp_path, minimize=Minimize.SIZE)
    before = optimize(first, recipes=[mixtures.mixable()], windows=QUICK).report
    (run,) = (first.work_dir / "candidates").iterdir()
    builds = run / mixtures.BUILDS
    count = len(builds.read_text().splitlines())
    shutil.rmtree(first.output_dir)
    again = optimize(first, recipes=[mixtures.mixable()], windows=QUICK).report
    assert len(builds.read_text().splitlines()) == count
    assert again.curves == before.curves
    assert again.selected == before.selected

    # As if it had been killed before the mixture was chosen: only what stands in its folder is built anew.
    shutil.rmtree(first.output_dir)
    shutil.rmtree(run / "finished" / "mixed")
    third = optimize(first, recipes=[mixtures.mixable()], windows=QUICK).report
    assert len(builds.read_text().splitlines()) == count + 1
    assert third.selected == before.selected
    assert third.curves == before.curves
