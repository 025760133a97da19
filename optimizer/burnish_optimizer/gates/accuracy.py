"""The accuracy gate: a candidate's metric beside the reference's own. Pure.

Candidates of lower precision are judged at the bad end of the 95 % interval, of the drop or of the value;
the drop's is a bootstrap that draws each sample with both sides. Too few samples fail, and the gate says how
many it needs. FP32 candidates (the baseline, exact and rounding passes that are already proved, other
libraries' FP32) are judged at the estimate: their answers differ by rounding alone, which `faithful_gate`
holds them to.
"""

from collections.abc import Sequence

import numpy as np

from burnish_engine.report import Accuracy, GateResult
from burnish_engine.request import OptimizationRequest, Precision
from burnish_optimizer.errors import NoFigure
from burnish_optimizer.gates.enough import ROUNDING, Evidence, samples_needed
from burnish_optimizer.gates.intervals import drawn, enclosing, wilson
from burnish_optimizer.gates.metrics.measure import Figures, Measure
from burnish_optimizer.gates.metrics.table import combined
from burnish_optimizer.tasks import SampleScore
from burnish_runtime.session import Array

NAME = "accuracy"


def summarize(scores: Sequence[SampleScore], request: OptimizationRequest) -> Accuracy | None:
    """The metric over all samples; None where a figure is missing (`missing` says why)."""
    own = [score.own for score in scores if score.own is not None]
    reference = [score.reference for score in scores if score.reference is not None]
    if not scores or len(own) != len(scores) or len(reference) != len(scores):
        return None
    try:
        return _accuracy(own, reference, request)
    except NoFigure:
        return None


def missing(scores: Sequence[SampleScore], request: OptimizationRequest) -> str:
    """Why there is no metric."""
    if not scores:
        return "no samples"
    noted = next((score.note for score in scores if score.own is None), "")
    if noted:
        return noted
    try:
        _units(combined(request.metric), [score.reference or () for score in scores])
    except NoFigure as reason:
        return str(reason)
    return "figures are missing on some samples"


def accuracy_gate(
    accuracy: Accuracy | None, request: OptimizationRequest, precision: Precision, why: str = ""
) -> GateResult:
    """Whether the metric is above the floor, or its drop within the allowed one.

    Args: precision: FP32 is judged at the estimate, all others at the interval's bad end.
        why: the reason, where there is no metric.
    """
    exact = precision is Precision.FP32
    expected = _expectation(request, exact)
    if accuracy is None:
        found = f"no {request.metric.value}: {why or 'a figure is missing'}"
        return GateResult(name=NAME, passed=False, found=found, expected=expected)
    found = _found(accuracy, request)
    short = "" if exact else _too_few(accuracy)
    passed = not short and _fallen(accuracy, request, exact) <= _room(accuracy, request) + ROUNDING
    return GateResult(name=NAME, passed=passed, found=found + short, expected=expected)


def excess(accuracy: Accuracy, request: OptimizationRequest) -> float:
    """Which share of what was lost is too much, at the interval's bad end: 0 (none) up to 1 (all)."""
    lost, allowed = _fallen(accuracy, request, exact=False), _room(accuracy, request)
    return 1 - allowed / lost if lost > allowed else 0.0


def _accuracy(own: list[Figures], reference: list[Figures], request: OptimizationRequest) -> Accuracy:
    measure, count = combined(request.metric), len(own)
    units = _units(measure, reference)
    statistics = [measure.statistic(side) for side in (own, reference)]
    value, beside = (float(statistic(np.ones((1, count)))[0]) for statistic in statistics)
    draws = drawn(statistics, count)
    sign = -1.0 if request.metric.lower_is_better else 1.0
    accuracy = Accuracy(
        metric=request.metric,
        value=value,
        interval=_interval(measure, value, draws[0], count),
        samples=count,
        reference=beside,
        drop=sign * (beside - value),
        drop_interval=enclosing(sign * (draws[1] - draws[0]), sign * (beside - value), count),
    )
    needed = _needed(accuracy, request, measure, units)
    return accuracy.model_copy(update={"samples_needed": needed})


def _interval(measure: Measure, value: float, distribution: Array, count: int) -> tuple[float, float]:
    if measure.proportion:
        return wilson(value * count, count)
    return enclosing(distribution, value, count)


def _units(measure: Measure, reference: Sequence[Figures]) -> float | None:
    return None if measure.units is None else measure.units(reference)


def _needed(
    accuracy: Accuracy, request: OptimizationRequest, measure: Measure, units: float | None
) -> int | None:
    room = _room(accuracy, request)
    return samples_needed(
        Evidence(
            samples=accuracy.samples,
            units=units,
            least=measure.least_samples,
            room=room,
            estimate=_fallen(accuracy, request, exact=True),
            bad_end=_fallen(accuracy, request, exact=False),
        )
    )


def _room(accuracy: Accuracy, request: OptimizationRequest) -> float:
    """How far the metric may fall: below the reference's, or below a perfect one's where a floor judges."""
    if request.floor is None:
        return request.allowed_drop or 0.0
    return _top(accuracy) - request.floor


def _fallen(accuracy: Accuracy, request: OptimizationRequest, exact: bool) -> float:
    """How far it has fallen on the scale of `_room`: the estimate, or the interval's bad end."""
    if request.floor is None:
        return accuracy.drop if exact or accuracy.drop_interval is None else accuracy.drop_interval[1]
    return _top(accuracy) - (accuracy.value if exact else accuracy.interval[0])


def _top(accuracy: Accuracy) -> float:
    return 1.0 if accuracy.metric.is_share else accuracy.reference


def _too_few(accuracy: Accuracy) -> str:
    needed = accuracy.samples_needed
    if needed is None:
        return "; no number of samples shows that nothing at all is lost: allow a drop, or ask for FP32"
    if needed <= accuracy.samples:
        return ""
    return f"; {accuracy.samples} samples are too few to tell, about {needed} are needed"


def _found(accuracy: Accuracy, request: OptimizationRequest) -> str:
    low, high = accuracy.interval
    told = f"{request.metric.value} {accuracy.value:.4f} ({low:.4f} to {high:.4f})"
    if request.floor is not None or accuracy.drop_interval is None:
        return f"{told}, {accuracy.samples} samples"
    word = "above" if request.metric.lower_is_better else "below"
    low, high = accuracy.drop_interval
    if not accuracy.drop and not low and not high:
        return f"{told}, as the reference, {accuracy.samples} samples"
    return (
        f"{told}, {accuracy.drop:+.4f} ({low:+.4f} to {high:+.4f}) {word} the reference, "
        f"{accuracy.samples} samples"
    )


def _expectation(request: OptimizationRequest, exact: bool) -> str:
    end = "" if exact else ", at the bad end of its 95 % interval"
    if request.floor is not None:
        return f"{request.metric.value} of at least {request.floor:g}{end}"
    change = "rise" if request.metric.lower_is_better else "drop"
    return f"a {change} of at most {request.allowed_drop:g}{end}"
