"""A server without its sockets, around a real engine."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp

from burnish_runtime.load import open_engine
from burnish_serving.app import create_app
from burnish_serving.gate import Gate
from burnish_serving.known_names import KnownNames
from burnish_serving.metrics import ServingMetrics
from burnish_serving.models import Models, ServedModel, State
from burnish_serving.observe import Observers
from burnish_serving.settings import ServeSettings
from burnish_serving.tracing import NoTracing

ADD = {
    "id": "7",
    "inputs": [{"name": name, "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]} for name in ("a", "b")],
}


class House:
    """Everything that a server is made of, but the sockets."""

    def __init__(self, engine: Path, *, loaded: bool = True, **settings: Any) -> None:
        self.settings = ServeSettings(str(engine), **settings)
        self.models, self.metrics = Models(), ServingMetrics()
        self.gate = Gate(self.settings.max_pending, self.metrics.in_flight)
        self.metrics.registry.register(KnownNames(self.models, self.metrics))
        observers = Observers(self.settings, self.metrics, NoTracing())
        self.app = create_app(self.settings, self.models, self.gate, self.metrics, observers)
        if loaded:
            self.models.add(ServedModel("tiny", "sha256:x", open_engine(engine), self.metrics))
            self.models.state = State.READY

    def close(self) -> None:
        for model in self.models.all():
            model.close()

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


def client(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server")


def talk(house: House, speak: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    async def conversation() -> None:
        async with client(house.app) as http:
            await speak(http)

    try:
        asyncio.run(conversation())
    finally:
        house.close()


def post(house: House, path: str, **request: Any) -> httpx.Response:
    answers: list[httpx.Response] = []

    async def speak(http: httpx.AsyncClient) -> None:
        answers.append(await http.post(path, **request))

    talk(house, speak)
    return answers[0]
