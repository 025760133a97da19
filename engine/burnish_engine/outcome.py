"""The Job contract: what an optimizer pod says in its last breath.

The pod gets no API token. It writes one JSON object (at most 4,096 bytes, the kubelet's limit) to
its termination message; the operator reads it from the pod's status. Exit codes say the same more
coarsely, for a pod failure policy that only sees numbers.
"""

from enum import IntEnum

from burnish_engine.base import Record
from burnish_engine.errors import Action, BurnishError
from burnish_engine.report import Measurement, Report, Selected

MAX_BYTES = 4096


class ExitCode(IntEnum):
    """Exit codes of every `burnish` command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    STALLED = 3
    TRANSIENT = 4


class FigureSummary(Record):
    """The figures that fleet metrics need, of one side (baseline or optimized)."""

    p50_seconds: float
    p90_seconds: float
    p99_seconds: float
    throughput_per_second: float
    peak_memory_bytes: int
    size_bytes: int


class AccuracySummary(Record):
    """The judged metric, for the status."""

    metric: str
    value: float
    reference: float
    samples: int


class Outcome(Record):
    """Success carries a digest and figures; failure carries a reason, a message and what to do."""

    succeeded: bool
    key: str
    reason: str
    message: str
    action: Action | None = None
    digest: str | None = None
    selected: Selected | None = None
    baseline: FigureSummary | None = None
    optimized: FigureSummary | None = None
    speedup: float | None = None
    accuracy: AccuracySummary | None = None
    seconds: float = 0.0

    def to_termination_message(self) -> bytes:
        """JSON within the kubelet's limit; a message that is too long is cut, never the figures."""
        message, encoded = self.message, self._encode(self.message)
        while len(encoded) > MAX_BYTES and message:
            message = message[: -max(1, (len(encoded) - MAX_BYTES) // 4)]
            encoded = self._encode(message + "…")
        return encoded

    def _encode(self, message: str) -> bytes:
        return self.model_copy(update={"message": message}).model_dump_json(exclude_none=True).encode()


def _figures(side: Measurement | None) -> FigureSummary | None:
    if side is None:
        return None
    return FigureSummary(
        p50_seconds=side.latency_seconds.p50.value,
        p90_seconds=side.latency_seconds.p90.value,
        p99_seconds=side.latency_seconds.p99.value,
        throughput_per_second=side.throughput_per_second.value,
        peak_memory_bytes=side.peak_memory_bytes,
        size_bytes=side.size_bytes,
    )


def of_report(report: Report, digest: str, message: str) -> Outcome:
    """The summary of a finished optimization whose engine was pushed as `digest`."""
    won = report.selected.recipe != "baseline"
    return Outcome(
        succeeded=True,
        key=report.key,
        reason="Optimized" if won else "BaselineWins",
        message=message,
        digest=digest,
        selected=report.selected,
        baseline=_figures(report.baseline),
        optimized=_figures(report.optimized),
        speedup=report.speedup,
        accuracy=AccuracySummary(
            metric=report.accuracy.metric,
            value=report.accuracy.value,
            reference=report.accuracy.reference,
            samples=report.accuracy.samples,
        ),
        seconds=report.duration_seconds,
    )


def of_error(error: BurnishError, key: str) -> Outcome:
    """The summary of a failure that Burnish understands."""
    return Outcome(succeeded=False, key=key, reason=error.reason, message=str(error), action=error.action)


def exit_code(error: BurnishError) -> ExitCode:
    """3 where the user must act (a Job must not be retried), 4 where a retry may help."""
    return ExitCode.STALLED if error.action is Action.STALLED else ExitCode.TRANSIENT
