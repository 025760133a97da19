"""The stages of a run, each a function of what the ones before it gave."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from burnish_engine import digest
from burnish_engine.descriptor import RunOptions
from burnish_engine.report import Accuracy, GateResult, Measurement, PassReport, PrecisionCurve
from burnish_engine.request import Backend, Precision
from burnish_optimizer.backends.recipes import BASELINE, Recipe
from burnish_optimizer.context import Context
from burnish_optimizer.errors import InvalidJob, WorkerFailed
from burnish_optimizer.gates.accuracy import NAME as ACCURACY
from burnish_optimizer.job import Limits, OptimizeJob
from burnish_optimizer.materials import Materials
from burnish_optimizer.measure.affinity import processors_for
from burnish_optimizer.measure.client import ProbeProcess
from burnish_optimizer.measure.statistics import flatten
from burnish_optimizer.reference.answers import cache_name
from burnish_optimizer.rewriting import RewriteJob, RewriteResult, rewrite_file
from burnish_optimizer.search.attempt import Attempt
from burnish_optimizer.search.bench import Bench, judge, measurement
from burnish_optimizer.search.finals import finals
from burnish_optimizer.search.journal import Journal
from burnish_optimizer.search.plan import Planned
from burnish_optimizer.search.search import search
from burnish_optimizer.search.select import Duels
from burnish_optimizer.search.workshop import RealWorkshop
from burnish_optimizer.targets.kernels import OF_BACKEND, PORTABLE
from burnish_optimizer.targets.toolchain import toolchain
from burnish_optimizer.tasks import (
    AnswersResult,
    AnswersTask,
    BuildTask,
    Opened,
    ProbeTask,
)
from burnish_runtime import memory

BASELINE_WINDOWS, BASELINE_REVIVALS = 6, 3
MIN_CANDIDATE_BYTES = 128 << 20
NAME_LENGTH = 32
BASELINE_RECIPE = Recipe(
    name=BASELINE, backend=Backend.ONNXRUNTIME, precision=Precision.FP32, build="the source itself"
)


@dataclass(frozen=True)
class Reference:
    """The judge's answers, on disk in `folder`."""

    result: AnswersResult
    folder: Path


@dataclass(frozen=True)
class Exact:
    """The rewritten model, for every backend and for some alone, and what each pass did."""

    model: str
    by_backend: dict[Backend, str] = field(default_factory=dict)
    passes: tuple[PassReport, ...] = ()

    def refined(self, done: RewriteResult, backend: Backend | None) -> "Exact":
        """With one more rewriting: of the model itself, or for one backend on top of it."""
        if backend is None:
            return replace(self, model=str(done.output), passes=done.report.passes)
        named = tuple(
            p.model_copy(update={"name": f"{backend.value}: {p.name}"})
            for p in done.report.passes
            if p.applied
        )
        by_backend = {**self.by_backend, backend: str(done.output)}
        return replace(self, by_backend=by_backend, passes=(*self.passes, *named))

    def for_recipe(self, recipe: Recipe) -> str:
        """What its builder takes: quantizers know standard operators best."""
        if recipe.precision is Precision.FP32:
            return self.by_backend.get(recipe.backend, self.model)
        return self.model


@dataclass(frozen=True)
class Baseline:
    """The source in ONNX Runtime's defaults: loaded, judged, measured alone."""

    probe: ProbeProcess
    opened: Opened
    measurement: Measurement
    accuracy: Accuracy


@dataclass(frozen=True)
class Tried:
    """All attempts in the plan's order, the curves of mixtures, and duels (see `search.finals`)."""

    attempts: tuple[Attempt, ...]
    curves: tuple[PrecisionCurve, ...]
    duels: Duels


def run_reference(context: Context, materials: Materials) -> Reference:
    """The untouched source over all judged samples.

    Raises: ReferenceFailed, BudgetExceeded.
    """
    context.steps.begin("reference", f"the source, unoptimized, over the {materials.judged_on} samples")
    parts = (materials.source.digest, materials.judged_digest, materials.judged.limit, str(toolchain()))
    folder = context.folder("reference") / cache_name(*parts)
    task = AnswersTask(
        model=str(materials.model.path),
        folder=str(folder),
        data=materials.judged,
        threads=context.job.request.threads,
    )
    with context.essential():
        return Reference(context.worker(task, AnswersResult, "reference"), folder)


def run_passes(context: Context, materials: Materials) -> Exact:
    """The model rewritten with proof: for any backend, and further for ONNX Runtime's own kernels.

    A failure of the whole stage leaves the source as it is.
    """
    context.steps.begin("passes", "rewriting, each pass gated")
    folder = context.folder("passes")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    exact = Exact(str(materials.model.path))
    own = OF_BACKEND[Backend.ONNXRUNTIME]
    for target, backend in ((PORTABLE, None), (own, Backend.ONNXRUNTIME)):
        if context.exhausted():
            context.steps.note("passes", f"{target.name}: {context.exhausted()}")
            break
        job = RewriteJob(
            source=Path(exact.model),
            output=folder / f"{target.name}.onnx",
            work_dir=folder / target.name,
            target=target.name,
            data=materials.judged,
            threads=context.job.request.threads,
            limits=Limits(seconds=context.left(), memory_bytes=context.memory_bytes),
        )
        try:
            done = rewrite_file(job)
        except WorkerFailed as error:
            context.steps.note("passes", f"{target.name}: none kept: {error.found}")
            continue
        exact = exact.refined(done, backend)
    return exact


