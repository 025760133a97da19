"""What Prometheus' figures say of a canary: held against limits, and counted.

A gate that lacks a figure is not passed: the analysis is inconclusive, unless another gate failed.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from burnish_engine.errors import BurnishError
from burnish_engine.redact import sanitized
from burnish_operator.api import Analysis, AnalysisCounts
from burnish_operator.decide.conditions import timestamp
from burnish_operator.ports import Samples


class Result(StrEnum):
    """What an analysis comes to."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    ERROR = "no answer"


@dataclass(frozen=True)
class Finding:
    """One analysis, or one gate of it."""

    result: Result
    message: str


# The worst news first.
_ORDER = (Result.FAILED, Result.INCONCLUSIVE, Result.PASSED)


def evaluate(samples: Samples | BurnishError, limits: Analysis) -> Finding:
    """Hold the figures against the limits."""
    if isinstance(samples, BurnishError):
        return Finding(Result.ERROR, sanitized(str(samples)))
    gates = list(_gates(samples, limits))
    worst = min((gate.result for gate in gates), key=_ORDER.index)
    told = dict.fromkeys(gate.message for gate in gates if gate.result is worst)
    return Finding(worst, "; ".join(told))


def _gates(samples: Samples, limits: Analysis) -> Iterator[Finding]:
    yield _errors(samples, limits)
    yield _latency(samples, limits)
    if limits.min_agreement is not None:
        yield _agreement(samples, limits, limits.min_agreement)


def _errors(samples: Samples, limits: Analysis) -> Finding:
    requests, failed = _known(samples.canary_requests), _known(samples.canary_failed)
    if requests is None or failed is None or requests < limits.min_requests:
        return _too_few("the canary", requests, limits)
    told = f"{failed / requests:.2%} of {requests:.0f} requests to the canary failed"
    if failed > limits.max_error_rate * requests:
        return Finding(Result.FAILED, f"{told}, {limits.max_error_rate:.2%} may")
    return Finding(Result.PASSED, told)


def _latency(samples: Samples, limits: Analysis) -> Finding:
    for side, count in (
        ("the canary", samples.canary_requests),
        ("the stable pods", samples.stable_requests),
    ):
        requests = _known(count)
        if requests is None or requests < limits.min_requests:
            return _too_few(side, requests, limits)
    canary, stable = _known(samples.canary_p99), _known(samples.stable_p99)
    if canary is None or not stable:
        return Finding(Result.INCONCLUSIVE, "Prometheus has no p99 of both sides")
    ratio = canary / stable
    told = (
        f"p99 is {ratio:.2f} times that of the stable pods ({1000 * canary:.1f} and {1000 * stable:.1f} ms)"
    )
    if ratio > limits.max_latency_ratio:
        return Finding(Result.FAILED, f"{told}, {limits.max_latency_ratio:g} times is the limit")
    return Finding(Result.PASSED, told)


def _agreement(samples: Samples, limits: Analysis, minimum: float) -> Finding:
    compared, agreement = _known(samples.compared), _known(samples.agreement)
    if compared is None or agreement is None or compared < limits.min_requests:
        told = f"{compared or 0:.0f} answers were compared with those of the stable pods"
        return Finding(Result.INCONCLUSIVE, f"{told}, {limits.min_requests} are needed")
    told = f"agreement with the stable pods is {agreement:.4f} over {compared:.0f} answers"
    if agreement < minimum:
        return Finding(Result.FAILED, f"{told}, {minimum:g} is the minimum")
    return Finding(Result.PASSED, told)


def _known(figure: float | None) -> float | None:
    """NaN and infinities are what Prometheus makes of nothing."""
    return figure if figure is not None and math.isfinite(figure) else None


def _too_few(side: str, requests: float | None, limits: Analysis) -> Finding:
    told = "no request" if requests is None else f"{requests:.0f} request(s)"
    message = f"Prometheus has {told} to {side} in {limits.interval}, {limits.min_requests} are needed"
    return Finding(Result.INCONCLUSIVE, message)


def counted(counts: AnalysisCounts, finding: Finding, now: datetime, *, paused: bool) -> AnalysisCounts:
    """One analysis more. While paused only what speaks against the engine counts."""
    added = {
        Result.PASSED: {"passed": counts.passed + (not paused), "errors": 0},
        Result.FAILED: {"failed": counts.failed + 1, "errors": 0},
        Result.INCONCLUSIVE: {"inconclusive": counts.inconclusive + (not paused), "errors": 0},
        Result.ERROR: {"errors": counts.errors + (not paused)},
    }
    told = {"time": timestamp(now), "message": f"{finding.result.value}: {finding.message}."}
    return counts.model_copy(update=added[finding.result] | told)


def exceeded(counts: AnalysisCounts, limits: Analysis) -> str:
    """The reason to reject the engine; "" while every count is within its limit."""
    reasons = {
        "AnalysisFailed": counts.failed > limits.failure_limit,
        "AnalysisInconclusive": counts.inconclusive > limits.inconclusive_limit,
        "AnalysisError": counts.errors > limits.consecutive_error_limit,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")
