"""Model in, engine folder out: the order of things, and nothing else.

ingest ─> reference ─> gated passes ─> baseline ─> candidates, one after the other ─> select ─> engine
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from burnish_engine import digest
from burnish_engine.descriptor import GOLDEN_FILE
from burnish_engine.key import KeyInputs, engine_key
from burnish_optimizer.backends.recipes import RECIPES, Recipe
from burnish_optimizer.context import Context
from burnish_optimizer.engine_folder import check_output, check_room, write_engine
from burnish_optimizer.job import OptimizeJob, OptimizeResult
from burnish_optimizer.judged import JudgedOn
from burnish_optimizer.materials import Materials, gather
from burnish_optimizer.measure.interleave import Windows
from burnish_optimizer.progress import Progress, SilentProgress, Steps
from burnish_optimizer.report import assemble, entries
from burnish_optimizer.report.page import render_page
from burnish_optimizer.search.attempt import Attempt, contender, is_contender
from burnish_optimizer.search.finalists import batches, golden, sustained
from burnish_optimizer.search.plan import plan
from burnish_optimizer.search.select import Verdict, select
from burnish_optimizer.stages import (
    BASELINE_RECIPE,
    Baseline,
    Tried,
    open_baseline,
    open_bench,
    run_name,
    run_options,
    run_passes,
    run_reference,
    try_candidates,
)
from burnish_optimizer.targets.fingerprint import fingerprint
from burnish_optimizer.targets.toolchain import is_installed, toolchain, versions

STEPS_BESIDE_CANDIDATES = 6
MODEL_FOLDER = "model"


def optimize(
    job: OptimizeJob,
    progress: Progress | None = None,
    *,
    recipes: Sequence[Recipe] = RECIPES,
    windows: Windows | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> OptimizeResult:
    """Try every recipe on the source on this machine, and write the engine that won.

    Args: recipes, windows, clock: for tests, and for callers that know better.
    Raises:
        NotFound, IntegrityError, InvalidSource, UnsafeSource, UnsupportedOpset, InvalidData, InvalidJob:
            the user must change something.   ReferenceFailed: the source itself does not run.
        BudgetExceeded: not even the baseline could be measured.   TransientError: try again.
    """
    begun = datetime.now(UTC)
    check_output(job.output_dir)
    context = Context(
        job=job,
        steps=Steps(progress or SilentProgress(), STEPS_BESIDE_CANDIDATES + len(recipes)),
        facts=fingerprint(),
        memory_bytes=job.limits.allowed_memory_bytes(),
        windows=windows or Windows(),
        clock=clock,
        started=clock(),
    )
    materials = gather(job, context.steps)
    check_room(job.output_dir, materials.model.size_bytes)
    reference = run_reference(context, materials)
    exact = run_passes(context, materials)
    planned = plan(
        recipes,
        job.request,
        context.facts,
        calibrated=materials.calibration is not None,
        judged=materials.judged_on is not JudgedOn.SYNTHETIC,
        is_installed=is_installed,
        target=job.target_facts,
    )
    used = toolchain({one.recipe.library for one in planned if not one.skip})
    own = _key(job, materials, context.facts, used)
    key = job.key or own
    work = run_name(key, own, planned)
    with open_baseline(context, materials, reference) as baseline:
        bench = open_bench(context, materials, work=work, reference=reference, exact=exact, baseline=baseline)
        tried = try_candidates(context, planned, bench, work)
        attempts = tried.attempts
        context.steps.begin("select", "comparing the candidates")
        verdicts = _verdicts(tried, job)
        front = entries.front(attempts)
        winner = next((a for a in attempts if (v := verdicts.get(a.recipe.name)) and v.won), None)
        chosen = _chosen(job, winner, baseline)
        context.steps.note("select", "how much the baseline and the winner serve within the goal")
        rates = sustained(winner, chosen.baseline, bench)
        context.steps.note("select", "whether requests may share a run")
        tried_batches = batches(winner, bench)
        golden_path = job.work_dir / GOLDEN_FILE
        golden_answer = golden(winner, bench, golden_path)
    finished = assemble.Finished(
        job=job,
        key=key,
        materials=materials,
        signature=(reference.result.inputs, reference.result.outputs),
        chosen=assemble.with_rates(chosen, rates),
        candidates=tuple(entries.entry(a, verdicts.get(a.recipe.name), front) for a in attempts),
        curves=tried.curves,
        passes=exact.passes,
        facts=context.facts,
        versions=versions(),
        toolchain=used,
        started=begun,
        seconds=clock() - context.started,
        batches=tried_batches,
        golden=golden_answer,
    )
    beside = {GOLDEN_FILE: golden_path} if golden_answer else {}
    result = _write(finished, *_files(winner, materials), beside)
    context.steps.finish("done", result.message)
    return result


def _verdicts(tried: Tried, job: OptimizeJob) -> dict[str, Verdict]:
    contenders = [contender(a) for a in tried.attempts if is_contender(a)]
    return {v.recipe: v for v in select(contenders, job.request, tried.duels)}


def _chosen(job: OptimizeJob, winner: Attempt | None, baseline: Baseline) -> assemble.Chosen:
    if winner and winner.accuracy and winner.opened:
        figures = winner.figures
        return assemble.Chosen(
            recipe=winner.recipe,
            options=winner.options,
            baseline=figures.baseline if figures else baseline.measurement,
            optimized=figures.measurement if figures else None,
            accuracy=winner.accuracy,
            warmup_shapes=winner.opened.shapes,
        )
    return assemble.Chosen(
        recipe=BASELINE_RECIPE,
        options=run_options(BASELINE_RECIPE, job),
        baseline=baseline.measurement,
        optimized=baseline.measurement,
        accuracy=baseline.accuracy,
        warmup_shapes=baseline.opened.shapes,
    )


def _key(job: OptimizeJob, materials: Materials, facts: dict[str, str], used: dict[str, str]) -> str:
    calibration, evaluation = materials.calibration, materials.evaluation
    return engine_key(
        KeyInputs(
            source=materials.source.digest,
            calibration=calibration.material.digest if calibration else None,
            evaluation=evaluation.material.digest if evaluation else None,
            request=job.request,
            target=assemble.target(job, facts),
            toolchain=used,
        )
    )


def _files(winner: Attempt | None, materials: Materials) -> tuple[Path, list[Path]]:
    """The model file that serves, and all files that it needs, below one folder with it."""
    if winner is None or winner.model is None:
        return materials.model.path, [materials.model.path, *materials.model.files]
    return winner.model, sorted(p for p in winner.model.parent.rglob("*") if p.is_file())


def _write(
    finished: assemble.Finished, model: Path, files: Sequence[Path], beside: Mapping[str, Path]
) -> OptimizeResult:
    report = assemble.report(finished)
    named = {f"{MODEL_FOLDER}/{p.relative_to(model.parent).as_posix()}": p for p in files} | dict(beside)
    told = {name: digest.of_file(path) for name, path in sorted(named.items())}
    descriptor = assemble.descriptor(finished, f"{MODEL_FOLDER}/{model.name}", told)
    folder = finished.job.output_dir
    write_engine(folder, named, descriptor, report, render_page(report, finished.job.name))
    return OptimizeResult(folder, descriptor, report)
