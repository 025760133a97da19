"""The order of a swap, with engines that load as the test says."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from burnish_engine.errors import RegistryUnavailable
from burnish_runtime.load import open_engine
from burnish_runtime.memory_room import Room
from burnish_serving.errors import InvalidSettings, NotEnoughMemory, SwapRefused, UnknownModel
from burnish_serving.loading import Loaded, Loader, check_room, needed_bytes
from burnish_serving.metrics import ServingMetrics
from burnish_serving.models import Models, State
from burnish_serving.named import parse_engines, parse_named, repositories
from burnish_serving.protocol.messages import InferRequest, InputTensor
from burnish_serving.scheduling.schedule import Schedule
from burnish_serving.settings import ServeSettings
from burnish_serving.source import EngineFolder
from burnish_serving.swap import MAX_WAITING, Swaps
from support.engines import report
from support.onnx_models import LOOP_INPUTS, LOOP_OUTPUTS, long_loop, write_running_engine, write_scaler

REPOSITORY = "oci://r.example/scalers"
A, B, C = (f"{REPOSITORY}@sha256:{digit * 64}" for digit in "abc")


class House:
    """Swaps over engine folders that stand for references; loads can be held up and made to fail."""

    def __init__(self, folders: dict[str, Path], **settings: Any) -> None:
        self.folders, self.faults, self.loads = folders, dict[str, Exception](), list[tuple[str, bool]]()
        self.hold: threading.Event | None = None
        self.models, self.metrics = Models(), ServingMetrics()
        self.settings = ServeSettings(A, **settings)
        self.swaps = Swaps(self.settings, self.models, self.metrics, self.load)

    def load(self, engine: str, beside: bool) -> Loaded:
        self.loads.append((engine, beside))
        if self.hold:
            self.hold.wait(30)
        if engine in self.faults:
            raise self.faults[engine]
        folder = self.folders[engine]
        return Loaded(EngineFolder(folder, engine.partition("@")[2]), open_engine(folder), Schedule())

    def swapped(self, result: str) -> float:
        labels = {"model": "pages", "result": result}
        return self.metrics.registry.get_sample_value("burnish_engine_swaps_total", labels) or 0.0


def play(house: House, scenario: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await house.swaps.start("pages", A)
        house.models.state = State.READY
        await scenario()
        house.swaps.close()
        for model in house.models.all():
            model.close()

    asyncio.run(whole())


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House({A: write_scaler(tmp_path / "a", 2.0), B: write_scaler(tmp_path / "b", 3.0)})


async def factor(house: House) -> float:
    array = np.ones((1, 3), np.float32)
    answer = await house.models.find("pages").infer(InferRequest((InputTensor("x", "FP32", array),)))
    assert answer.engine == house.models.find("pages").digest
    return float(answer.outputs[0].array[0, 0])


def test_whoever_holds_the_old_engine_is_answered_by_the_new_one(house: House) -> None:
    async def scenario() -> None:
        old = house.models.find("pages")
        await house.swaps.load("pages", B)
        array = np.ones((1, 3), np.float32)
        answer = await old.infer(InferRequest((InputTensor("x", "FP32", array),)))
        assert answer.engine == B.partition("@")[2]
        assert await factor(house) == 3.0

    play(house, scenario)
    assert house.loads == [(A, False), (B, True)]
    assert house.swapped("swapped") == 1


def test_whoever_holds_an_unloaded_engine_is_refused(house: House) -> None:
    async def scenario() -> None:
        old = house.models.find("pages")
        await house.swaps.unload("pages")
        array = np.ones((1, 3), np.float32)
        with pytest.raises(UnknownModel):
            await old.infer(InferRequest((InputTensor("x", "FP32", array),)))
        with pytest.raises(UnknownModel):
            house.models.find("pages")
        with pytest.raises(UnknownModel):
            await house.swaps.unload("pages")
        await house.swaps.load("pages")
        assert await factor(house) == 2.0

    play(house, scenario)


def test_a_failure_leaves_what_serves_and_is_counted(house: House) -> None:
    house.faults[B] = RegistryUnavailable("registry", found="nothing", expected="an answer")

    async def scenario() -> None:
        with pytest.raises(RegistryUnavailable):
            await house.swaps.load("pages", B)
        assert await factor(house) == 2.0
        del house.faults[B]
        await house.swaps.load("pages", B)
        assert await factor(house) == 3.0

    play(house, scenario)
    assert (house.swapped("RegistryUnavailable"), house.swapped("swapped")) == (1, 1)


@pytest.mark.parametrize("change", ["load", "unload"])
def test_what_has_begun_is_finished_though_nobody_waits_for_it_any_more(house: House, change: str) -> None:
    """gRPC ends the handler of a call whose caller is gone, in the midst of whatever it waits for."""

    async def scenario() -> None:
        old, unloaded = house.models.find("pages"), asyncio.Event()
        release = old.unload

        async def unload() -> None:
            await release()
            unloaded.set()

        old.unload = unload  # type: ignore[method-assign]
        house.hold = threading.Event()
        asked = {"load": lambda: house.swaps.load("pages", B), "unload": lambda: house.swaps.unload("pages")}
        task: asyncio.Task[Any] = asyncio.create_task(asked[change]())  # type: ignore[arg-type]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        house.hold.set()
        await asyncio.wait_for(unloaded.wait(), 30)
        if change == "load":
            assert await factor(house) == 3.0
        else:
            assert house.models.get("pages") is None

    play(house, scenario)


def test_changes_are_made_one_by_one_and_only_so_many_wait(house: House) -> None:
    async def scenario() -> None:
        house.hold = threading.Event()
        wanted = [B, A] * (MAX_WAITING // 2)
        changes = [asyncio.create_task(house.swaps.load("pages", engine)) for engine in wanted]
        await asyncio.sleep(0.05)
        assert len(house.loads) == 2  # the start, and the first of them
        with pytest.raises(SwapRefused, match="in line"):
            await house.swaps.load("pages", B)
        assert await factor(house) == 2.0
        house.hold.set()
        await asyncio.gather(*changes)
        assert await factor(house) == 2.0

    play(house, scenario)
    assert [engine for engine, _ in house.loads[1:]] == [B, A] * (MAX_WAITING // 2)


def test_what_serves_already_is_not_loaded_again(house: House) -> None:
    async def scenario() -> None:
        await house.swaps.load("pages", A)
        await house.swaps.load("pages")

    play(house, scenario)
    assert house.loads == [(A, False)]


def test_a_drain_that_begins_while_an_engine_loads_keeps_the_old_one(house: House) -> None:
    async def scenario() -> None:
        house.hold = threading.Event()
        change = asyncio.create_task(house.swaps.load("pages", B))
        await asyncio.sleep(0.05)
        house.models.state = State.DRAINING
        house.hold.set()
        with pytest.raises(SwapRefused, match="draining"):
            await change
        assert await factor(house) == 2.0

    play(house, scenario)


def test_requests_inside_keep_the_old_engine_until_they_are_answered(tmp_path: Path) -> None:
    folders = {
        ref: write_running_engine(tmp_path / name, long_loop(), LOOP_INPUTS, LOOP_OUTPUTS)
        for ref, name in ((A, "a"), (B, "b"))
    }
    house = House(folders)

    async def scenario() -> None:
        turns = np.array([2_000_000], np.int64)
        request = InferRequest((InputTensor("n", "INT64", turns),))
        slow = asyncio.create_task(house.models.find("pages").infer(request))
        await asyncio.sleep(0.01)
        await house.swaps.load("pages", B)
        assert slow.done()
        answer = await slow
        assert (answer.engine, answer.outputs[0].array[0]) == (A.partition("@")[2], 2_000_000)

    play(house, scenario)


def test_a_defect_leaves_what_serves_too(house: House) -> None:
    house.faults[B] = ZeroDivisionError()

    async def scenario() -> None:
        with pytest.raises(ZeroDivisionError):
            await house.swaps.load("pages", B)
        assert await factor(house) == 2.0

    play(house, scenario)
    assert house.swapped("Defect") == 1


def test_nothing_is_changed_before_the_start_is_over(house: House) -> None:
    async def scenario() -> None:
        house.models.state = State.LOADING
        with pytest.raises(SwapRefused, match="loading"):
            await house.swaps.load("pages", B)

    play(house, scenario)


def test_a_server_without_any_engine_is_not_ready(house: House) -> None:
    async def scenario() -> None:
        assert house.models.is_ready
        await house.swaps.unload("pages")
        assert not house.models.is_ready

    play(house, scenario)


def test_two_engines_of_one_name_are_told(house: House) -> None:
    async def scenario() -> None:
        with pytest.raises(InvalidSettings, match="NAME=ENGINE"):
            await house.swaps.start("pages", B)

    play(house, scenario)


def test_what_does_not_fit_is_refused_with_figures() -> None:
    room = Room(used_bytes=900 << 20, limit_bytes=1 << 30)
    with pytest.raises(NotEnoughMemory, match=r"124 MiB free of 1024 MiB, expected 232 MiB"):
        check_room("engine", 200 << 20, room)
    check_room("engine", 50 << 20, room)


def test_memory_is_asked_for_only_beside_another(tmp_path: Path) -> None:
    folder = write_scaler(tmp_path / "engine", 2.0)
    loader = Loader(ServeSettings(str(folder)), lambda: Room(1, 1))
    loader.load(str(folder)).unload()
    with pytest.raises(NotEnoughMemory):
        loader.load(str(folder), True)


def test_what_an_engine_needs_is_what_was_measured(tmp_path: Path) -> None:
    folder = write_scaler(tmp_path / "engine", 2.0)
    size = sum(path.stat().st_size for path in (folder / "model").iterdir())
    assert needed_bytes(folder) == 2 * size
    (folder / "report.json").write_text(report().model_dump_json())
    assert needed_bytes(folder) == 1 << 20


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a=oci://r.example/x:1", ("a", "oci://r.example/x:1")),
        ("/engines/a=b", (None, "/engines/a=b")),
        ("./a=b", (None, "./a=b")),
        ("oci://r.example/x:1", (None, "oci://r.example/x:1")),
        ("a=b=c", ("a", "b=c")),
        ("=x", (None, "=x")),
    ],
)
def test_names_are_told_from_paths(text: str, named: tuple[str | None, str]) -> None:
    assert parse_named(text) == named


def test_names_are_given_once() -> None:
    assert parse_engines(("x",), "n") == (("n", "x"),)
    for engines, only in ((("a=x", "b=y"), "n"), (("a=x",), "n"), (("a=x", "a=y"), None)):
        with pytest.raises(InvalidSettings):
            parse_engines(engines, only)


def test_engines_come_from_the_repositories_of_the_start_and_from_those_named() -> None:
    named = parse_engines((f"a={A}", "/folder"), None)
    assert repositories(named, ("r.example/more",)) == ("r.example/scalers", "r.example/more")
