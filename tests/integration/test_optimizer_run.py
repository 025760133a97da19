"""A whole optimization of a small real network, with candidates that behave and that do not."""

import functools
import http.server
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest

from burnish_engine.errors import IntegrityError, NotFound
from burnish_engine.oci.artifact import push_files
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import Reference
from burnish_engine.report import CandidateState, Report
from burnish_engine.request import Metric, Minimize, OptimizationRequest, Precision
from burnish_engine.store import pull_engine, push_engine, read_engine, verify_folder
from burnish_optimizer.backends.recipes import RECIPES
from burnish_optimizer.errors import InvalidJob, TooLarge
from burnish_optimizer.job import Input, Limits, OptimizeJob
from burnish_optimizer.measure.interleave import Windows
from burnish_optimizer.optimize import optimize
from burnish_optimizer.progress import JsonProgress
from burnish_runtime import golden
from burnish_runtime.load import open_engine
from support import optimizer_nets as nets
from support.candidates import fault
from support.registry import running_registry

QUICK = Windows(window_seconds=0.01, seconds=0.2, patience_seconds=0.4, min_pairs=4)


def job(tmp_path, *, source=None, calibrated=True, evaluated=True, **request):
    source = source or nets.save_net(tmp_path / "net.onnx")
    asked = {"metric": Metric.COSINE, "max_drop": 0.05, "threads": 1, **request}
    calibration = Input(str(nets.save_samples(tmp_path / "calibration.npz"))) if calibrated else None
    evaluation = nets.save_samples(tmp_path / "evaluation.npz", labelled=True, seed=6) if evaluated else None
    return OptimizeJob(
        source=Input(str(source)),
        work_dir=tmp_path / "work",
        output_dir=tmp_path / "engine",
        request=OptimizationRequest(**asked),
        calibration=calibration,
        evaluation=Input(str(evaluation)) if evaluation else None,
        name="net",
        target_name="test-class",
    )


def states(report):
    return {candidate.recipe: candidate.state for candidate in report.candidates}


def answers(folder, rows):
    engine = open_engine(folder, threads=1)
    return engine.session.run({"x": rows})["scores"]


def rows(path, name="x"):
    with np.load(path) as archive:
        return archive[name]


@pytest.mark.parametrize("opset", [11, 17])
def test_every_recipe_ends_with_a_reason_and_the_smallest_that_passes_is_served(tmp_path, opset):
    source = nets.save_net(tmp_path / "net.onnx", opset=opset)
    result = optimize(job(tmp_path, source=source, minimize=Minimize.SIZE), windows=QUICK)
    report = result.report
    assert set(states(report)) == {recipe.name for recipe in RECIPES}
    assert CandidateState.FAILED not in states(report).values()
    assert all(candidate.reason for candidate in report.candidates)
    assert report.selected.precision is Precision.INT8
    assert report.optimized.size_bytes < report.baseline.size_bytes / 1.5
    kept = {p.name for p in report.passes if p.applied}
    assert {"remove-no-ops", "equal-initializers"} & kept, report.passes

    descriptor = read_engine(result.folder)
    assert descriptor.recipe == report.selected.recipe
    assert descriptor.key == report.key
    assert descriptor.target["name"] == "test-class"
    assert (descriptor.batching is not None) == report.environment["batches"].startswith("up to")
    assert Report.model_validate_json((result.folder / "report.json").read_bytes()) == report
    assert "Candidates" in (result.folder / "report.html").read_text()
    assert golden.verify(open_engine(result.folder), result.folder)
    assert verify_folder(result.folder).golden is not None
    images = rows(tmp_path / "evaluation.npz")
    served, expected = answers(result.folder, images), reference(source, images)
    assert np.corrcoef(served.ravel(), expected.ravel())[0, 1] > 0.95


def reference(source, images):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(source), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": images})[0]


def test_candidates_that_break_cost_only_themselves_and_the_baseline_wins(tmp_path):
    recipes = [fault(n) for n in ("crash", "raise", "declined", "wrong", "nan", "mixing")]
    # (By size: a first look at latencies of microseconds would leave out one or the other.)
    result = optimize(job(tmp_path, minimize=Minimize.SIZE), recipes=recipes, windows=QUICK)
    assert states(result.report) == {
        "crash": CandidateState.FAILED,
        "raise": CandidateState.FAILED,
        "declined": CandidateState.SKIPPED,
        "wrong": CandidateState.REJECTED,
        "nan": CandidateState.REJECTED,
        "mixing": CandidateState.REJECTED,
    }
    reasons = {candidate.recipe: candidate.reason for candidate in result.report.candidates}
    assert "SIGSEGV" in reasons["crash"]
    assert "gave up" in reasons["raise"]
    assert "accuracy" in reasons["wrong"]
    assert "finite" in reasons["nan"]
    assert "batch" in reasons["mixing"]
    assert result.report.selected.recipe == "baseline"
    served = result.folder / result.descriptor.model
    assert served.read_bytes() == (tmp_path / "net.onnx").read_bytes()
    images = rows(tmp_path / "evaluation.npz")
    np.testing.assert_allclose(answers(result.folder, images), reference(served, images), rtol=1e-5)


