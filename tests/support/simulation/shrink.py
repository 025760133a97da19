"""Make a failing schedule small: leave out what is not needed for the same invariant to break."""

import re
from collections.abc import Callable

from support.simulation.schedule import Schedule, Step
from support.simulation.simulate import Failure, run

MAX_RUNS = 400
TRACE_LINES = 40
_DETAILS = re.compile(r"[0-9a-f]{10,}|\d+")


def kind_of(failure: Failure) -> str:
    """What broke, less numbers and digests: while shrinking, another failure is no success."""
    return _DETAILS.sub("#", failure.what)[:40]


def shrunk(schedule: Schedule, runs: int = MAX_RUNS) -> list[Step]:
    """The shortest schedule found with at most so many runs that breaks the same thing."""
    failure = run(schedule)
    if failure is None:
        return list(schedule)
    wanted, left = kind_of(failure), [runs]

    def fails(steps: list[Step]) -> bool:
        left[0] -= 1
        found = run(steps) if left[0] > 0 else None
        return found is not None and kind_of(found) == wanted

    return _simplified(_shortened(list(schedule)[: failure.step + 1], fails), fails)


def _shortened(steps: list[Step], fails: Callable[[list[Step]], bool]) -> list[Step]:
    """Portions go, large ones first."""
    size = max(1, len(steps) // 2)
    while True:
        start, before = 0, len(steps)
        while start < len(steps):
            fewer = steps[:start] + steps[start + size :]
            if fails(fewer):
                steps = fewer
            else:
                start += size
        if size == 1 and len(steps) == before:
            return steps
        size = max(1, size // 2)


def _simplified(steps: list[Step], fails: Callable[[list[Step]], bool]) -> list[Step]:
    """Troubles within a step go."""
    for position in range(len(steps)):
        candidates = list(steps[position].simpler)
        while candidates:
            simpler = candidates.pop()
            fewer = [*steps[:position], simpler, *steps[position + 1 :]]
            if fails(fewer):
                steps, candidates = fewer, list(simpler.simpler)
    return steps


def told(seed: int, steps: list[Step]) -> str:
    """A failure as a person reads it: seed, what broke, the shrunk schedule, and the last that happened."""
    failure = run(steps)
    what = failure.what if failure else "nothing breaks any more: the run is not deterministic"
    lines = [f"seed {seed}: {what}", f"shrunk to {len(steps)} step(s):", *(f"  {step}" for step in steps)]
    trace = failure.trace[-TRACE_LINES:] if failure else ()
    return "\n".join([*lines, "what happened last:", *(f"  {line}" for line in trace)])
