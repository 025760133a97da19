"""A client in the midst of a cluster that asks all the time: no request may fail while engines change."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from burnish_demo import samples
from burnish_demo.visit import ask
from support.world import FEATURES, World

# A connection stays with its pod: many short ones reach all.
VISIT_SECONDS = 1.0


@dataclass
class Client:
    """Asks until it is told to stop; `failed`: what went wrong, which nothing may."""

    requests: int = 0
    failed: list[str] = field(default_factory=list)


@contextmanager
def traffic(world: World, name: str, service: str) -> Iterator[Client]:
    """A client of a model's Service, as long as the block lasts."""
    client, stop = Client(), threading.Event()
    data, answers = world.scratch / "asked.npz", world.scratch / "answers.npz"
    asked = np.random.default_rng(1).normal(size=(8, FEATURES)).astype(np.float32)
    samples.write(data, {"x": asked})

    def work() -> None:
        while not stop.is_set():
            try:
                client.requests += ask(
                    world.place,
                    world.namespace,
                    service,
                    model=name,
                    data_file=data,
                    answers=answers,
                    seconds=VISIT_SECONDS,
                )
            except Exception as error:  # noqa: BLE001 - whatever it was, the test tells of it
                client.failed.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield client
    finally:
        stop.set()
        thread.join()
