"""Worker processes: whatever a candidate does, the parent gets evidence and goes on."""

import os
import signal
import time

import numpy as np
import pytest

from burnish_engine.descriptor import RunOptions
from burnish_engine.request import Backend
from burnish_optimizer.aside import Aside
from burnish_optimizer.errors import Declined, WorkerFailed
from burnish_optimizer.ingest.samples import DataSpec
from burnish_optimizer.measure.client import ProbeProcess
from burnish_optimizer.measure.process import _private_bytes, read_answer, run_worker
from burnish_optimizer.tasks import BuildResult, BuildTask, ProbeTask
from burnish_runtime import memory
from support import optimizer_nets as nets

PLENTY = 8 << 30


def run(tmp_path, builder, *, seconds=60.0, memory_bytes=PLENTY):
    source = nets.save_net(tmp_path / "net.onnx")
    folder = tmp_path / "candidate"
    folder.mkdir()
    task = BuildTask(
        run=f"support.optimizer_nets:{builder}",
        model=str(source),
        folder=str(folder),
        shared=str(tmp_path / "shared"),
        inputs=(),
        calibration=None,
        threads=1,
        facts={},
    )
    return run_worker(task, BuildResult, tmp_path / "work", seconds=seconds, memory_bytes=memory_bytes)


def test_a_good_worker_gives_its_result(tmp_path):
    assert run(tmp_path, "build_same").model == "model.onnx"


def test_a_crash_is_told_by_its_signal(tmp_path):
    with pytest.raises(WorkerFailed, match="SIGSEGV"):
        run(tmp_path, "build_crash")


def test_an_exception_is_told_by_its_message(tmp_path):
    with pytest.raises(WorkerFailed, match="RuntimeError: the converter gave up"):
        run(tmp_path, "build_raise")


def test_a_recipe_may_decline(tmp_path):
    with pytest.raises(Declined, match="for other models"):
        run(tmp_path, "build_declined")


def test_a_worker_that_hangs_is_killed_at_its_limit(tmp_path):
    with pytest.raises(WorkerFailed, match="out of time"):
        run(tmp_path, "build_hang", seconds=2.0)


def test_a_worker_that_takes_too_much_memory_is_killed(tmp_path):
    with pytest.raises(WorkerFailed, match="out of memory: killed at .* the limit is 400 MiB"):
        run(tmp_path, "build_greedy", memory_bytes=400 << 20)


def test_a_builder_that_does_not_exist_is_a_failure_not_a_crash(tmp_path):
    with pytest.raises(WorkerFailed, match="no_such"):
        run(tmp_path, "no_such")


def test_a_probe_that_was_killed_between_two_questions_is_a_failure_not_a_crash(tmp_path):
    task = ProbeTask(
        model=str(tmp_path / "none.onnx"),
        backend=Backend.ONNXRUNTIME,
        options=RunOptions(),
        data=DataSpec(path=str(tmp_path)),
        answers=str(tmp_path),
        outputs=(),
        batch=1,
        batch_error=None,
    )

    def ask_the_dead():
        with ProbeProcess(task, tmp_path / "probe", seconds=60.0, memory_bytes=PLENTY) as probe:
            process = probe._child.process
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            probe.round(0.1)

    with pytest.raises(WorkerFailed, match="SIGKILL"):
        ask_the_dead()


@pytest.mark.parametrize("data", [b'{"ok": {"mod', b'{"ok": null}', b'{"ok": {"other": 1}}', b"[]", b"{}"])
def test_an_answer_that_cannot_be_read_is_a_failure_not_a_crash(data):
    with pytest.raises(WorkerFailed, match="cannot be read"):
        read_answer(data, BuildResult, "a builder")


def test_what_forks_share_counts_once():
    weights = np.ones(1 << 28, np.uint8)
    held = memory.private_bytes()
    forks = [Aside("sleep", lambda: time.sleep(60)) for _ in range(3)]
    try:
        assert _private_bytes(os.getpid(), held) < held + weights.nbytes // 2
        assert _private_bytes(os.getpid(), 1 << 50) > held + weights.nbytes, "counted for each, told at once"
    finally:
        for fork in forks:
            fork.cancel()
