"""The accuracy gate: a candidate's metric beside the reference's own. Pure.

Drops are judged at the estimate; the interval stands beside it in the report.
"""

from collections.abc import Sequence

from burnish_engine.report import Accuracy, GateResult
from burnish_engine.request import Metric, OptimizationRequest
from burnish_optimizer.gates.intervals import bootstrap_mean, wilson
from burnish_optimizer.tasks import SampleScore

NAME = "accuracy"
ROUNDING = 1e-9  # of the float sums behind a mean


def summarize(scores: Sequence[SampleScore], metric: Metric) -> Accuracy | None:
    """The metric over all samples, or None where a figure is missing (no samples, labels or class scores)."""
    pairs = [_figures(score, metric) for score in scores]
    values = [value for value, _ in pairs if value is not None]
    references = [reference for _, reference in pairs if reference is not None]
    if not pairs or len(values) != len(pairs) or len(references) != len(pairs):
        return None
    value, reference = sum(values) / len(values), sum(references) / len(references)
    cosine = metric is Metric.COSINE
    interval = bootstrap_mean(values) if cosine else wilson(sum(values), len(values))
    return Accuracy(
        metric=metric,
        value=value,
        interval=interval,
        samples=len(values),
        reference=reference,
        drop=reference - value,
    )


def accuracy_gate(accuracy: Accuracy | None, request: OptimizationRequest) -> GateResult:
    """Whether the metric is above the floor, or its drop within the allowed one."""
    expected = _expectation(request)
    if accuracy is None:
        found = f"no {request.metric.value} (labels or class scores are missing on some samples)"
        return GateResult(name=NAME, passed=False, found=found, expected=expected)
    low, high = accuracy.interval
    found = f"{request.metric.value} {accuracy.value:.4f} ({low:.4f} to {high:.4f})"
    if request.allowed_drop is None:
        passed = accuracy.value >= (request.minimum or 0.0) - ROUNDING
    else:
        passed = accuracy.drop <= request.allowed_drop + ROUNDING
        found += f", {accuracy.drop:+.4f} below the reference" if accuracy.drop else ", as the reference"
    return GateResult(name=NAME, passed=passed, found=found, expected=expected)


def _expectation(request: OptimizationRequest) -> str:
    if request.allowed_drop is None:
        return f"{request.metric.value} of at least {request.minimum}"
    return f"a drop of at most {request.allowed_drop}"


def _figures(score: SampleScore, metric: Metric) -> tuple[float | None, float | None]:
    match metric:
        case Metric.ACCURACY:
            return score.correct, score.reference_correct
        case Metric.AGREEMENT:
            return score.agreement, 1.0
        case Metric.COSINE:
            return score.cosine, 1.0
