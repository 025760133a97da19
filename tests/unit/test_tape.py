"""Calls ahead: a fork makes them, this process takes their answers in the same order."""

import errno
import os
import signal
import tempfile

import numpy as np
import pytest

from burnish_optimizer.tape import Refused, Tape


@pytest.fixture
def tape():
    with Tape() as made:
        yield made


class Counted:
    """Doubles numbers; refuses negative ones."""

    def __init__(self):
        self.calls = 0

    def __call__(self, given):
        self.calls += 1
        if (given["x"] < 0).any():
            raise ValueError("negative")
        return {"y": given["x"] * 2}


def arrays(*values):
    return [{"x": np.full((2, n), n, np.float32)} for n in values]


def answers(function, given):
    for one in given:
        try:
            yield function(one)["y"]
        except (ValueError, Refused) as error:
            yield str(error)


def test_answers_of_the_fork_are_not_worked_out_again(tape):
    double = Counted()
    given = arrays(1, 0, 3)
    taped = tape.of(double)
    tape.ahead(lambda: list(answers(taped, given)))
    found = list(answers(taped, given))
    assert double.calls == 0
    assert [array.shape for array in found] == [(2, 1), (2, 0), (2, 3)]
    assert all(np.array_equal(array, 2 * one["x"]) for array, one in zip(found, given, strict=True))


def test_what_was_refused_there_is_refused_here(tape):
    double = Counted()
    taped, given = tape.of(double), [{"x": np.array([-1.0])}, {"x": np.array([4.0])}]
    tape.ahead(lambda: list(answers(taped, given)))
    assert list(answers(taped, given)) == ["negative", np.array([8.0])]
    assert double.calls == 0


def test_calls_beyond_the_tape_and_texts_are_made_here(tape):
    taped = tape.of(lambda given: {"y": np.array([str(given["x"])], object)})
    tape.ahead(lambda: taped({"x": 1}))
    assert taped({"x": 1})["y"] == ["1"]
    assert taped({"x": 2})["y"] == ["2"]


def test_a_fork_that_dies_leaves_all_to_this_process(tape):
    double = Counted()
    taped = tape.of(double)
    tape.ahead(lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert len(list(answers(taped, arrays(1, 2)))) == 2
    assert double.calls == 2


def test_another_fork_does_not_read_the_tape(tape):
    """It would take the answers away from this process."""
    double = Counted()
    taped, given = tape.of(double), arrays(1)
    tape.ahead(lambda: list(answers(taped, given)))
    child = os.fork()
    if child == 0:
        list(answers(taped, given))
        os._exit(double.calls)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    list(answers(taped, given))
    assert double.calls == 0


def test_a_tape_that_nobody_reads_ends_its_fork(tape):
    tape.ahead(signal.pause)
    aside = tape._aside
    tape.__exit__()
    with pytest.raises(ChildProcessError):
        os.waitpid(aside._pid, 0)


def test_where_arrays_have_no_place_all_is_done_here(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    double = Counted()
    with Tape() as tape:
        taped = tape.of(double)
        tape.ahead(lambda: list(answers(taped, arrays(1))))
        assert len(list(answers(taped, arrays(1)))) == 1
    assert double.calls == 1


def test_what_there_was_no_room_for_is_worked_out_here(tape, monkeypatch):
    """It is no refusal, and the answers behind it stay in their places."""
    write, here = os.pwrite, os.getpid()

    def full(file, held, place):
        if os.getpid() != here and len(held) == 2 * 3 * 4:
            raise OSError(errno.ENOSPC, "no room")
        return write(file, held, place)

    monkeypatch.setattr(os, "pwrite", full)
    double = Counted()
    taped, given = tape.of(double), arrays(1, 3, 4)
    tape.ahead(lambda: list(answers(taped, given)))
    found = list(answers(taped, given))
    assert all(np.array_equal(array, 2 * one["x"]) for array, one in zip(found, given, strict=True))
    assert double.calls == 1


def test_where_the_fork_went_another_way_its_answers_are_not_taken_for_others(tape):
    double, other = Counted(), Counted()
    first, second = tape.of(double), tape.of(other)
    tape.ahead(lambda: [first(one) for one in arrays(1, 2)])
    assert np.array_equal(second(arrays(5)[0])["y"], np.full((2, 5), 10))
    assert np.array_equal(first(arrays(1)[0])["y"], np.full((2, 1), 2))
    assert (double.calls, other.calls) == (1, 1)


def test_how_long_the_fork_took_is_known_here(tape):
    taped = tape.of(Counted())
    tape.ahead(lambda: list(answers(taped, arrays(1, 2))))
    assert taped.shortest_seconds == float("inf")
    list(answers(taped, arrays(1, 2)))
    assert 0 < taped.shortest_seconds < 60


def test_answers_may_be_changed_by_whoever_got_them(tape):
    taped = tape.of(Counted())
    tape.ahead(lambda: list(answers(taped, arrays(3, 3))))
    one, two = answers(taped, arrays(3, 3))
    one[:] = 0
    assert np.array_equal(two, np.full((2, 3), 6))
