"""How many runs at once, and threads of each: from the engine's record and the processors of the pod."""

from dataclasses import dataclass

from burnish_runtime.cpu import threads_for


@dataclass(frozen=True)
class Concurrency:
    """instances: runs at once.   threads: of each, None: all that the CPU quota allows."""

    instances: int
    threads: int | None


def concurrency(
    cpus: float,
    *,
    measured_threads: int | None,
    threads: int | None = None,
    instances: int | None = None,
    on_cpu: bool = True,
) -> Concurrency:
    """As many runs as there are processors for, each with the threads that were measured.

    An engine that was measured with all processors runs alone. What is asked for is taken as it is.
    Args:
        cpus: that this process may use (affinity and cgroup quota), may be fractional.
        measured_threads: of the engine's measurement, None: all.   threads, instances: as asked, None: not.
        on_cpu: off it, threads only feed the device, which runs one batch after the other.
    """
    available = threads_for(cpus)
    if not on_cpu:
        return Concurrency(instances or 1, threads or measured_threads)
    if instances is None:
        each = threads or (measured_threads and min(measured_threads, available))
        return Concurrency(max(1, available // each) if each else 1, each)
    fair = max(1, available // instances)
    return Concurrency(instances, threads or min(measured_threads or fair, fair))
