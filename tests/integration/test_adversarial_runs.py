"""Whole runs in which all builders but one misbehave: what is served is right, and what broke cost itself.

The objective is size, for a wrong model is easily smaller than a right one, and no clock decides.
"""

import numpy as np
import onnx
import psutil
import pytest

from burnish_engine.report import CandidateState
from burnish_engine.request import Metric, Minimize, OptimizationRequest, Precision
from burnish_optimizer.job import Input, Limits, OptimizeJob
from burnish_optimizer.measure.interleave import Windows
from burnish_optimizer.optimize import optimize
from burnish_optimizer.stages import Exact
from burnish_runtime.load import open_engine
from support import adversary_nets as nets
from support.candidates import fault

QUICK = Windows(window_seconds=0.01, seconds=0.1, patience_seconds=0.2, min_pairs=2)
BROKEN = ("half", "nothing", "quitter", "killed", "leaking", "orphaned", "liar")
WRONG = ("constant", "cached", "permuted", "infinite", "renamed", "chatty")


def unwritten(_, materials):
    return Exact(str(materials.model.path))


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A job on the small perceptron, which carries weights that nothing uses. Rewriting is not the matter."""
    monkeypatch.setattr(
        "burnish_optimizer.optimize.run_passes", lambda _, found: Exact(str(found.model.path))
    )
    model = nets.with_values(nets.plain(), {"unused": np.ones(5000, np.float32)})
    onnx.save(model, str(tmp_path / "net.onnx"))
    np.savez(tmp_path / "calibration.npz", x=nets.samples(150, seed=2))
    np.savez(tmp_path / "evaluation.npz", x=nets.samples(150, seed=3))

    def given(*, evaluated=True, **request):
        asked = {"metric": Metric.AGREEMENT, "max_drop": 0.01, "threads": 1, "minimize": Minimize.SIZE}
        return OptimizeJob(
            source=Input(str(tmp_path / "net.onnx")),
            work_dir=tmp_path / "work",
            output_dir=tmp_path / "engine",
            request=OptimizationRequest(**{**asked, **request}),
            calibration=Input(str(tmp_path / "calibration.npz")),
            evaluation=Input(str(tmp_path / "evaluation.npz")) if evaluated else None,
            limits=Limits(seconds=12.0, memory_bytes=900 << 20),
        )

    return given


def bad(*names, precision=Precision.INT8):
    return [fault(name, precision, "bad_builders") for name in names]


def lean(precision=Precision.INT8):
    return fault("lean", precision, "bad_builders")


def agreement_on_fresh_data(result):
    """Of the engine as it serves, with the source: on samples that no part of the run has seen."""
    import onnxruntime

    x = nets.samples(2000, seed=99)
    source = onnxruntime.InferenceSession(
        nets.plain().SerializeToString(), providers=["CPUExecutionProvider"]
    )
    [expected] = source.run(["scores"], {"x": x})
    served = open_engine(result.folder, threads=1).session.run({"x": x})["scores"]
    return float(np.mean(served.argmax(axis=-1) == expected.argmax(axis=-1)))


def is_running(pid):
    """Whether there is such a process; one that nobody has buried yet is none."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_builders_that_break_their_process_cost_only_themselves(job, tmp_path):
    result = optimize(job(), recipes=[*bad(*BROKEN), fault("hang", Precision.INT8), lean()], windows=QUICK)
    states = {c.recipe: c.state for c in result.report.candidates}
    assert states.pop("lean") is CandidateState.SELECTED
    assert set(states.values()) == {CandidateState.FAILED}
    assert agreement_on_fresh_data(result) == 1.0
    reasons = {c.recipe: c.reason for c in result.report.candidates}
    assert "SIGKILL" in reasons["killed"]
    assert "out of memory" in reasons["leaking"]
    assert "without a result" in reasons["quitter"]
    assert "out of time" in reasons["hang"]
    [orphan] = (tmp_path / "work").rglob("orphan.pid")
    assert not is_running(int(orphan.read_text()))


def test_models_that_are_wrong_are_rejected_by_a_gate_that_says_why_and_the_source_serves(job):
    result = optimize(job(), recipes=bad(*WRONG), windows=QUICK)
    assert {c.state for c in result.report.candidates} == {CandidateState.REJECTED}
    assert result.report.selected.recipe == "baseline"
    assert agreement_on_fresh_data(result) == 1.0
    gates = {c.recipe: [g.name for g in c.gates if not g.passed] for c in result.report.candidates}
    assert gates == {
        "constant": ["accuracy"],
        "cached": ["accuracy"],
        "permuted": ["accuracy"],
        "chatty": ["accuracy"],
        "infinite": ["finite", "accuracy"],
        "renamed": ["signature"],
    }


def test_answers_of_the_calibration_set_do_not_pass_on_its_other_half(job):
    result = optimize(job(evaluated=False), recipes=[*bad("cached"), lean()], windows=QUICK)
    assert result.report.environment["judged_on"] == "held-out calibration"
    assert result.report.selected.recipe == "lean"
    assert agreement_on_fresh_data(result) == 1.0
