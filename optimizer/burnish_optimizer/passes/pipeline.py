"""Every pass of every run is gated: applied to a copy, compared with the reference, kept or rolled back."""

import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from burnish_engine.descriptor import RunOptions
from burnish_engine.report import GateResult, PassReport
from burnish_engine.request import Backend
from burnish_optimizer.errors import Declined
from burnish_optimizer.ingest.feeds import to_feeds
from burnish_optimizer.passes.cleanup import PASSES
from burnish_optimizer.passes.contract import Pass
from burnish_optimizer.reference.answers import UNOPTIMIZED, answer, judged_samples
from burnish_optimizer.tasks import PassesResult, PassesTask
from burnish_runtime.load import open_session
from burnish_runtime.session import Array

GATED_SAMPLES = 4

Gate = Callable[[Path], GateResult]


def run_passes(task: PassesTask) -> PassesResult:
    """Apply all passes in order."""
    source = Path(task.model)
    if _has_external_data(source):
        reason = "the model keeps its weights in external data, which is left untouched"
        return PassesResult(
            model=str(source), passes=tuple(_declined(rewriting, reason, 0.0) for rewriting in PASSES)
        )
    return apply_passes(source, Path(task.folder), PASSES, lambda model: byte_gate(model, task))


def apply_passes(source: Path, folder: Path, passes: Sequence[Pass], gate: Gate) -> PassesResult:
    """Each pass rewrites the last model that passed the gate; what fails is rolled back and recorded."""
    folder.mkdir(parents=True, exist_ok=True)
    current, reports = source, []
    for position, rewriting in enumerate(passes):
        candidate = folder / f"{position:02d}-{rewriting.name}.onnx"
        report = _apply(rewriting, current, candidate, gate)
        reports.append(report)
        current = candidate if report.applied else current
    return PassesResult(model=str(current), passes=tuple(reports))


def byte_gate(model: Path, task: PassesTask) -> GateResult:
    """Outputs byte-equal to the reference's on the first samples, both unoptimized."""
    options = RunOptions(threads=task.threads, graph_optimization=UNOPTIMIZED)
    session = open_session(model, Backend.ONNXRUNTIME, options)
    different, count = 0, 0
    pairs = judged_samples(Path(task.answers), task.data, session.inputs)
    for sample, expected in islice(pairs, GATED_SAMPLES):
        found = list(answer(session, to_feeds(sample.arrays, session.inputs)).values())
        count += 1
        different += not all(_byte_equal(f, e) for f, e in zip(found, expected, strict=True))
    return GateResult(
        name="byte-equal",
        passed=count > 0 and different == 0,
        found=f"{different} of {count} samples differ",
        expected="outputs byte-equal to the reference's",
    )


def _apply(rewriting: Pass, source: Path, target: Path, gate: Gate) -> PassReport:
    started = time.perf_counter()
    try:
        model = ir.load(source)
        changed = rewriting.apply(model)
        if not changed:
            return _declined(rewriting, "nothing to do", time.perf_counter() - started)
        ir.save(model, target)
        onnx.checker.check_model(str(target))
        result = gate(target)
    except Declined as reason:
        return _declined(rewriting, str(reason), time.perf_counter() - started)
    except Exception as error:  # noqa: BLE001 - a pass may break in any way; the run goes on without it
        message = " ".join(str(error).split())[:300]
        return _declined(
            rewriting, f"rolled back: {type(error).__name__}: {message}", time.perf_counter() - started
        )
    kept = f"{changed} nodes and initializers removed"
    return PassReport(
        name=rewriting.name,
        guarantee=rewriting.guarantee,
        applied=result.passed,
        reason=kept if result.passed else f"rolled back: {result.found}",
        gates=(result,),
        seconds=time.perf_counter() - started,
    )


def _declined(rewriting: Pass, reason: str, seconds: float) -> PassReport:
    return PassReport(
        name=rewriting.name, guarantee=rewriting.guarantee, applied=False, reason=reason, seconds=seconds
    )


def _byte_equal(found: Array, expected: Array) -> bool:
    if found.dtype != expected.dtype or found.shape != expected.shape:
        return False
    if found.dtype == object:
        return bool(np.array_equal(found, expected))
    return found.tobytes() == expected.tobytes()


def _has_external_data(path: Path) -> bool:
    model = onnx.load(str(path), load_external_data=False)
    return any(onnx.external_data_helper.uses_external_data(tensor) for tensor in model.graph.initializer)
