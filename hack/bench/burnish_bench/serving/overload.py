"""Twice as many requests as a server can answer, by a clock that does not wait for answers."""

import math

import numpy as np

from burnish_bench.serving import loads
from burnish_bench.serving.clients.load import Order
from burnish_bench.serving.fleet import Server
from burnish_bench.serving.modes import Mode
from burnish_bench.serving.results import Overload
from burnish_bench.serving.throughput import most_common_failure
from burnish_bench.serving.workload import Workload

QUIET, LOUD = 0.2, 2.0  # of the capacity
QUIET_CONNECTIONS, LOUD_CONNECTIONS = 32, 256


def measure(
    server: Server,
    mode: Mode,
    work: Workload,
    *,
    capacity_per_second: float,
    seconds: float,
    processors: frozenset[int],
) -> Overload:
    """One server at a fifth of its capacity, then at twice that. Raises: LoadFailed."""

    def run(share: float, connections: int) -> loads.Found:
        order = Order(
            mode,
            server.port(mode),
            str(work.request(mode)),
            connections,
            seconds,
            rate=share * capacity_per_second,
        )
        return loads.run(order, work, processors)

    return summary(run(QUIET, QUIET_CONNECTIONS), run(LOUD, LOUD_CONNECTIONS), LOUD * capacity_per_second)


def summary(quiet: loads.Found, loud: loads.Found, offered_per_second: float) -> Overload:
    """See `Overload`."""
    return Overload(
        offered_per_second,
        loud.seconds,
        p99_of_all(quiet),
        p99_of_all(loud),
        len(loud.accepted),
        len(loud.refused),
        loud.unanswered,
        _percentile(loud.refused, 50),
        _percentile(loud.refused, 99),
        loud.wrong,
        most_common_failure([loud]),
        _percentile(loud.late, 99) or 0.0,
    )


def p99_of_all(found: loads.Found) -> float | None:
    """99th percentile of all that were not refused; who got no answer waited forever (None)."""
    waits = np.sort([*found.accepted, *[math.inf] * found.unanswered])
    if not len(waits):
        return None
    value = float(waits[math.ceil(0.99 * len(waits)) - 1])
    return value if math.isfinite(value) else None


def _percentile(values: tuple[float, ...], percent: float) -> float | None:
    return float(np.percentile(values, percent)) if values else None
