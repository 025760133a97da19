"""May requests share a run of this engine? It is tried, and what larger batches take is measured.

Rows are independent where these hold on real samples:

    companions     f([r, c])₁ = f([r, c′])₁     the same shape and kernels: what stands beside changes nothing
    rows alone     f([r₁, …, r_N]) = [f(r₁), …, f(r_N)], as far as another kernel rounds otherwise
"""

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from burnish_engine.descriptor import Batching
from burnish_engine.errors import one_line
from burnish_engine.request import Precision
from burnish_optimizer.gates.metamorphic import MAX_RELATIVE_DEVIATION, deviation
from burnish_optimizer.ingest.feeds import Feeds, is_batchable, stack
from burnish_optimizer.reference.answers import answer
from burnish_optimizer.tasks import BatchesTaken
from burnish_runtime.session import Array, Session

SIZES = (1, 2, 4, 8, 16, 32)
# Companions that are far from any sample: a scale that is taken over the whole batch moves.
COMPANION_SCALE = 8.0
COMPANION_ROWS = 4
COMPANION_TOLERANCE = 1e-6
# Two units in the last place of the type that sums are kept in.
EPSILONS: Mapping[Precision, float] = MappingProxyType(
    {Precision.BF16: 2.0**-8, Precision.FP16: 2.0**-11, Precision.FP8: 2.0**-4}
)
RUNS, RUN_SECONDS = 9, 0.5
MAX_BATCH_BYTES = 256 << 20
# A size that gains less than this over the best one so far ends the search: larger ones only wait longer.
WORTH = 1.05


def try_batches(session: Session, requests: Sequence[Feeds], precision: Precision) -> BatchesTaken:
    """The largest batch that pays and keeps the laws, and the time of each size.

    Args: requests: what the engine is measured with; their rows become rows of batches.
    """
    rows = _rows(requests)
    if not is_batchable(session.inputs) or not rows:
        return BatchesTaken(note="the batch axis is fixed, or samples have several rows of their own")
    try:
        return _tried(session, rows, precision)
    except Exception as error:  # noqa: BLE001 - an engine that cannot take a batch says so in many ways
        return BatchesTaken(note=f"it cannot take a batch ({one_line(error, 200)})")


def _tried(session: Session, rows: Sequence[Feeds], precision: Precision) -> BatchesTaken:
    if not _ignores_companions(session, rows):
        return BatchesTaken(note="what stands beside a row changes its answers")
    alone = [answer(session, row) for row in rows]
    seconds, worst = {1: _seconds(session, rows[0])}, 0.0
    for size in SIZES[1:]:
        batch = _batch(rows, size)
        if sum(array.nbytes for array in batch.values()) > MAX_BATCH_BYTES:
            break
        found = _worst(answer(session, batch), [alone[index % len(alone)] for index in range(size)])
        if found > max(MAX_RELATIVE_DEVIATION, 2 * EPSILONS.get(precision, 0.0)):
            break
        worst, seconds[size] = max(worst, found), _seconds(session, batch)
        if _rate(seconds, size) < WORTH * max(
            _rate(seconds, smaller) for smaller in seconds if smaller < size
        ):
            break
    largest = max(seconds)
    if largest == 1:
        return BatchesTaken(note="rows in a batch are answered otherwise than alone")
    return BatchesTaken(batching=Batching(max_rows=largest, deviation=worst, seconds=seconds))


def _ignores_companions(session: Session, rows: Sequence[Feeds]) -> bool:
    batch = _batch(rows, COMPANION_ROWS)
    strange = {name: _scaled(array) for name, array in batch.items()}
    one, other = (answer(session, feeds) for feeds in (batch, strange))
    return _worst_of(_first(other), _first(one)) <= COMPANION_TOLERANCE


def _scaled(array: Array) -> Array:
    """The first row as it is; of the others larger numbers, or for want of numbers to scale the last row."""
    changed = array.copy()
    changed[1:] = np.multiply(array[1:], COMPANION_SCALE) if array.dtype.kind == "f" else array[-1:]
    return changed


def _first(answers: Feeds) -> Feeds:
    return {name: array[:1] for name, array in answers.items()}


def _worst(together: Feeds, alone: Sequence[Feeds]) -> float:
    return _worst_of(together, {name: np.concatenate([one[name] for one in alone]) for name in together})


def _worst_of(found: Feeds, expected: Feeds) -> float:
    """The farthest that an output is off, over its scale. Whole numbers and texts are equal or wrong."""
    worst = 0.0
    for name, value in expected.items():
        difference, scale = deviation({name: found[name]}, {name: value})
        exact = value.dtype.kind != "f"
        worst = max(worst, 0.0 if not difference else np.inf if exact or not scale else difference / scale)
    return worst


def _rows(requests: Sequence[Feeds]) -> list[Feeds]:
    counts = {array.shape[:1] for feeds in requests for array in feeds.values()}
    if len(counts) != 1 or counts & {(), (0,)}:
        return []
    ((count,),) = counts
    rows = [
        {name: array[row : row + 1] for name, array in feeds.items()}
        for feeds in requests
        for row in range(count)
    ]
    return rows if stack(rows) is not None else []


def _batch(rows: Sequence[Feeds], size: int) -> Feeds:
    chosen = [rows[index % len(rows)] for index in range(size)]
    return {name: np.concatenate([row[name] for row in chosen]) for name in chosen[0]}


def _rate(seconds: Mapping[int, float], size: int) -> float:
    return size / seconds[size]


def _seconds(session: Session, feeds: Feeds) -> float:
    """Median of some runs, after one that is not counted."""
    session.run(feeds)
    taken: list[float] = []
    while len(taken) < RUNS and sum(taken) < RUN_SECONDS:
        started = time.perf_counter()
        session.run(feeds)
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))