def test_without_any_recipe_the_baseline_is_measured_and_served(tmp_path):
    result = optimize(job(tmp_path, metric=Metric.ACCURACY), recipes=[], windows=QUICK)
    report = result.report
    assert report.selected.recipe == "baseline"
    assert report.speedup == 1.0
    assert report.accuracy.metric is Metric.ACCURACY
    assert report.accuracy.samples == 24
    expected = reference(tmp_path / "net.onnx", rows(tmp_path / "evaluation.npz")).argmax(axis=1)
    labels = rows(tmp_path / "evaluation.npz", "label")
    assert report.accuracy.value == pytest.approx(float((expected == labels).mean()))


def test_without_data_answers_are_judged_on_synthetic_samples_and_only_fp32_is_tried(tmp_path):
    recipes = [recipe for recipe in RECIPES if recipe.precision is not Precision.FP32]
    asked = job(tmp_path, calibrated=False, evaluated=False, metric=Metric.AGREEMENT)
    told = io.StringIO()
    report = optimize(asked, JsonProgress(told), recipes=[*recipes, fault("same")], windows=QUICK).report
    assert "WARNING: no calibration data" in told.getvalue()
    assert report.environment["calibration"].startswith("none: no calibration data")
    found = states(report)
    assert found.pop("same") in (CandidateState.SLOWER, CandidateState.SELECTED)
    assert set(found.values()) == {CandidateState.SKIPPED}
    reasons = {candidate.recipe: candidate.reason for candidate in report.candidates}
    assert "give --evaluation" in reasons["ort-int8-dynamic"]
    assert "--calibration" in reasons["ort-int8-all"]
    assert report.environment["judged_on"] == "synthetic"
    assert "only FP32 was tried" in report.environment["judged_caveat"]


def test_a_spent_budget_skips_what_is_left(tmp_path):
    ticks = iter(range(0, 100_000, 1))
    asked = job(tmp_path, budget_seconds=10_000.0)
    result = optimize(
        asked, recipes=[fault("same"), fault("wrong")], windows=QUICK, clock=Leaping(ticks, at=10_000.0)
    )
    assert set(states(result.report).values()) == {CandidateState.SKIPPED}
    assert "budget of 10000 s" in result.report.candidates[0].reason


class Leaping:
    """A clock that stands still until the baseline is opened, then leaps past the budget."""

    def __init__(self, ticks, at):
        self.ticks, self.at, self.calls = ticks, at, 0

    def __call__(self):
        self.calls += 1
        return 0.0 if self.calls <= 7 else self.at


def test_the_same_job_has_the_same_key_and_another_source_another(tmp_path):
    first = optimize(job(tmp_path), recipes=[], windows=QUICK).report
    again = optimize(job(tmp_path), recipes=[], windows=QUICK).report
    other = nets.save_net(tmp_path / "other.onnx", seed=2)
    assert first.key == again.key
    assert optimize(job(tmp_path, source=other), recipes=[], windows=QUICK).report.key != first.key


def test_a_batch_is_measured_where_the_model_takes_one_and_refused_where_not(tmp_path):
    result = optimize(job(tmp_path, batch=4), recipes=[], windows=QUICK)
    assert result.descriptor.warmup_shapes == ({"x": (4, *nets.SHAPE)},)
    model = nets.conv_net()
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, str(tmp_path / "fixed.onnx"))
    with pytest.raises(InvalidJob, match="batch axis is fixed"):
        optimize(job(tmp_path, source=tmp_path / "fixed.onnx", batch=4), recipes=[], windows=QUICK)


def test_a_folder_of_somebody_else_is_not_overwritten(tmp_path):
    asked = job(tmp_path)
    asked.output_dir.mkdir()
    (asked.output_dir / "thesis.txt").write_text("years of work")
    with pytest.raises(InvalidJob, match="no engine"):
        optimize(asked, recipes=[], windows=QUICK)
    assert (asked.output_dir / "thesis.txt").is_file()


