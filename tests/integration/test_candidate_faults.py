"""Candidates whose process crashes, hangs, leaks or is killed cost only themselves."""

import time

import pytest

from burnish_engine.report import CandidateState
from burnish_engine.request import Backend, Metric, Minimize, OptimizationRequest, Precision
from burnish_optimizer import stages
from burnish_optimizer.backends.recipes import RECIPES, Recipe
from burnish_optimizer.errors import WorkerFailed
from burnish_optimizer.job import Input, Limits, OptimizeJob
from burnish_optimizer.measure import client
from burnish_optimizer.measure.client import ProbeProcess
from burnish_optimizer.measure.interleave import Windows
from burnish_optimizer.measure.open_loop import Goal
from burnish_optimizer.optimize import optimize
from support import faulty_probes
from support import optimizer_nets as nets
from support.probes import probe_task

QUICK = Windows(window_seconds=0.01, seconds=0.2, patience_seconds=0.4, min_pairs=4)
FAULTY = "support.faulty_probes:serve"
PLENTY = 8 << 30
FAULTS = ("killed-at-measuring", "leak-at-measuring", "others-killed-at-measuring")


@pytest.fixture(autouse=True)
def faulty_processes(monkeypatch):
    real = stages.probe_task

    def probe_task(*given, **named):
        return real(*given, **named).model_copy(update={"run": FAULTY})

    monkeypatch.setattr(stages, "probe_task", probe_task)


def faulty(fault):
    return Recipe(
        name=fault,
        backend=Backend.ONNXRUNTIME,
        precision=Precision.FP32,
        build="support.faulty_probes:build",
        settings={"fault": fault},
    )


def run(tmp_path, recipes):
    """The smallest one wins: that is no matter of a busy machine's speed."""
    evaluation = nets.save_samples(tmp_path / "evaluation.npz")
    job = OptimizeJob(
        source=Input(str(nets.save_net(tmp_path / "net.onnx"))),
        work_dir=tmp_path / "work",
        output_dir=tmp_path / "engine",
        request=OptimizationRequest(metric=Metric.COSINE, max_drop=0.05, threads=1, minimize=Minimize.SIZE),
        evaluation=Input(str(evaluation)),
        limits=Limits(memory_bytes=1800 << 20),
    )
    return optimize(job, recipes=recipes, windows=QUICK).report


GOOD = next(recipe for recipe in RECIPES if recipe.name == "ort-int8-dynamic")


def test_whatever_a_candidate_s_process_does_the_others_are_measured_and_the_best_wins(tmp_path):
    """The last of them kills the baseline, as the kernel may when one process takes all memory."""
    report = run(tmp_path, [*map(faulty, FAULTS), GOOD])
    told = {c.recipe: c.reason for c in report.candidates}
    states = {c.recipe: c.state for c in report.candidates}
    *broken, killer = FAULTS
    assert {states[name] for name in broken} == {CandidateState.FAILED}, told
    assert states[killer] is not CandidateState.FAILED, told
    assert "SIGKILL" in told["killed-at-measuring"]
    assert "out of memory: killed at" in told["leak-at-measuring"]
    assert report.selected.recipe == GOOD.name, told


def probe(tmp_path, fault, seconds=60.0):
    (tmp_path / "fault").write_text(fault)
    task = probe_task(tmp_path, run=FAULTY)
    return ProbeProcess(task, tmp_path / "probe", seconds=seconds, memory_bytes=PLENTY)


def used(process):
    """As the search uses one: until the fault must have come."""
    process.open()
    for _ in range(faulty_probes.RUNS_BEFORE_MEASURING):
        process.round(0.001)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("crash-at-load", "SIGSEGV"),
        ("abort-at-first-run", "SIGABRT"),
        ("raise-at-first-run", "the kernel library gave up"),
        ("raise-at-load", "the kernel library gave up"),
        ("crash-at-measuring", "SIGSEGV"),
        ("exit-at-measuring", "exit code 0 without a result"),
    ],
)
def test_how_a_process_ended_is_told(tmp_path, fault, told):
    with pytest.raises(WorkerFailed, match=told), probe(tmp_path, fault) as broken:
        used(broken)


@pytest.mark.parametrize("when", ["load", "first-run"])
def test_a_model_that_hangs_before_it_answers_costs_its_time_limit(tmp_path, when):
    begun = time.monotonic()
    with pytest.raises(WorkerFailed, match="out of time"), probe(tmp_path, f"hang-at-{when}", 2.0) as hung:
        hung.open()
    assert time.monotonic() - begun < 20


def test_a_model_that_hangs_while_it_is_measured_costs_little_however_much_time_there_is(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(client, "HANGING_SECONDS", 0.5)
    with pytest.raises(WorkerFailed, match="out of time"):  # noqa: SIM117
        with probe(tmp_path, "hang-at-measuring", seconds=3600.0) as hung:
            used(hung)


def test_a_model_that_hangs_under_load_costs_as_little(tmp_path, monkeypatch):
    monkeypatch.setattr(client, "HANGING_SECONDS", 0.5)
    with probe(tmp_path, "hang-at-measuring", seconds=3600.0) as hung:
        hung.open()
        with pytest.raises(WorkerFailed, match="out of time"):
            hung.open_loop(200.0, 0.2, 1, Goal(99, 0.01))


def test_a_process_that_died_is_started_again_where_that_is_wanted_and_no_more_often(tmp_path):
    with probe(tmp_path, "killed-at-measuring") as mortal:
        mortal.open()
        mortal.revivals = 1
        answers = [mortal.round(0.0) for _ in range(4)]  # it dies on the way, once
        assert mortal.revivals == 0
        assert all(answers)
        with pytest.raises(WorkerFailed, match="SIGKILL"):
            used(mortal)
