"""The HTTP surface, in the process, around a real engine."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from burnish_serving.app import create_metrics_app
from burnish_serving.errors import InvalidSettings
from burnish_serving.lifecycle import drain
from burnish_serving.settings import ServeSettings
from support.houses import ADD, House, client, post, talk
from support.onnx_models import LOOP_INPUTS, LOOP_OUTPUTS, long_loop, write_adder, write_running_engine


def test_inference_is_answered_and_counted(tmp_path: Path) -> None:
    house = House(write_adder(tmp_path))
    answer = post(house, "/v2/models/tiny/infer", json=ADD)
    assert answer.status_code == 200
    assert answer.json() == {
        "model_name": "tiny",
        "model_version": "1",
        "id": "7",
        "outputs": [
            {"name": "sum", "datatype": "FP32", "shape": [1, 3], "data": [2, 4, 6]},
            {"name": "product", "datatype": "FP32", "shape": [1, 3], "data": [1, 4, 9]},
        ],
    }
    labels = {"model": "tiny", "protocol": "http", "code": "200"}
    assert house.metric("burnish_request_duration_seconds_count", **labels) == 1
    assert house.metric("burnish_queue_duration_seconds_count", model="tiny") == 1
    assert house.metric("burnish_compute_duration_seconds_count", model="tiny") == 1
    assert house.metric("burnish_requests_in_flight", model="tiny") == 0
    assert (house.metric("burnish_engine_load_seconds", model="tiny") or 0) > 0


def test_the_metrics_page_has_the_names_of_the_contract(tmp_path: Path) -> None:
    house, pages = House(write_adder(tmp_path)), []

    async def speak(http: httpx.AsyncClient) -> None:
        await http.post("/v2/models/tiny/infer", json=ADD)
        await http.post("/v2/models/tiny/infer", content=b"{")
        async with client(create_metrics_app(house.metrics)) as scraper:
            pages.append((await scraper.get("/metrics")).text)
            openmetrics = await scraper.get("/metrics", headers={"Accept": "application/openmetrics-text"})
            assert openmetrics.text.endswith("# EOF\n")

    talk(house, speak)
    key = "0123456789abcdef" * 4
    for line in (
        'burnish_engine_info{backend="onnxruntime",digest="sha256:x",'
        f'key="{key}",model="tiny",precision="FP32"}} 1.0',
        'burnish_requests_rejected_total{model="tiny",reason="InvalidRequest"} 1.0',
        'burnish_request_duration_seconds_count{code="400",model="tiny",protocol="http"} 1.0',
        'burnish_requests_in_flight{model="tiny"} 0.0',
    ):
        assert line in pages[0]


def test_until_loaded_the_server_lives_but_is_not_ready(tmp_path: Path) -> None:
    house = House(tmp_path, loaded=False)

    async def speak(http: httpx.AsyncClient) -> None:
        assert (await http.get("/v2/health/live")).status_code == 200
        assert (await http.get("/v2/health/ready")).status_code == 503
        assert (await http.get("/v2")).json()["name"] == "burnish"
        for answer in (
            await http.get("/v2/models/tiny"),
            await http.get("/v2/models/tiny/ready"),
            await http.post("/v2/models/tiny/infer", json=ADD),
        ):
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "1"
            assert "loaded" in answer.json()["error"]

    talk(house, speak)


def test_documents_about_the_model(tmp_path: Path) -> None:
    async def speak(http: httpx.AsyncClient) -> None:
        for prefix in ("/v2/models/tiny", "/v2/models/tiny/versions/1"):
            metadata = (await http.get(prefix)).json()
            assert metadata["inputs"][0] == {"name": "a", "datatype": "FP32", "shape": [-1, 3]}
            assert metadata["versions"] == ["1"]
            assert (await http.get(f"{prefix}/ready")).json() == {"ready": True}
            config = (await http.get(f"{prefix}/config")).json()
            assert config["output"][1] == {"name": "product", "data_type": "TYPE_FP32", "dims": [-1, 3]}
            assert (await http.post(f"{prefix}/infer", json=ADD)).status_code == 200
        statistics = (await http.get("/v2/models/tiny/stats")).json()["model_stats"][0]
        assert statistics["inference_count"] == 2
        assert statistics["inference_stats"]["compute_infer"]["ns"] > 0
        assert (await http.get("/v2/models/stats")).json()["model_stats"] == [statistics]
        index = (await http.post("/v2/repository/index")).json()
        assert index == [{"name": "tiny", "version": "1", "state": "READY"}]

    talk(House(write_adder(tmp_path)), speak)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/other", 404),
        ("GET", "/v2/models/tiny/versions/2", 404),
        ("GET", "/v2/models/tiny/versions/", 404),
        ("POST", "/v2/models/other/infer", 404),
        ("POST", "/v2/models/tiny/versions/2/infer", 404),
        ("GET", "/v2/models/tiny/infer", 405),
        ("GET", "/", 404),
        ("GET", "/v2/models/%ff%00/ready", 404),
    ],
)
def test_paths_that_are_not_served(tmp_path: Path, method: str, path: str, status: int) -> None:
    house = House(write_adder(tmp_path))

    async def speak(http: httpx.AsyncClient) -> None:
        answer = await http.request(method, path)
        assert answer.status_code == status
        assert answer.json()["error"]

    talk(house, speak)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"content": b""}, 400),
        ({"content": b'{"inputs": [NaN]}'}, 400),
        ({"json": {"inputs": ADD["inputs"][:1]}}, 400),
        ({"json": ADD | {"outputs": [{"name": "nothing"}]}}, 400),
        ({"json": ADD, "headers": {"Inference-Header-Content-Length": "99999"}}, 400),
        ({"json": ADD, "headers": {"Content-Encoding": "gzip"}}, 400),
        ({"json": ADD, "headers": {"Content-Encoding": "br"}}, 415),
        ({"content": b" " * 5000}, 413),
        ({"content": b"", "headers": {"Content-Length": "9" * 30}}, 413),
    ],
)
def test_bodies_that_are_refused(tmp_path: Path, request_: dict[str, Any], status: int) -> None:
    house = House(write_adder(tmp_path), max_body_bytes=4000)
    answer = post(house, "/v2/models/tiny/infer", **request_)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert house.metric("burnish_compute_duration_seconds_count", model="tiny") == 0


def test_a_streamed_body_above_the_limit_is_refused(tmp_path: Path) -> None:
    async def pieces() -> Any:
        for _ in range(10):
            yield b" " * 1000

    house = House(write_adder(tmp_path), max_body_bytes=4000)
    assert post(house, "/v2/models/tiny/infer", content=pieces()).status_code == 413


def test_a_body_that_stops_is_given_up(tmp_path: Path) -> None:
    house = House(write_adder(tmp_path), body_timeout_seconds=0.05)

    async def silence() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    async def ask() -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        path = "/v2/models/tiny/infer"
        scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
        await house.app(scope, silence, send)  # type: ignore[arg-type]
        return sent

    sent = asyncio.run(ask())
    house.close()
    assert sent[0]["status"] == 408
    assert "silence" in json.loads(sent[1]["body"])["error"]


def test_shapes_that_break_the_model_leave_it_serving(tmp_path: Path) -> None:
    broken = {
        "inputs": [
            {"name": "a", "datatype": "FP32", "shape": [2, 3], "data": [0] * 6},
            {"name": "b", "datatype": "FP32", "shape": [5, 3], "data": [0] * 15},
        ]
    }

    async def speak(http: httpx.AsyncClient) -> None:
        answer = await http.post("/v2/models/tiny/infer", json=broken)
        assert answer.status_code in (400, 500)
        assert answer.json()["error"]
        assert (await http.post("/v2/models/tiny/infer", json=ADD)).status_code == 200

    talk(House(write_adder(tmp_path)), speak)


def loop_house(folder: Path, **settings: Any) -> House:
    return House(write_running_engine(folder, long_loop(), LOOP_INPUTS, LOOP_OUTPUTS), **settings)


def turns(count: int) -> dict[str, Any]:
    return {"inputs": [{"name": "n", "datatype": "INT64", "shape": [1], "data": [count]}]}


def test_a_full_house_refuses_and_the_loop_stays_free(tmp_path: Path) -> None:
    house = loop_house(tmp_path, max_pending=2)

    async def speak(http: httpx.AsyncClient) -> None:
        path = "/v2/models/tiny/infer"
        slow = [asyncio.create_task(http.post(path, json=turns(300_000))) for _ in range(2)]
        while house.gate.inside < 2:
            await asyncio.sleep(0.001)
        refused = await http.post(path, json=turns(1))
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
        assert (await http.get("/v2/health/ready")).status_code == 200
        assert not any(task.done() for task in slow)
        assert [(await task).json()["outputs"][0]["data"] for task in slow] == [[300_000.0]] * 2
        assert (await http.post(path, json=turns(1))).status_code == 200

    talk(house, speak)
    assert house.metric("burnish_requests_rejected_total", model="tiny", reason="Overloaded") == 1


def test_draining_answers_what_is_inside_and_what_still_comes(tmp_path: Path) -> None:
    house = loop_house(tmp_path)

    async def speak(http: httpx.AsyncClient) -> None:
        path = "/v2/models/tiny/infer"
        slow = asyncio.create_task(http.post(path, json=turns(300_000)))
        while house.gate.inside < 1:
            await asyncio.sleep(0.001)
        draining = asyncio.create_task(drain(house.models, house.gate, 2, asyncio.Event()))
        await asyncio.sleep(0)
        assert (await http.get("/v2/health/ready")).status_code == 503
        assert (await http.get("/v2/health/live")).status_code == 200
        assert (await http.post(path, json=turns(1))).status_code == 200
        assert await draining
        assert slow.done()
        assert (await slow).status_code == 200

    talk(house, speak)


def test_draining_ends_when_time_is_up_or_somebody_is_in_a_hurry(tmp_path: Path) -> None:
    async def scenario(*, hurry_up: bool) -> bool:
        house, hurry = House(tmp_path, loaded=False), asyncio.Event()
        if hurry_up:
            hurry.set()
        with house.gate.entered("tiny"):
            return await drain(house.models, house.gate, 600 if hurry_up else 0.01, hurry)

    assert not asyncio.run(scenario(hurry_up=True))
    assert not asyncio.run(scenario(hurry_up=False))


def test_a_server_that_never_was_ready_has_nothing_to_wait_for(tmp_path: Path) -> None:
    async def scenario() -> bool:
        house = House(tmp_path, loaded=False)
        return await asyncio.wait_for(drain(house.models, house.gate, 600, asyncio.Event()), 5)

    assert asyncio.run(scenario())


@pytest.mark.parametrize(
    "changes",
    [
        {"engine": ""},
        {"http_port": -1},
        {"metrics_port": 65536},
        {"http_port": 9090},
        {"grpc_port": 8080},
        {"grpc_port": 65536},
        {"drain_seconds": -1},
        {"max_body_bytes": 0},
        {"max_pending": 0},
        {"threads": 0},
        {"instances": 0},
        {"max_batch": 0},
        {"max_queue_delay_ms": -1},
        {"max_queue_delay_ms": float("nan")},
        {"latency_goal_ms": 0},
        {"latency_goal_ms": float("inf")},
        {"batch_audit_share": 1.5},
    ],
)
def test_settings_with_which_nothing_can_be_served(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidSettings):
        ServeSettings(**({"engine": "folder"} | changes))
