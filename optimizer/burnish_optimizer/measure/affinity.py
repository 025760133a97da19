"""Which processors a measured model runs on: the same ones for every side. Choosing is pure."""

import os
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from burnish_optimizer.targets.topology import siblings
from burnish_runtime import cpu


def processors_for(threads: int | None) -> tuple[int, ...] | None:
    """Processors for so many threads, None where a process is better left alone.

    Under a quota it is: a pinned thread cannot go where time is left. So it is where all are wanted.
    """
    if threads is None or not hasattr(os, "sched_getaffinity") or cpu.is_limited():
        return None
    return choose(os.sched_getaffinity(0), threads, siblings)


def choose(
    allowed: Collection[int], threads: int, siblings_of: Callable[[int], str]
) -> tuple[int, ...] | None:
    """The last of the allowed processors (the first ones serve interrupts), one of each core before two.

    Args: siblings_of: what names the core of a processor.   None: all are wanted.
    """
    if threads >= len(allowed):
        return None
    rank: dict[str, int] = {}
    ordered: list[tuple[int, int]] = []
    for processor in sorted(allowed, reverse=True):
        core = siblings_of(processor) or str(processor)
        rank[core] = rank.get(core, -1) + 1
        ordered.append((rank[core], -processor))
    return tuple(sorted(-negative for _, negative in sorted(ordered)[:threads]))


def pin(processors: Collection[int] | None) -> None:
    """Keep this process on these processors: threads that libraries have started, and all to come (Linux)."""
    if processors:
        for thread in Path("/proc/self/task").iterdir():
            with suppress(ProcessLookupError):  # it may end at any moment
                os.sched_setaffinity(int(thread.name), processors)