def test_external_data_travels_with_the_engine(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    onnx.save(
        nets.conv_net(),
        str(folder / "net.onnx"),
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    result = optimize(job(tmp_path, source=folder), recipes=[], windows=QUICK)
    shutil.rmtree(folder)
    assert sorted(p.name for p in (result.folder / "model").iterdir()) == ["net.onnx", "weights.bin"]
    assert answers(result.folder, rows(tmp_path / "evaluation.npz")).shape == (24, 4)


@pytest.mark.integration
def test_source_and_data_come_from_a_registry_and_the_engine_goes_back(tmp_path):
    asked = job(tmp_path)
    (tmp_path / "registry").mkdir()
    with running_registry(tmp_path / "registry") as address, RegistryClient() as client:
        inputs = {}
        for name in ("net.onnx", "calibration.npz", "evaluation.npz"):
            there = Reference.parse(f"oci://{address}/test/{name.split('.')[0]}:1")
            inputs[name] = Input(str(there), push_files(client, there, tmp_path, [name]).digest)
            (tmp_path / name).unlink()
        pinned = replace(
            asked,
            source=inputs["net.onnx"],
            calibration=inputs["calibration.npz"],
            evaluation=inputs["evaluation.npz"],
        )
        result = optimize(pinned, recipes=[fault("same")], windows=QUICK)
        assert result.report.source.digest == inputs["net.onnx"].digest
        assert result.report.calibration.samples == result.report.evaluation.samples == 24
        there = Reference.parse(f"oci://{address}/test/engines:{result.report.key}")
        push_engine(client, there, result.folder)
        assert pull_engine(client, there, tmp_path / "pulled") == result.descriptor
        moved = replace(pinned, source=Input(inputs["net.onnx"].uri, "sha256:" + "0" * 64))
        with pytest.raises(IntegrityError):
            optimize(moved, recipes=[], windows=QUICK)
        narrow = replace(pinned, limits=Limits(download_bytes=100), work_dir=tmp_path / "narrow")
        with pytest.raises(TooLarge, match="at most 100 bytes"):
            optimize(narrow, recipes=[], windows=QUICK)
        assert not list((tmp_path / "narrow").rglob("*.onnx"))


def test_the_work_folder_needs_no_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = job(tmp_path)
    relative = OptimizeJob(
        source=Input("net.onnx"),
        work_dir=Path("work"),
        output_dir=Path("engine"),
        request=asked.request,
        evaluation=Input("evaluation.npz"),
    )
    assert optimize(relative, recipes=[], windows=QUICK).folder == Path("engine")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_leaves_no_process_and_cleans_up_where_it_can(tmp_path, number):
    nets.save_samples(tmp_path / "calibration.npz")
    source, scratch = nets.save_net(tmp_path / "net.onnx"), tmp_path / "scratch"
    scratch.mkdir()
    # A shell's background jobs are born deaf to SIGINT, and hand that down to what they start.
    hear = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    start = f"{hear}; from burnish_cli.main import main; main()"
    program = [sys.executable, "-c", start, "optimize", str(source)]
    options = ["--calibration", str(tmp_path / "calibration.npz"), "--metric", "cosine", "-o"]
    run = subprocess.Popen(
        [*program, *options, str(tmp_path / "engine")],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(scratch)},
    )
    stages = (json.loads(line)["stage"] for line in run.stderr)
    assert "candidate" in stages
    workers = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(number)
    with run.stderr as said:
        said.read()
    assert run.wait(20) == {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -9}[number]
    assert workers
    assert not psutil.wait_procs(workers, timeout=20)[1]
    assert not (tmp_path / "engine").exists()
    assert number == signal.SIGKILL or not list(scratch.iterdir())


def test_a_secret_in_an_address_is_told_to_nobody(tmp_path):
    nets.save_net(tmp_path / "net.onnx")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    told = []

    class Heard:
        def update(self, stage, message, done, total):
            told.append(message)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://me:hushhush@127.0.0.1:{server.server_port}"
        given = replace(job(tmp_path), source=Input(f"{address}/net.onnx?signature=hushhush"))
        result = optimize(given, Heard(), recipes=(), windows=QUICK)
        gone = replace(given, source=Input(f"{address}/gone.onnx?signature=hushhush"))
        with pytest.raises(NotFound) as refused:
            optimize(replace(gone, output_dir=tmp_path / "other"), Heard(), recipes=(), windows=QUICK)
        server.shutdown()
    files = [path.read_bytes() for path in result.folder.rglob("*.*") if path.suffix != ".onnx"]
    assert b"net.onnx" in b"".join(files)
    assert b"hushhush" not in b"".join(files) + repr((told, str(refused.value))).encode()


def test_an_engine_folder_is_verified_by_what_it_tells(tmp_path):
    result = optimize(job(tmp_path), recipes=(), windows=QUICK)
    assert verify_folder(result.folder) == result.descriptor
    (result.folder / result.descriptor.model).write_bytes(b"something else")
    with pytest.raises(IntegrityError, match=r"model/net\.onnx"):
        verify_folder(result.folder)
