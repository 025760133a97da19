"""A real probe: what it tells of a model beside its latencies."""

import os
from pathlib import Path

import pytest

from burnish_optimizer.measure.client import ProbeProcess
from burnish_optimizer.measure.open_loop import Goal
from support.probes import probe_task


@pytest.fixture
def probe(tmp_path):
    task = probe_task(tmp_path, processors=(max(os.sched_getaffinity(0)),))
    with ProbeProcess(task, tmp_path / "probe", seconds=60.0, memory_bytes=8 << 30) as opened:
        yield opened


def test_the_first_run_and_private_memory_are_told(probe):
    opened = probe.open()
    assert opened.first_inference_seconds > 0
    assert 1 << 20 < opened.private_memory_bytes < opened.peak_memory_bytes


def test_a_pinned_process_stays_where_it_was_put_with_all_its_threads(probe):
    probe.open()
    pid = probe._child.process.pid
    threads = [int(folder.name) for folder in Path(f"/proc/{pid}/task").iterdir()]
    last = {max(os.sched_getaffinity(0))}
    assert [os.sched_getaffinity(thread) for thread in threads] == [last] * len(threads)


def test_energy_is_a_figure_of_the_windows_or_absent(probe):
    probe.open()
    latencies = [latency for _ in range(3) for latency in probe.round(0.01)]
    taken = probe.energy()
    assert taken.requests == len(latencies)
    assert (taken.joules is None) == (not taken.domains)
    assert probe.energy().requests == 0


def test_requests_arrive_by_the_clock(probe):
    probe.open()
    run = probe.open_loop(rate=100.0, seconds=0.5, seed=1, goal=Goal(99, 1e9))
    assert 25 < run.requests < 85
    assert len(run.latencies_seconds) == run.requests
    assert min(run.latencies_seconds) > 0
    lost = probe.open_loop(rate=100.0, seconds=0.5, seed=1, goal=Goal(99, 1e-9))
    assert len(lost.latencies_seconds) == 1, "the goal is lost at the first answer, and all ends"
