"""A whole optimization for a device that is not here: built, judged, and chosen where that is allowed."""

import io
import json

import pytest
from rich.console import Console

from burnish_engine.report import CandidateState, Report
from burnish_engine.request import Backend, Metric, OptimizationRequest
from burnish_engine.store import verify_folder
from burnish_optimizer.backends.recipes import RECIPES
from burnish_optimizer.job import Input, OptimizeJob
from burnish_optimizer.measure.interleave import Windows
from burnish_optimizer.optimize import optimize
from burnish_optimizer.report.console import render_report
from burnish_optimizer.targets import nvidia
from burnish_optimizer.targets.toolchain import is_installed
from burnish_runtime.errors import UnsupportedBackend
from burnish_runtime.load import open_engine
from support import optimizer_nets as nets

QUICK = Windows(window_seconds=0.01, seconds=0.2, patience_seconds=0.4, min_pairs=4)
PLAN = "tensorrt-rtx-fp32"
RECIPE = [recipe for recipe in RECIPES if recipe.name == PLAN]
pytestmark = [
    pytest.mark.skipif(not is_installed("tensorrt_rtx"), reason="tensorrt_rtx is not installed"),
    pytest.mark.skipif(bool(nvidia.find().gpus), reason="there is an NVIDIA device here"),
]


def run(tmp_path, **request):
    job = OptimizeJob(
        source=Input(str(nets.save_net(tmp_path / "net.onnx"))),
        work_dir=tmp_path / "work",
        output_dir=tmp_path / "engine",
        request=OptimizationRequest(
            metric=Metric.COSINE, max_drop=0.05, threads=1, backends=(Backend.TENSORRT_RTX,), **request
        ),
        evaluation=Input(str(nets.save_samples(tmp_path / "evaluation.npz"))),
        target_facts={"gpu": "NVIDIA L4", "gpu_capability": "8.9"},
    )
    return optimize(job, recipes=RECIPE, windows=QUICK)


def shown(report):
    console = Console(file=io.StringIO(), width=160)
    console.print(render_report(report))
    return console.file.getvalue()


def test_a_plan_is_chosen_where_that_is_allowed_and_claims_no_speed(tmp_path):
    result = run(tmp_path, allow_unmeasured=True)
    report = result.report
    assert report.selected.recipe == PLAN
    plan = report.candidates[0]
    assert (plan.recipe, plan.state) == (PLAN, CandidateState.SELECTED)
    assert (plan.measurement, plan.speedup, plan.first_look) == (None, None, None)
    assert {gate.name for gate in plan.gates} >= {"signature", "coverage", "finite", "accuracy", "batch"}
    assert plan.coverage is not None
    assert plan.coverage.elsewhere == ()
    assert report.accuracy.drop < 0.01
    assert (report.optimized, report.speedup) == (None, None)
    assert "was not measured" in result.message
    assert "built, not measured" in shown(report)
    page = (result.folder / "report.html").read_text()
    assert "built and not measured" in page
    assert "compute capability 8.9" in page
    assert Report.model_validate_json((result.folder / "report.json").read_bytes()) == report
    verify_folder(result.folder)
    assert sorted(result.descriptor.files) == ["model/model.plan", "model/plan.json"]
    facts = json.loads((result.folder / "model/plan.json").read_text())
    assert facts["capabilities"] == ["8.9"]
    assert facts["profiles"]["x"]["high"][0] == 8
    with pytest.raises(UnsupportedBackend, match="nvidia-smi|pip install"):
        open_engine(result.folder)