@contextmanager
def open_baseline(context: Context, materials: Materials, reference: Reference) -> Iterator[Baseline]:
    """The baseline, which stays loaded while candidates are measured beside it.

    Raises: ReferenceFailed, BudgetExceeded, InvalidJob (the metric cannot be computed).
    """
    context.steps.begin("baseline", "the source in ONNX Runtime's defaults")
    options = run_options(BASELINE_RECIPE, context.job)
    task = probe_task(
        materials.model.path,
        BASELINE_RECIPE.backend,
        options,
        job=context.job,
        materials=materials,
        reference=reference,
    )
    folder = context.folder("work") / BASELINE
    with ProbeProcess(task, folder, seconds=context.left(), memory_bytes=context.memory_bytes) as probe:
        with context.essential():
            opened = probe.open()
            gates, accuracy = judge(probe, context.job.request, Precision.FP32)
            taken = flatten([probe.round(context.windows.window_seconds) for _ in range(BASELINE_WINDOWS)])
            energy = probe.energy()
        if accuracy is None:
            raise _no_metric(context.job, gates)
        size, batch = materials.model.size_bytes, context.job.request.batch
        figures = measurement(taken, opened, size, batch, energy=energy)
        probe.seconds, probe.revivals = context.job.limits.seconds, BASELINE_REVIVALS
        yield Baseline(probe, opened, figures, accuracy)


def run_name(key: str, own_key: str, planned: Sequence[Planned]) -> str:
    """The folder of a run's candidates: what may go on from each other shares it.

    Args: own_key: computed here. A key that a caller gave may be that of another source by mistake, and what
    was made of that must not count for this one.
    """
    recipes = [[one.recipe.model_dump(mode="json"), one.skip] for one in planned]
    return digest.of_json([key, own_key, recipes]).removeprefix("sha256:")[:NAME_LENGTH]


def try_candidates(context: Context, planned: Sequence[Planned], bench: Bench, work: str) -> Tried:
    """Every planned recipe; what is skipped says why. A run of the same name that was cut short goes on."""
    own = context.folder("candidates") / work
    for other in context.folder("candidates").glob("*"):
        if other != own:
            shutil.rmtree(other, ignore_errors=True)
    told = partial(context.steps.begin, "candidate")
    shop = RealWorkshop(bench)
    attempts, curves = search(planned, shop, Journal(own / "finished"), told, context.exhausted)
    return Tried(attempts, curves, finals(attempts, shop, told, context.exhausted))


def open_bench(
    context: Context,
    materials: Materials,
    *,
    work: str,
    reference: Reference,
    exact: Exact,
    baseline: Baseline,
) -> Bench:
    """What all candidates of this run share."""
    own = context.folder("candidates") / work
    return Bench(
        request=context.job.request,
        baseline=baseline.probe,
        baseline_opened=baseline.opened,
        baseline_size_bytes=materials.model.size_bytes,
        task=lambda recipe, folder: build_task(recipe, folder, context, materials, exact),
        probe=lambda model, recipe, options: probe_task(
            model, recipe.backend, options, job=context.job, materials=materials, reference=reference
        ),
        folder=context.job.work_dir,
        candidates=own / "built",
        memory_bytes=candidate_memory(context, baseline),
        windows=context.windows,
        clock=context.clock,
        left=context.left,
    )


def candidate_memory(context: Context, baseline: Baseline) -> int:
    """What the run may take, less what this process and the baseline hold: a pod counts them together."""
    held = memory.current_bytes() + baseline.opened.peak_memory_bytes
    return max(context.memory_bytes - held, MIN_CANDIDATE_BYTES)


def build_task(
    recipe: Recipe, folder: Path, context: Context, materials: Materials, exact: Exact
) -> BuildTask:
    """What the builder of a recipe is told."""
    return BuildTask(
        run=recipe.build,
        model=exact.for_recipe(recipe),
        folder=str(folder),
        shared=str(folder.parent.parent / "shared"),
        inputs=materials.model.inputs,
        calibration=materials.calibration.spec if materials.calibration else None,
        threads=context.job.request.threads,
        facts=context.facts,
        target=context.job.target_facts,
        settings=recipe.settings,
        options=run_options(recipe, context.job),
        judged=materials.judged,
        batch=context.job.request.batch,
    )


def probe_task(
    model: Path,
    backend: Backend,
    options: RunOptions,
    *,
    job: OptimizeJob,
    materials: Materials,
    reference: Reference,
) -> ProbeTask:
    """What the process that measures a model is told."""
    return ProbeTask(
        model=str(model),
        backend=backend,
        options=options,
        data=materials.judged,
        answers=str(reference.folder),
        outputs=tuple(spec.name for spec in reference.result.outputs),
        batch=job.request.batch,
        batch_error=reference.result.batch_error,
        processors=processors_for(job.request.threads) if job.pin else None,
        metric=job.request.metric,
        metric_entry=job.request.metric_entry,
    )


def run_options(recipe: Recipe, job: OptimizeJob) -> RunOptions:
    """How a recipe is run here, and later where it serves."""
    asked = {"threads": job.request.threads, "allow_fallback": job.request.allow_fallback}
    return recipe.options.model_copy(update=asked)


def _no_metric(job: OptimizeJob, gates: Sequence[GateResult]) -> InvalidJob:
    found = next(gate.found for gate in gates if gate.name == ACCURACY)
    return InvalidJob(
        job.source.shown,
        found=found,
        expected=f"outputs (and labels) that metric {job.request.metric.value} can read",
        remedy="docs/accuracy.md tells what each metric needs; cosine takes any outputs and no labels.",
    )
