"""The servers' bench on the smallest engine, without peers: every figure is there, every answer right."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from burnish_bench.serving.bench import Bench
from burnish_bench.serving.fleet import running
from burnish_bench.serving.modes import Mode
from burnish_bench.serving.results import Results
from burnish_bench.serving.tools import GOAL, NOTHING, OURS, tools
from burnish_bench.serving.workload import assemble, write_engine
from support.onnx_models import add_and_multiply

pytestmark = pytest.mark.integration


def test_every_figure_of_every_mode(tmp_path: Path) -> None:
    onnx.save(add_and_multiply(), model := tmp_path / "model.onnx")
    inputs = {name: np.random.default_rng(0).random((1, 3), np.float32) for name in ("a", "b")}
    work = assemble(model, write_engine(model, inputs, tmp_path / "engine"), inputs, tmp_path / "work")
    results = Results({})
    bench = Bench(work, frozenset(), results, 0.4, (1, 4), lambda _: None)
    own = [tool for tool in tools(goal_ms=100.0) if not tool.is_peer]
    with running(own, work, list(Mode), tmp_path / "logs", frozenset()) as servers:
        assert {name: server.failed for name, server in servers.items()} == {OURS: {}, GOAL: {}, NOTHING: {}}
        for mode in Mode:
            bench.measure(mode, servers)
    for mode in Mode:
        for name in (OURS, NOTHING):
            cell = results.cell(mode, name)
            assert cell.latency
            assert [each.concurrency for each in cell.throughput] == [1, 4]
            assert [(each.wrong, each.failed) for each in cell.throughput] == [(0, "")] * 2
            assert cell.best_per_second > 0
        for name in (OURS, GOAL):
            loud = results.cell(mode, name).overload
            assert loud
            assert (loud.wrong, loud.failed) == (0, "")
            assert loud.accepted > 0
