"""Random schedules against the operator in a simulated cluster: `make simulate SCHEDULES=100000 SEED=1`.

Exit codes: 0: nothing broke; 1: an invariant broke, its seed and a shrunk schedule are printed; 2: usage.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

from support.simulation.schedule import draw
from support.simulation.shrink import shrunk, told
from support.simulation.simulate import run

CHUNK = 50
SHOWN_SECONDS = 10.0


def broken(seeds: range) -> list[tuple[int, str]]:
    """The seeds of these whose schedules break something, and what; runs in a process of its own."""
    logging.disable(logging.CRITICAL)
    return [(seed, failure.what) for seed in seeds if (failure := run(draw(seed))) is not None]


def chunks(first: int, count: int) -> Iterator[range]:
    """The seeds in portions."""
    for start in range(first, first + count, CHUNK):
        yield range(start, min(start + CHUNK, first + count))


def simulate(first: int, count: int, workers: int, limit: int) -> list[int]:
    """All schedules, until `limit` of them have failed."""
    found: list[int] = []
    started = shown = time.monotonic()
    done = 0
    with ProcessPoolExecutor(workers) as pool:
        work = {pool.submit(broken, seeds): len(seeds) for seeds in chunks(first, count)}
        for finished in as_completed(work):
            for seed, what in finished.result():
                print(f"seed {seed} breaks: {what}", flush=True)
                found.append(seed)
            done += work[finished]
            if time.monotonic() - shown > SHOWN_SECONDS or done == count:
                shown = time.monotonic()
                rate = done / (shown - started)
                print(f"{done}/{count} schedules, {len(found)} broken, {rate:.1f}/s", flush=True)
            if len(found) >= limit:
                pool.shutdown(cancel_futures=True)
                break
    return sorted(found)


def main() -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(prog="hack/simulate", description=__doc__)
    parser.add_argument("--schedules", type=int, default=1000, help="how many (default 1000)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: cores)")
    parser.add_argument("--failures", type=int, default=1, help="stop after so many (default 1)")
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)
    found = simulate(chosen.seed, chosen.schedules, chosen.workers, chosen.failures)
    for seed in found[: chosen.failures]:
        print(told(seed, shrunk(draw(seed))), flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
