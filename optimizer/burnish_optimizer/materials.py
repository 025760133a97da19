"""Everything that goes into a run, local and checked before anything costs time."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from burnish_engine import report
from burnish_engine.descriptor import TensorSpec
from burnish_engine.metric import Labels
from burnish_optimizer.errors import InvalidJob
from burnish_optimizer.ingest.check_samples import check_samples
from burnish_optimizer.ingest.feeds import is_batchable
from burnish_optimizer.ingest.material import LocalMaterial, fetch
from burnish_optimizer.ingest.model import SourceModel, read_source
from burnish_optimizer.ingest.samples import DataSpec, open_samples
from burnish_optimizer.ingest.synthetic import write_synthetic
from burnish_optimizer.job import Input, OptimizeJob
from burnish_optimizer.judged import DEFAULT_CALIBRATION_SAMPLES, JudgedOn, split
from burnish_optimizer.progress import Steps
from burnish_optimizer.report.words import NO_CALIBRATION


@dataclass(frozen=True)
class DataSet:
    """A set that fits the model: where it came from, what workers are told, how many samples count."""

    material: LocalMaterial
    spec: DataSpec
    samples: int

    def record(self) -> report.Material:
        """What the report says about it."""
        return self.material.record(self.samples)


@dataclass(frozen=True)
class Materials:
    """Source and data. `judged`: what answers are compared on; `judged_on` says which it is."""

    source: LocalMaterial
    model: SourceModel
    calibration: DataSet | None
    evaluation: DataSet | None
    judged: DataSpec
    judged_on: JudgedOn

    @property
    def judged_digest(self) -> str:
        """The digest of the judged samples, for the cache of the reference's answers."""
        chosen = self.evaluation or self.calibration
        digest = chosen.material.digest if chosen else self.judged_on.value
        return f"{digest}/{self.judged.every}/{self.judged.others}"


def gather(job: OptimizeJob, steps: Steps) -> Materials:
    """Fetch and check the source and the data sets.

    Raises: NotFound, IntegrityError, InvalidSource, UnsafeSource, UnsupportedOpset, InvalidData, InvalidJob.
    """
    steps.begin("ingest", f"source {job.source.shown}")
    shutil.rmtree(job.work_dir / "materials", ignore_errors=True)  # half of what a killed run fetched
    source = fetch(job.source, job.work_dir / "materials" / "source", limit_bytes=job.limits.download_bytes)
    model = read_source(source.path)
    _check_batch(job, model)
    steps.begin("ingest", "calibration and evaluation sets")
    labels = job.request.metric.labels
    evaluation = _data(job, "evaluation", job.evaluation, model.inputs, labels)
    own, limit = (Labels.NONE, _limit(job)) if evaluation else (labels, None)
    calibration = _data(job, "calibration", job.calibration, model.inputs, own, limit=limit)
    if calibration is None:
        steps.note("ingest", f"WARNING: {NO_CALIBRATION}")
    found = _judged(job, model, calibration, evaluation)
    if found.on.caveat:
        steps.note("ingest", found.on.caveat)
    return Materials(source, model, found.calibration, evaluation, found.judged, found.on)


def _check_batch(job: OptimizeJob, model: SourceModel) -> None:
    batch = job.request.batch
    is_fixed = bool(model.inputs) and all(spec.shape[:1] == (batch,) for spec in model.inputs)
    if batch > 1 and not is_fixed and not is_batchable(model.inputs):
        raise InvalidJob(
            job.source.shown,
            found=f"a request for batches of {batch}, and a model whose batch axis is fixed",
            expected="batch 1, or a model with a free batch axis",
            remedy="Export the model with a dynamic batch axis, or ask for its own batch size.",
        )


def _data(
    job: OptimizeJob,
    role: str,
    given: Input | None,
    inputs: tuple[TensorSpec, ...],
    labels: Labels,
    *,
    limit: int | None = None,
) -> DataSet | None:
    if given is None:
        return None
    material = fetch(given, job.work_dir / "materials" / role, limit_bytes=job.limits.download_bytes)
    spec = DataSpec(path=str(material.path), limit=limit)
    samples = check_samples(open_samples(spec, inputs), inputs, labels=labels)
    return DataSet(material, spec, samples)


class _Roles(NamedTuple):
    """Which samples do what."""

    calibration: DataSet | None
    judged: DataSpec
    on: JudgedOn


def _judged(
    job: OptimizeJob, model: SourceModel, calibration: DataSet | None, evaluation: DataSet | None
) -> _Roles:
    if evaluation:
        return _Roles(calibration, evaluation.spec, JudgedOn.EVALUATION)
    if calibration:
        return _shared(job, calibration)
    if job.request.metric.labels in (Labels.CLASSES, Labels.BOXES):
        raise InvalidJob(
            job.source.shown,
            found=f"metric {job.request.metric.value} and no evaluation set",
            expected="labelled samples",
            remedy="Give --evaluation, or judge by agreement or cosine.",
        )
    synthetic = write_synthetic(Path(job.work_dir) / "synthetic", model.inputs)
    return _Roles(None, synthetic, JudgedOn.SYNTHETIC)


def _shared(job: OptimizeJob, whole: DataSet) -> _Roles:
    """One set for both: see `judged.split`."""
    cut = split(whole.samples, job.request)
    spec = whole.spec.model_copy(update={"limit": cut.limit, "every": cut.every})
    calibration = replace(whole, spec=spec, samples=min(cut.limit, -(-whole.samples // cut.every)))
    if not cut.held_out:
        return _Roles(calibration, whole.spec, JudgedOn.CALIBRATION)
    others = whole.spec.model_copy(update={"every": cut.every, "others": True})
    return _Roles(calibration, others, JudgedOn.HELD_OUT)


def _limit(job: OptimizeJob) -> int:
    return job.request.calibration_samples or DEFAULT_CALIBRATION_SAMPLES
