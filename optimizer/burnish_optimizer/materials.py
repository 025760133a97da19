"""Everything that goes into a run, local and checked before anything costs time."""

from dataclasses import dataclass
from pathlib import Path

from burnish_engine import report
from burnish_engine.descriptor import TensorSpec
from burnish_engine.request import Metric
from burnish_optimizer.errors import InvalidJob
from burnish_optimizer.ingest.check_samples import check_samples
from burnish_optimizer.ingest.feeds import is_batchable
from burnish_optimizer.ingest.material import LocalMaterial, fetch
from burnish_optimizer.ingest.model import SourceModel, read_source
from burnish_optimizer.ingest.samples import DataSpec, open_samples
from burnish_optimizer.ingest.synthetic import write_synthetic
from burnish_optimizer.job import Input, OptimizeJob
from burnish_optimizer.progress import Steps

DEFAULT_CALIBRATION_SAMPLES = 64


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
    judged_on: str

    @property
    def judged_digest(self) -> str:
        """The digest of the judged samples, for the cache of the reference's answers."""
        chosen = self.evaluation or self.calibration
        return chosen.material.digest if chosen else self.judged_on


def gather(job: OptimizeJob, steps: Steps) -> Materials:
    """Fetch and check the source and the data sets.

    Raises: NotFound, IntegrityError, InvalidSource, UnsafeSource, UnsupportedOpset, InvalidData, InvalidJob.
    """
    steps.begin("ingest", f"source {job.source.shown}")
    source = fetch(job.source, job.work_dir / "materials" / "source", limit_bytes=job.limits.download_bytes)
    model = read_source(source.path)
    _check_batch(job, model)
    steps.begin("ingest", "calibration and evaluation sets")
    limit = job.request.calibration_samples or DEFAULT_CALIBRATION_SAMPLES
    labelled = job.request.metric is Metric.ACCURACY
    evaluation = _data(job, "evaluation", job.evaluation, model.inputs, limit=None, labelled=labelled)
    judged_by_calibration = labelled and evaluation is None
    calibration = _data(
        job, "calibration", job.calibration, model.inputs, limit=limit, labelled=judged_by_calibration
    )
    judged, judged_on = _judged(job, model, calibration, evaluation)
    if judged_on != "evaluation":
        steps.note("ingest", f"no evaluation set: answers are judged on {judged_on} samples")
    return Materials(source, model, calibration, evaluation, judged, judged_on)


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
    *,
    limit: int | None,
    labelled: bool,
) -> DataSet | None:
    if given is None:
        return None
    material = fetch(given, job.work_dir / "materials" / role, limit_bytes=job.limits.download_bytes)
    spec = DataSpec(path=str(material.path), limit=limit)
    samples = check_samples(open_samples(spec, inputs), inputs, labelled=labelled)
    return DataSet(material, spec, samples)


def _judged(
    job: OptimizeJob, model: SourceModel, calibration: DataSet | None, evaluation: DataSet | None
) -> tuple[DataSpec, str]:
    if evaluation:
        return evaluation.spec, "evaluation"
    if calibration:
        return calibration.spec, "calibration"
    if job.request.metric is Metric.ACCURACY:
        raise InvalidJob(
            job.source.shown,
            found="metric accuracy and no evaluation set",
            expected="labelled samples",
            remedy="Give --evaluation, or judge by agreement or cosine.",
        )
    return write_synthetic(Path(job.work_dir) / "synthetic", model.inputs), "synthetic"
