"""An engine's figures, from wherever they are known, in the status's own records."""

from dataclasses import dataclass, replace

from burnish_engine.descriptor import EngineDescriptor
from burnish_engine.oci.reference import SCHEME, Reference
from burnish_engine.outcome import AccuracySummary, FigureSummary, Outcome
from burnish_engine.request import Metric
from burnish_operator.api import AccuracyStatus, EngineStatus, FigureStatus, TargetStatus
from burnish_operator.ports import Engine


@dataclass(frozen=True)
class Built:
    """An engine and what was measured; a figure that is not known is None.

    descriptor: None where the registry was not asked just now.
    """

    engine: EngineStatus
    accuracy: AccuracyStatus | None
    baseline: FigureStatus | None
    optimized: FigureStatus | None
    speedup: float | None
    descriptor: EngineDescriptor | None = None


def of_engine(found: Engine) -> Built | None:
    """From the registry's report."""
    built = _built(found.outcome, found.reference, found.digest)
    return built and replace(built, descriptor=found.descriptor)


def of_outcome(outcome: Outcome, repository: str) -> Built | None:
    """From a Job's termination message."""
    if outcome.digest is None:
        return None
    return _built(outcome, str(Reference.parse(f"{repository}@{outcome.digest}")), outcome.digest)


def of_status(status: TargetStatus) -> Built | None:
    """From what was written down before."""
    if status.engine is None:
        return None
    return Built(status.engine, status.accuracy, status.baseline, status.optimized, status.speedup)


def _built(outcome: Outcome, reference: str, digest: str) -> Built | None:
    if outcome.selected is None:
        return None
    engine = EngineStatus(
        key=outcome.key,
        digest=digest,
        reference=reference.removeprefix(SCHEME),
        backend=outcome.selected.backend,
        precision=outcome.selected.precision,
        recipe=outcome.selected.recipe,
    )
    return Built(
        engine=engine,
        accuracy=_accuracy(outcome.accuracy),
        baseline=_figures(outcome.baseline),
        optimized=_figures(outcome.optimized),
        speedup=None if outcome.speedup is None else round(outcome.speedup, 3),
    )


def _accuracy(summary: AccuracySummary | None) -> AccuracyStatus | None:
    if summary is None:
        return None
    return AccuracyStatus(
        metric=Metric(summary.metric),
        value=summary.value,
        reference=summary.reference,
        samples=summary.samples,
    )


def _figures(summary: FigureSummary | None) -> FigureStatus | None:
    return None if summary is None else FigureStatus.model_validate(summary.model_dump())
