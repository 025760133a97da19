"""The records of a finished run: report and descriptor. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from burnish_engine.descriptor import EngineDescriptor, GoldenAnswer, RunOptions, TensorSpec
from burnish_engine.report import (
    Accuracy,
    CandidateReport,
    Measurement,
    PassReport,
    PrecisionCurve,
    Report,
    Selected,
    SustainedRate,
)
from burnish_engine.request import Backend, Precision
from burnish_optimizer.backends.recipes import BASELINE, Recipe
from burnish_optimizer.job import OptimizeJob
from burnish_optimizer.materials import Materials
from burnish_optimizer.report.words import NO_CALIBRATION
from burnish_optimizer.targets.fingerprint import key_facts
from burnish_optimizer.tasks import BatchesTaken


@dataclass(frozen=True)
class Chosen:
    """What serves: a recipe (the baseline's, where nothing beat it), its figures, and its model file.

    baseline: the baseline's figures, taken in turns with the winner's.
    optimized: None where it was built for hardware that is not here.
    """

    recipe: Recipe
    options: RunOptions
    baseline: Measurement
    optimized: Measurement | None
    accuracy: Accuracy
    warmup_shapes: dict[str, tuple[int, ...]]


def with_rates(chosen: Chosen, rates: tuple[SustainedRate | None, SustainedRate | None]) -> Chosen:
    """With the rates that the baseline and the winner sustain; where the baseline won, both are its own."""
    before, after = rates
    own = before if chosen.recipe.name == BASELINE else after
    optimized = chosen.optimized
    return replace(
        chosen,
        baseline=chosen.baseline.model_copy(update={"sustained": before}),
        optimized=optimized.model_copy(update={"sustained": own}) if optimized else None,
    )


@dataclass(frozen=True)
class Finished:
    """A run at its end. `facts` and `versions` tell of the machine and the libraries that did the work.

    toolchain: those of the versions that the engine key tells of.
    batches: whether requests may share a run of what serves.
    """

    job: OptimizeJob
    key: str
    materials: Materials
    signature: tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]
    chosen: Chosen
    candidates: tuple[CandidateReport, ...]
    curves: tuple[PrecisionCurve, ...]
    passes: tuple[PassReport, ...]
    facts: Mapping[str, str]
    versions: Mapping[str, str]
    toolchain: Mapping[str, str]
    started: datetime
    seconds: float
    batches: BatchesTaken
    golden: GoldenAnswer | None = None


def report(finished: Finished) -> Report:
    """`report.json`."""
    materials, chosen = finished.materials, finished.chosen
    return Report(
        key=finished.key,
        source=materials.source.record(),
        calibration=materials.calibration.record() if materials.calibration else None,
        evaluation=materials.evaluation.record() if materials.evaluation else None,
        request=finished.job.request,
        selected=Selected(
            recipe=chosen.recipe.name, backend=chosen.recipe.backend, precision=chosen.recipe.precision
        ),
        baseline=chosen.baseline,
        optimized=chosen.optimized,
        accuracy=chosen.accuracy,
        candidates=finished.candidates,
        curves=finished.curves,
        passes=finished.passes,
        environment=_environment(finished),
        started=finished.started,
        duration_seconds=finished.seconds,
    )


def descriptor(finished: Finished, model: str, files: Mapping[str, str]) -> EngineDescriptor:
    """`engine.json`. `model` and the names of `files` are relative to the engine folder."""
    chosen, job = finished.chosen, finished.job
    inputs, outputs = finished.signature
    return EngineDescriptor(
        name=job.name,
        key=finished.key,
        source_digest=finished.materials.source.digest,
        backend=Backend(chosen.recipe.backend),
        precision=Precision(chosen.recipe.precision),
        recipe=chosen.recipe.name,
        model=model,
        inputs=inputs,
        outputs=outputs,
        options=chosen.options,
        files=dict(files),
        warmup_shapes=(chosen.warmup_shapes,),
        batching=finished.batches.batching,
        golden=finished.golden,
        target=target(job, finished.facts),
        toolchain=dict(finished.toolchain),
        created=datetime.now(UTC),
    )


def target(job: OptimizeJob, facts: Mapping[str, str]) -> dict[str, str]:
    """The facts that an engine is for: the class's where the job tells them, else this machine's."""
    known = key_facts(facts) if job.target_facts is None else dict(job.target_facts)
    return {**known, **({"name": job.target_name} if job.target_name else {})}


def _environment(finished: Finished) -> dict[str, str]:
    threads = finished.job.request.threads
    calibration = finished.materials.calibration
    return {
        **finished.facts,
        **{f"version.{name}": version for name, version in finished.versions.items()},
        "threads": "as the CPU quota allows" if threads is None else str(threads),
        "calibration": f"{calibration.samples} samples" if calibration else f"none: {NO_CALIBRATION}",
        "batches": _batches(finished.batches),
        "judged_on": finished.materials.judged_on.value,
        **({"judged_caveat": caveat} if (caveat := finished.materials.judged_on.caveat) else {}),
    }


def _batches(taken: BatchesTaken) -> str:
    found = taken.batching
    if found is None:
        return f"none: {taken.note}"
    return f"up to {found.max_rows} rows share a run, {found.deviation:.2g} of an output's scale off at most"
