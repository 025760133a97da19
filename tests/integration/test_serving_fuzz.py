"""Mutated requests in masses: every answer is well-formed, right or refused; nothing grows, nothing hangs.

BURNISH_FUZZ_REQUESTS: how many (default a few thousand).   BURNISH_FUZZ_SEED: which (default 0).
"""

import os
from pathlib import Path

import psutil
import pytest

from support.fuzz import Case, storm
from support.fuzz_requests import write_identities
from support.raw_http import connected, get
from support.servers import running_server

pytestmark = pytest.mark.integration

REQUESTS = int(os.environ.get("BURNISH_FUZZ_REQUESTS", "3000"))
SEED = os.environ.get("BURNISH_FUZZ_SEED", "0")
GROWTH_BYTES = 32 << 20


@pytest.mark.timeout(0)
def test_mutated_requests_are_answered_and_leave_nothing_behind(tmp_path: Path) -> None:
    with running_server(
        str(write_identities(tmp_path / "engine")),
        max_body_bytes=1 << 20,
        max_connections=64,
        head_timeout_seconds=1,
        body_timeout_seconds=1,
    ) as server:
        server.logged("ready")
        process = psutil.Process(server.process.pid)
        seeds = [f"{SEED}:{number}" for number in range(REQUESTS)]
        early, wrong = storm(server.http_port, seeds[: REQUESTS // 3])
        before = process.memory_info().rss
        late, wrong_later = storm(server.http_port, seeds[REQUESTS // 3 :])
        grown = process.memory_info().rss - before
        assert wrong + wrong_later == []
        assert sum((early + late).values()) == REQUESTS
        # Else the mutations would say nothing: they must reach every check on the way, and pass some.
        assert {200, 400, 404, 405, 408, 413, 415} <= set(early + late)
        assert grown < GROWTH_BYTES
        assert process.num_threads() < 64
        with connected(server.http_port) as connection:
            connection.send(get("/v2/health/ready"))
            answer = connection.answer()
        assert answer is not None
        assert answer.status == 200
        assert 'in_flight{model="tiny"} 0.0' in server.metrics()
        assert "exception" not in "".join(server.text)


def test_a_case_is_the_same_whenever_it_is_made() -> None:
    assert [Case.of(f"1:{n}") for n in range(50)] == [Case.of(f"1:{n}") for n in range(50)]
