"""Worker processes: whatever a candidate does, the parent gets evidence and goes on."""

import pytest

from burnish_optimizer.errors import Declined, WorkerFailed
from burnish_optimizer.measure.process import run_worker
from burnish_optimizer.tasks import BuildResult, BuildTask
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
