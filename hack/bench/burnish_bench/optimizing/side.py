"""One tool's model in a process of its own: it loads, answers the judge's samples and is measured.

JSON lines both ways: {"do": "open" | "answers" | "round", …} → {"ok": …} or {"error": …}.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from burnish_bench.optimizing.closeness import Closeness
from burnish_bench.optimizing.datasets import samples
from burnish_bench.tasks.base import Arrays
from burnish_bench.tasks.catalogue import task_named
from burnish_engine.descriptor import RunOptions
from burnish_engine.request import Backend
from burnish_runtime.load import open_engine, open_session
from burnish_runtime.memory import peak_bytes
from burnish_runtime.session import Session

DISTINCT_FEEDS = 8
WARM_UP_SECONDS, WARM_UP_RUNS, MIN_RUNS = 0.5, 3, 2
Command = dict[str, Any]


@dataclass
class Side:
    """A loaded model, its task, and the requests that it is measured with."""

    task: str
    session: Session
    feeds: Sequence[Arrays]
    turn: int = 0

    def run_for(self, seconds: float, least: int) -> Iterator[float]:
        """Latencies, request by request, until time is up and `least` were run."""
        count, begin = 0, time.perf_counter()
        while count < least or time.perf_counter() - begin < seconds:
            feeds = self.feeds[self.turn % len(self.feeds)]
            started = time.perf_counter()
            self.session.run(feeds)
            yield time.perf_counter() - started
            self.turn, count = self.turn + 1, count + 1


def opened(command: Command) -> tuple[Side, dict[str, Any]]:
    """Load and warm up. One thread is kept on one processor, the same for every tool."""
    if command["threads"] == 1:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    started = time.perf_counter()
    session = _session(command)
    load_seconds = time.perf_counter() - started
    wanted = {spec.name for spec in session.inputs}
    feeds = [
        {name: array for name, array in each.items() if name in wanted}
        for each in islice(samples(Path(command["feeds"])), DISTINCT_FEEDS)
    ]
    side = Side(command["task"], session, feeds)
    list(side.run_for(WARM_UP_SECONDS, WARM_UP_RUNS))
    return side, {"load_seconds": load_seconds, "peak_memory_bytes": peak_bytes()}


def _session(command: Command) -> Session:
    threads = command["threads"]
    if command["engine"]:
        return open_engine(Path(command["model"]), threads=threads).session
    level = command.get("graph_optimization", "all")
    options = RunOptions(
        threads=threads,
        graph_optimization=level,
        properties=command["properties"],
        static_shapes=_shapes(command) if command["backend"] == Backend.OPENVINO else (),
    )
    return open_session(Path(command["model"]), Backend(command["backend"]), options)


def _shapes(command: Command) -> tuple[dict[str, tuple[int, ...]], ...]:
    """The first sample's: all of a task have the same, and a user of OpenVINO would say so."""
    first = next(samples(Path(command["feeds"])))
    return ({name: array.shape for name, array in first.items()},)


def answers(side: Side, command: Command) -> dict[str, Any]:
    """Predictions for all samples of the judge, and how close the raw answers are to the reference's.

    Args: command: `model`: of the task; `judged`: the samples; `reference`: a folder of the reference's
        answers, which are written where `write` says so.
    """
    task, folder = task_named(side.task), Path(command["reference"])
    read, close, predictions = task.reader(Path(command["model"])), Closeness(), []
    for index, arrays in enumerate(samples(Path(command["judged"]))):
        found = task.answer(side.session, arrays)
        path = folder / f"{index:05}.npz"
        if command["write"]:
            np.savez(path, **found)  # type: ignore[arg-type]
        else:
            with np.load(path) as expected:
                close.add({name: expected[name] for name in expected.files}, found)
        predictions.append(read(found))
    return {"predictions": predictions, "cosine": close.cosine, "worst_error": close.worst_error}


def main() -> None:
    """Serve until standard input ends. What libraries print goes to the log."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    side: Side | None = None
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if command["do"] == "open":
                side, reply = opened(command)
            elif side is None:
                raise ValueError("nothing was opened")  # noqa: TRY301 (the client's defect, told as any)
            elif command["do"] == "answers":
                reply = answers(side, command)
            else:
                list(side.run_for(0.0, 1))  # the other side had the caches
                reply = {"latencies": list(side.run_for(command["seconds"], MIN_RUNS))}
            told: dict[str, Any] = {"ok": reply}
        except Exception as error:  # noqa: BLE001 (the edge of the process: it is the tool's result)
            told = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"}
        print(json.dumps(told), file=replies, flush=True)


if __name__ == "__main__":
    main()
