"""A canary and a stable server: the canary's answers are compared with the stable one's."""

import time
from pathlib import Path

import httpx
import pytest

from support.onnx_models import write_scaler
from support.servers import Server, running_server

pytestmark = pytest.mark.integration
ASKED = 20


def ask(server: Server) -> None:
    request = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}
    assert httpx.post(f"{server.url}/v2/models/pages/infer", json=request).status_code == 200


def settled(server: Server) -> dict[str, float]:
    """Counts by result, once all mirrored requests have one."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        lines = [
            line
            for line in server.metrics().splitlines()
            if line.startswith("burnish_shadow_requests_total{")
        ]
        counts = {line.partition('result="')[2].partition('"')[0]: float(line.split()[-1]) for line in lines}
        if sum(counts.values()) >= ASKED:
            return counts
        time.sleep(0.02)
    raise AssertionError(server.metrics())


@pytest.mark.parametrize(("factor", "result"), [(2.0, "agreed"), (3.0, "differed")])
def test_a_canary_is_compared_with_the_stable_engine(tmp_path: Path, factor: float, result: str) -> None:
    stable = write_scaler(tmp_path / "stable", 2.0)
    canary = write_scaler(tmp_path / "canary", factor)
    with running_server(f"pages={stable}") as one:
        one.logged("ready")
        with running_server(
            f"pages={canary}", shadow=one.url, shadow_share=1.0, shadow_metric="max-abs"
        ) as other:
            other.logged("ready")
            for _ in range(ASKED):
                ask(other)
            assert settled(other)[result] == ASKED


def test_a_peer_that_is_away_harms_no_answer(tmp_path: Path) -> None:
    canary = write_scaler(tmp_path / "canary", 2.0)
    with running_server(f"pages={canary}", shadow="http://127.0.0.1:9", shadow_share=1.0) as other:
        other.logged("ready")
        for _ in range(ASKED):
            ask(other)
        assert settled(other)["failed"] > 0
        other.logged("the peer gave nothing to compare with")
        other.terminate()
        assert other.exit_code() == 0
