"""What Burnish promises about scale, judged from results."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from burnish_bench.scaling.results import Figures, Run

MEMORY_BYTES = 512 << 20
# Measured once, not in this run: 2 cores, Kubernetes 1.37, 200 nodes of kwok, 1,000 objects with a Deployment
# each. The bare operator on kopf applies a Deployment and a Service and patches a status.
PEERS: dict[str, Figures] = {
    "KServe": {"ready_100": 112.0, "requests_until_ready": 16.0, "requests_until_quiet": 27.0, "cpu_ms": 22.0,
               "memory_peak_bytes": 152e6, "restart_seconds": 17.0, "restart_requests": 5019},
    "bare kopf": {"ready_100": 43.0, "requests_until_quiet": 3.0, "cpu_ms": 7.7, "memory_peak_bytes": 113e6},
}  # fmt: skip
PEERS_AT = (1000, 1)


@dataclass(frozen=True)
class Bar:
    """One promise: a figure and the most that it may be."""

    figure: str
    text: str
    most: float
    counts: Callable[[Run], bool]

    def judged(self, run: Run) -> str:
        """The verdict in words."""
        found = run.burnish[self.figure]
        holds = found is not None and found <= self.most
        shown = "nothing" if found is None else f"{found:,.1f}"
        verdict = "holds" if holds else "MISSED"
        return f"{verdict}: {run.setting.name}: {self.text} {shown} (at most {self.most:,.0f})"


def _always(_: Run) -> bool:
    return True


def _as_peers(run: Run) -> bool:
    return (run.setting.models, run.setting.targets) == PEERS_AT


BARS = (
    Bar("ready_100", "seconds until all are Ready", 60.0, _as_peers),
    Bar("ready_first", "seconds until the first is Ready", 2.0, _always),
    Bar("requests_until_quiet", "requests a target until quiet", 8.0, _as_peers),
    Bar("writes", "writes a target", 12.0, _always),
    Bar("cpu_ms", "milliseconds of processor a target", PEERS["KServe"]["cpu_ms"] / 2, _as_peers),
    Bar("memory_peak_bytes", "bytes of memory", MEMORY_BYTES, _always),
    Bar("idle_requests_a_minute", "requests a minute at rest", 0.0, _always),
    Bar("restart_requests", "requests of a restart", 40.0, _always),
    Bar("restart_writes", "writes of a restart", 0.0, _always),
    Bar("reconcile_p99_ms", "milliseconds, p99 of a turn", 1000.0, _always),
)


def verdicts(runs: list[Run]) -> Iterator[str]:
    """Every bar of every run that it is about."""
    for run in runs:
        yield from (bar.judged(run) for bar in BARS if run.burnish and bar.counts(run))
