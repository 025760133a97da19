"""A fork's result: what it returned, that it raised, that it died, that nobody wants it any more."""

import json
import os
import signal
import time

import pytest

from burnish_optimizer.aside import Aside
from burnish_optimizer.errors import WorkerFailed


def test_the_result_and_its_seconds_come_back():
    found = Aside("sum", lambda: {"sum": 1 + 1}).result()
    assert found["sum"] == 2
    assert found["seconds"] >= 0


def test_what_it_raises_is_told():
    with pytest.raises(WorkerFailed, match="ZeroDivisionError"):
        Aside("division", lambda: {"never": 1 // 0}).result()


def test_its_death_is_told():
    with pytest.raises(WorkerFailed, match="SIGKILL"):
        Aside("death", lambda: os.kill(os.getpid(), signal.SIGKILL)).result()


def test_what_it_changes_stays_there():
    kept = []
    Aside("append", lambda: {"length": kept.append(1)}).result()
    assert kept == []


def test_cancelled_it_is_gone_at_once():
    aside = Aside("sleep", lambda: time.sleep(60))
    aside.cancel()
    with pytest.raises(ChildProcessError):
        os.waitpid(aside._pid, 0)


def test_half_of_a_result_is_none(monkeypatch):
    def half(_told):
        os.write(writer, b'{"sum"')
        os.kill(os.getpid(), signal.SIGKILL)

    reader, writer = os.pipe()
    monkeypatch.setattr(os, "pipe", lambda: (reader, writer))
    monkeypatch.setattr(json, "dumps", half)
    with pytest.raises(WorkerFailed, match="SIGKILL"):
        Aside("half", lambda: {"sum": 2}).result()
