"""Scratch space: gone after a good end, found again by the same command after any other."""

from pathlib import Path

import pytest

from burnish_cli.scratch import resumable
from burnish_engine.errors import StalledError


def cut_short(work_dir, job):
    """A command that wrote something and did not end; where it wrote."""
    place = Path()
    try:
        with resumable(work_dir, job) as folder:
            place = folder / "finished"
            place.write_text("look")
            raise RuntimeError  # noqa: TRY301 - as any command may
    except RuntimeError:
        return place


def test_what_a_command_left_when_it_was_cut_short_is_there_for_the_same_one(tmp_path):
    left = cut_short(tmp_path, ["net", 1])
    with resumable(tmp_path, ["net", 2]) as other:
        assert not list(other.iterdir())
    with resumable(tmp_path, ["net", 1]) as again:
        assert again == left.parent
        assert left.read_text() == "look"
    assert list(tmp_path.iterdir()) == []


def test_one_command_at_a_time(tmp_path):
    with (
        resumable(tmp_path, "job"),
        pytest.raises(StalledError, match="running in it"),
        resumable(tmp_path, "job"),
    ):
        pass
    with resumable(tmp_path, "job") as folder:
        assert folder.is_dir()


def test_without_a_place_of_its_own_nothing_is_left():
    assert not cut_short(None, "job").parent.exists()


@pytest.mark.parametrize(("name", "found"), [("nowhere", "no such folder"), ("file", "a file")])
def test_what_is_no_folder_is_told_as_what_it_is(tmp_path, name, found):
    (tmp_path / "file").write_text("")
    with pytest.raises(StalledError, match=found), resumable(tmp_path / name, "job"):
        pass
