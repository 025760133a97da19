"""A full disk is told as that, with its place, wherever it is met; it says nothing of the recipe."""

import errno

import pytest

from burnish_engine.faults import DiskFull, is_full, written_to
from burnish_optimizer.engine_folder import check_room
from burnish_optimizer.errors import NoSpace
from burnish_optimizer.measure.process import run_worker
from burnish_optimizer.tasks import BuildResult, Task
from burnish_optimizer.worker import run_task
from support import full_disk


def test_a_write_to_a_full_disk_names_its_place(tmp_path):
    with pytest.raises(DiskFull, match=str(tmp_path)), written_to(tmp_path):
        full_disk.fill(FullTask())


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError), written_to(tmp_path):
        (tmp_path / "nothing").read_text()


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "x"), True),
        (RuntimeError("[ONNXRuntimeError] : write failed: No space left on device"), True),
        (OSError(errno.EACCES, "x"), False),
        (ValueError("x"), False),
        (None, False),
    ],
)
def test_what_libraries_say_of_a_full_disk_is_understood(error, full):
    assert is_full(error) is full


def test_a_full_disk_behind_another_error_counts():
    error = RuntimeError("the converter gave up")
    error.__cause__ = OSError(errno.ENOSPC, "x")
    assert is_full(error)


class FullTask(Task):
    """See `fill`."""

    run: str = "support.full_disk:fill"


def test_a_worker_tells_it_apart_from_its_own_failures():
    answer = run_task(FullTask().model_dump())
    assert answer["error"]["full"]
    assert not run_task({"run": "support.full_disk:fail"})["error"]["full"]


@pytest.mark.parametrize("run", ["support.full_disk:fill", "support.full_disk:no_room_for_the_result"])
def test_the_parent_knows_it_whether_the_result_could_be_written_or_not(tmp_path, run):
    with pytest.raises(NoSpace, match="space"):
        run_worker(FullTask(run=run), BuildResult, tmp_path, seconds=30, memory_bytes=1 << 30)


def test_room_for_the_source_is_asked_for_before_any_work(tmp_path):
    check_room(tmp_path / "engine", 1)
    with pytest.raises(DiskFull, match="bytes free"):
        check_room(tmp_path / "not" / "yet", 1 << 60)
