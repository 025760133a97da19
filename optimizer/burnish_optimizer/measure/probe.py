"""A model that is kept loaded and answers commands: where figures and scores come from.

One JSON object a line each way: `{"do": "round", "seconds": 0.2}` on standard input, an answer as of
`burnish_optimizer.worker` on standard output. Runs in a process of its own, through `burnish_runtime`.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import IO, Any

from burnish_engine.base import Record
from burnish_engine.errors import one_line
from burnish_engine.request import Precision
from burnish_optimizer.errors import Declined, InvalidJob
from burnish_optimizer.gates.metrics.distances import answers_noise
from burnish_optimizer.gates.metrics.measure import Case
from burnish_optimizer.gates.metrics.table import measure_for
from burnish_optimizer.gates.scores import score_sample
from burnish_optimizer.ingest.common_shapes import Shapes, common_shapes
from burnish_optimizer.ingest.feeds import Feeds, repeat, stack, to_feeds
from burnish_optimizer.ingest.samples import open_samples
from burnish_optimizer.measure import affinity
from burnish_optimizer.measure.batches import try_batches
from burnish_optimizer.measure.energy import Meter, find_counters
from burnish_optimizer.measure.open_loop import AWAKE_SECONDS, Goal, arrivals, drive
from burnish_optimizer.reference.answers import (
    answer,
    batch_difference,
    first_batch,
    judged_samples,
    read_answer,
)
from burnish_optimizer.tasks import (
    BatchCheck,
    EnergyTaken,
    GoldenTaken,
    Judged,
    Opened,
    OpenLoopRun,
    ProbeTask,
    Round,
)
from burnish_runtime import golden, memory
from burnish_runtime.load import open_session
from burnish_runtime.session import Session

WARM_UP_RUNS = 10
WARM_UP_SECONDS = 1.0
DISTINCT_FEEDS = 8
MIN_RUNS = 2
EPSILON32 = 2.0**-23


def serve(task: ProbeTask) -> Record | None:
    """Answer commands until standard input ends."""
    affinity.pin(task.processors)
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not look like an answer
    probe: Probe | None = None
    for line in sys.stdin:
        command = json.loads(line)
        try:
            probe = probe or Probe(task)
            reply: dict[str, Any] = {"ok": probe.do(command).model_dump(mode="json")}
        except Declined as reason:
            reply = {"declined": str(reason)}
        except Exception as error:  # noqa: BLE001 - told to the search, which goes on
            reply = {"error": {"type": type(error).__name__, "message": one_line(error, 1000)}}
        _reply(replies, reply)
    return None


class Probe:
    """One loaded model and the feeds that it is measured with."""

    def __init__(self, task: ProbeTask) -> None:
        self._task = task
        # What runs elsewhere is counted here, and a gate judges it; where it serves it is refused.
        options = task.options.model_copy(update={"allow_fallback": True})
        with memory.PrivatePeak() as peak:
            started = time.perf_counter()
            self._session = open_session(Path(task.model), task.backend, options)
            self._load_seconds = time.perf_counter() - started
            self._feeds = measured_feeds(task, self._session)
            self._next = 0
            self._first_seconds = self._run_for(0.0, least=1)[0]
            self._private_bytes = peak.bytes
        self._meter, self._metered = Meter(find_counters()), 0

    def do(self, command: dict[str, Any]) -> Record:
        """Answer one command."""
        told = {name: value for name, value in command.items() if name != "do"}
        answers: dict[str, Callable[..., Record]] = {
            "open": self._open,
            "round": self._round,
            "energy": self._energy,
            "open_loop": self._open_loop,
            "judge": self._judge,
            "batch": lambda: check_batch(self._task, self._session),
            "batches": lambda precision: try_batches(self._session, self._feeds, Precision(precision)),
            "golden": self._golden,
        }
        if command["do"] in answers:
            return answers[command["do"]](**told)
        raise InvalidJob("probe", found=str(command), expected=f"one of {', '.join(answers)}")

    def _round(self, seconds: float) -> Round:
        self._run_for(0.0, least=1)  # the other side had the caches
        self._meter.start()
        latencies = self._run_for(seconds, MIN_RUNS)
        self._meter.stop()
        self._metered += len(latencies)
        return Round(latencies_seconds=tuple(latencies))

    def _energy(self) -> EnergyTaken:
        requests, self._metered = self._metered, 0
        return EnergyTaken(joules=self._meter.take(), requests=requests, domains=self._meter.domains)

    def _open_loop(self, rate: float, seconds: float, seed: int, goal: tuple[float, float]) -> OpenLoopRun:
        self._run_for(0.0, least=1)
        moments = arrivals(rate, seconds, seed).tolist()
        found = drive(lambda: self._run_for(0.0, least=1), moments, Goal(*goal), WallClock())
        return OpenLoopRun(requests=len(moments), latencies_seconds=found)

    def _open(self) -> Opened:
        latencies = self._run_for(WARM_UP_SECONDS, least=3, most=WARM_UP_RUNS)
        shapes, peak_bytes = _shapes(self._feeds[0]), memory.peak_bytes()
        return Opened(
            first_inference_seconds=self._first_seconds,
            private_memory_bytes=max(self._private_bytes, memory.private_bytes()),
            inputs=self._session.inputs,
            outputs=self._session.outputs,
            load_seconds=self._load_seconds,
            peak_memory_bytes=peak_bytes,
            latencies_seconds=tuple(latencies),
            shapes=shapes,
            coverage=self._session.coverage(),
        )

    def _golden(self, path: str, precision: str) -> GoldenTaken:
        found = golden.record(self._session, self._feeds[0], Precision(precision), Path(path))
        return GoldenTaken(golden=found)

    def _run_for(self, seconds: float, least: int, most: int = 1 << 30) -> list[float]:
        latencies: list[float] = []
        begin = time.perf_counter()
        while len(latencies) < most and (len(latencies) < least or time.perf_counter() - begin < seconds):
            feeds = self._feeds[self._next % len(self._feeds)]
            self._next += 1
            started = time.perf_counter()
            self._session.run(feeds)
            latencies.append(time.perf_counter() - started)
        return latencies

    def _judge(self) -> Judged:
        task = self._task
        pairs = judged_samples(Path(task.answers), task.data, self._session.inputs)
        try:
            measure = measure_for(task.metric, task.metric_entry)
        except InvalidJob as error:
            return Judged(scores=(), fault=one_line(error, 600))
        scores = []
        for sample, expected in pairs:
            found = answer(self._session, to_feeds(sample.arrays, self._session.inputs))
            answers = [found[name] for name in task.outputs]
            scores.append(score_sample(Case(task.outputs, expected, answers, sample.label), measure))
        return Judged(scores=tuple(scores))


class WallClock:
    """The real time. Sleeps while there is long to wait; the last bit is spent awake, to be in time."""

    def now(self) -> float:
        """See `open_loop.Clock`."""
        return time.perf_counter()

    def wait_until(self, moment: float) -> None:
        """See `open_loop.Clock`."""
        while (left := moment - time.perf_counter()) > 0:
            if left > AWAKE_SECONDS:
                time.sleep(left - AWAKE_SECONDS)


def measured_feeds(task: ProbeTask, session: Session) -> list[Feeds]:
    """The feeds of the measured requests: real samples of the most common shapes, `batch` to a request."""
    inputs, batch = session.inputs, task.batch
    common = common_shapes(task.data, inputs, 1, most=1)[0]
    fitting = (
        feeds
        for sample in open_samples(task.data, inputs)
        if _shapes(feeds := to_feeds(sample.arrays, inputs)) == common
    )
    singles = list(islice(fitting, DISTINCT_FEEDS))
    if batch == 1 or all(spec.shape and spec.shape[0] == batch for spec in inputs):
        return singles
    chosen = [singles[index % len(singles)] for index in range(batch)]
    return [stack(chosen) or repeat(singles[0], batch)]


def check_batch(task: ProbeTask, session: Session) -> BatchCheck:
    """Batch N against N × batch 1. The tolerance is derived, not guessed: twice the noise of this model's
    answers to the same rows, plus what reordered FP32 sums cost the reference itself."""
    singles, batch, note = first_batch(task.data, session.inputs)
    if task.batch_error is None or batch is None:
        return BatchCheck(applicable=False, note=note)
    difference, scale = batch_difference(session, singles, batch)
    expected = [read_answer(Path(task.answers), index) for index in range(len(singles))]
    answers = [answer(session, feeds) for feeds in singles]
    found = [[row[name] for name in task.outputs] for row in answers]
    noise = max(map(answers_noise, zip(*expected, strict=True), zip(*found, strict=True)), default=0.0)
    tolerance = 2 * noise + 8 * task.batch_error + 16 * EPSILON32 * scale
    return BatchCheck(applicable=True, difference=difference, tolerance=tolerance)


def _shapes(feeds: Feeds) -> Shapes:
    return {name: array.shape for name, array in feeds.items()}


def _reply(stream: IO[str], answer: dict[str, Any]) -> None:
    stream.write(json.dumps(answer) + "\n")
    stream.flush()
