"""Workers, logs and the engine's source: the parts around the protocol."""

import asyncio
import io
import json
import logging
import os
import sys
import threading
from pathlib import Path

import pytest

from burnish_engine.errors import InvalidReference, RegistryUnavailable
from burnish_serving import log, source
from burnish_serving.errors import Overloaded
from burnish_serving.gate import Gate
from burnish_serving.metrics import ServingMetrics
from burnish_serving.source import Place, locate
from burnish_serving.workers import NICENESS, Workers
from support.onnx_models import write_adder


def test_a_job_runs_on_another_thread() -> None:
    async def scenario() -> None:
        workers = Workers("test")
        assert await workers.run(threading.get_ident) != threading.get_ident()
        workers.close()

    asyncio.run(scenario())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priorities of their own")
def test_who_computes_steps_back_behind_the_loop() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    async def scenario() -> None:
        workers = Workers("test")
        assert await workers.run(niceness) == min(19, niceness() + NICENESS)
        workers.close()

    asyncio.run(scenario())


def test_an_error_reaches_the_caller_and_the_thread_lives_on() -> None:
    async def scenario() -> None:
        workers = Workers("test")
        with pytest.raises(ZeroDivisionError):
            await workers.run(lambda: 1 // 0)
        assert await workers.run(lambda: 7) == 7
        workers.close()

    asyncio.run(scenario())


def test_a_cancelled_job_that_still_waits_is_not_run() -> None:
    ran: list[int] = []

    async def scenario() -> None:
        workers, gate = Workers("test"), threading.Event()
        first = asyncio.create_task(workers.run(gate.wait))
        second = asyncio.create_task(workers.run(lambda: ran.append(2)))
        await asyncio.sleep(0.01)
        second.cancel()
        await asyncio.sleep(0)
        gate.set()
        await first
        await workers.run(lambda: ran.append(3))
        workers.close()

    asyncio.run(scenario())
    assert ran == [3]


def test_one_thread_runs_jobs_in_order() -> None:
    order: list[int] = []

    async def scenario() -> None:
        workers = Workers("test")
        await asyncio.gather(*(workers.run(lambda n=n: order.append(n)) for n in range(20)))  # type: ignore[misc]
        workers.close()

    asyncio.run(scenario())
    assert order == list(range(20))


def test_a_visit_is_counted_under_the_model_that_it_turns_out_to_ask() -> None:
    metrics = ServingMetrics()
    gate = Gate(1, metrics.in_flight)

    def inside(model: str) -> float | None:
        return metrics.registry.get_sample_value("burnish_requests_in_flight", {"model": model})

    with gate.entered() as visit:
        assert (inside(""), gate.inside) == (1, 1)
        visit.asks("tiny")
        assert (inside(""), inside("tiny"), gate.inside) == (0, 1, 1)
        with pytest.raises(Overloaded, match="server"), gate.entered():
            pass
    assert (inside(""), inside("tiny"), gate.inside) == (0, 0, 0)


def test_logs_are_one_json_object_a_line() -> None:
    stream = io.StringIO()
    record = logging.makeLogRecord(
        {"name": "burnish.serving", "levelname": "INFO", "msg": "ready\n%s", "args": (1,)}
    )
    record.model = "tiny"
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log.JsonFormatter())
    handler.handle(record)
    (line,) = stream.getvalue().splitlines()
    document = json.loads(line)
    assert (document["message"], document["model"], document["level"]) == ("ready\n1", "tiny", "info")
    assert document["time"].endswith("+00:00")


def test_a_logged_exception_is_in_its_line() -> None:
    error = ValueError("what happened")
    record = logging.makeLogRecord({"exc_info": (ValueError, error, None)})
    assert "what happened" in json.loads(log.JsonFormatter().format(record))["exception"]


def test_a_folder_is_served_where_it_lies(tmp_path: Path) -> None:
    folder = write_adder(tmp_path / "engine")
    found = locate(str(folder), Place(tmp_path / "cache"))
    assert found.path == folder
    assert found.digest.startswith("sha256:")
    assert not (tmp_path / "cache").exists()


def test_a_wrong_reference_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidReference):
        locate("oci://host.example/UPPER", Place(tmp_path))


def test_a_registry_that_is_away_is_tried_again(tmp_path: Path) -> None:
    slept: list[float] = []
    with pytest.raises(RegistryUnavailable):
        locate("oci://127.0.0.1:1/engines@sha256:" + "0" * 64, Place(tmp_path), slept.append)
    assert slept == list(source.RETRY_SECONDS)


def test_a_folder_is_served_to_a_user_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(Path, "home", classmethod(_homeless))
    assert locate(str(write_adder(tmp_path / "engine"))).path == tmp_path / "engine"
    assert source.default_cache().is_absolute()


def _homeless(_: type[Path]) -> Path:
    raise RuntimeError("Could not determine home directory.")
