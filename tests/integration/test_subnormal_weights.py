"""A source with subnormal weights: flushing them is a candidate, judged and measured as all are."""

from pathlib import Path

import onnx

from burnish_engine.report import CandidateState, Report
from burnish_engine.request import Metric, Minimize, OptimizationRequest
from burnish_optimizer.backends.recipes import RECIPES
from burnish_optimizer.job import Input, OptimizeJob
from burnish_optimizer.measure.interleave import Windows
from burnish_optimizer.optimize import optimize
from support import optimizer_nets as nets

PLAIN, FLUSHED = "ort-fp32", "ort-fp32-flushed"
QUICK = Windows(window_seconds=0.01, seconds=0.2, patience_seconds=0.4, min_pairs=4)


def source(path: Path) -> Path:
    """The small net with a wide layer of which nine weights in ten are subnormal."""
    model = nets.conv_net()
    for tensor in model.graph.initializer:
        if tensor.name == "last_w":
            weights = onnx.numpy_helper.to_array(tensor).copy()
            weights[: 9 * len(weights) // 10] = 1e-40
            tensor.CopyFrom(onnx.numpy_helper.from_array(weights, tensor.name))
    onnx.save(model, str(path))
    return path


def optimized(folder: Path, model: Path, names: tuple[str, ...]) -> Report:
    given = OptimizeJob(
        source=Input(str(model)),
        work_dir=folder / "work",
        output_dir=folder / "engine",
        request=OptimizationRequest(metric=Metric.COSINE, max_drop=0.01, threads=1, minimize=Minimize.SIZE),
        calibration=None,
        evaluation=Input(str(nets.save_samples(folder / "evaluation.npz", labelled=True))),
        name="net",
        target_name="test-class",
    )
    recipes = [recipe for recipe in RECIPES if recipe.name in names]
    return optimize(given, recipes=recipes, windows=QUICK).report


def test_flushing_is_tried_judged_and_told(tmp_path: Path) -> None:
    report = optimized(tmp_path, source(tmp_path / "net.onnx"), (FLUSHED,))
    (found,) = report.candidates
    assert found.state in (CandidateState.SELECTED, CandidateState.SLOWER), found.reason
    assert all(gate.passed for gate in found.gates)
    assert any("were subnormal" in note for note in found.notes)


def test_where_none_is_subnormal_it_is_declined_with_its_reason(tmp_path: Path) -> None:
    report = optimized(tmp_path, nets.save_net(tmp_path / "net.onnx"), (PLAIN, FLUSHED))
    left_out = {one.recipe: one.reason for one in report.candidates if one.state is CandidateState.SKIPPED}
    assert set(left_out) == {FLUSHED}
    assert "subnormal" in left_out[FLUSHED]
