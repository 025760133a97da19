"""Running a batch on a thread: join, run, split; and the proof that this gives what rows alone give."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from burnish_engine.errors import one_line
from burnish_runtime.session import Array, Session
from burnish_serving.scheduling.tolerance import Tolerance

Answers = dict[str, Array]
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Call:
    """One request as the engine takes it. rows: along axis 0 of every input (1 where it runs alone)."""

    feeds: Mapping[str, Array]
    wanted: Sequence[str]
    rows: int


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of the engine. calls: requests in it.   began: seconds of the monotonic clock."""

    calls: int
    rows: int
    began: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Answered:
    """The answers to one call, and the run that gave them."""

    answers: Answers
    execution: Execution


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch.

    results: by call, its answers or its own error.
    mismatch: how a batch was answered differently from its rows alone; empty: it was not, or nobody looked.
    """

    results: tuple[Answered | Exception, ...]
    mismatch: str = ""

    @property
    def executions(self) -> list[Execution]:
        """The runs that gave answers, each once."""
        return list(dict.fromkeys(r.execution for r in self.results if isinstance(r, Answered)))


def execute(
    session: Session,
    calls: Sequence[Call],
    *,
    audited: Tolerance | None = None,
    clock: Clock = time.monotonic,
) -> Outcome:
    """Answer calls that may share a run. Blocks, and never raises.

    A batch that fails is run one by one: a bad request costs no other its answer.
    Args: audited: also run the first call alone, and compare.
    """
    if len(calls) < 2:
        return _one_by_one(session, calls, clock)
    rows, began = [call.rows for call in calls], clock()
    try:
        answers = split(session.run(join([call.feeds for call in calls]), calls[0].wanted), rows)
    except Exception:  # noqa: BLE001 - whatever it is, whose fault it is shows when each runs alone
        return _one_by_one(session, calls, clock)
    execution = Execution(len(calls), sum(rows), began, clock() - began)
    if answers is None:
        mismatch = "the outputs of a batch have other rows than its inputs"
    else:
        mismatch = "" if audited is None else _audit(session, calls[0], answers[0], audited)
    if answers is None or mismatch:
        return _one_by_one(session, calls, clock, mismatch)
    return Outcome(tuple(Answered(one, execution) for one in answers))


def join(feeds: Sequence[Mapping[str, Array]]) -> Answers:
    """One set of feeds, rows after rows along axis 0."""
    return {name: np.concatenate([one[name] for one in feeds]) for name in feeds[0]}


def split(answers: Answers, rows: Sequence[int]) -> list[Answers] | None:
    """The answers of each call, as views of the batch's; None: they are not as many rows as went in."""
    total = sum(rows)
    if any(not array.ndim or array.shape[0] != total for array in answers.values()):
        return None
    found, start = [], 0
    for count in rows:
        found.append({name: array[start : start + count] for name, array in answers.items()})
        start += count
    return found


def _audit(session: Session, call: Call, found: Answers, tolerance: Tolerance) -> str:
    try:
        return tolerance.excess(found, session.run(call.feeds, call.wanted))
    except Exception as error:  # noqa: BLE001 - told, and the request is run again for its own answer
        return f"a request that was answered in a batch fails alone: {one_line(error)}"


def _one_by_one(session: Session, calls: Sequence[Call], clock: Clock, mismatch: str = "") -> Outcome:
    return Outcome(tuple(_alone(session, call, clock) for call in calls), mismatch)


def _alone(session: Session, call: Call, clock: Clock) -> Answered | Exception:
    began = clock()
    try:
        answers = session.run(call.feeds, call.wanted)
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the caller
        return error
    return Answered(answers, Execution(1, call.rows, began, clock() - began))
