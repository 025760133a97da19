"""Which processors a measured model is kept on."""

import os

import pytest

from burnish_optimizer.measure import affinity
from burnish_optimizer.measure.affinity import choose, processors_for


def paired(processor):
    """Eight processors, four cores: 0 with 4, 1 with 5 …"""
    return f"{processor % 4},{processor % 4 + 4}"


def alone(processor):
    return str(processor)


def untold(_):
    return ""


@pytest.mark.parametrize(
    ("allowed", "threads", "siblings", "chosen"),
    [
        (range(8), 1, paired, (7,)),
        (range(8), 4, paired, (4, 5, 6, 7)),
        (range(8), 5, paired, (3, 4, 5, 6, 7)),
        ({0, 1, 4, 5}, 2, paired, (4, 5)),
        ({0, 4, 1}, 2, paired, (1, 4)),
        (range(2), 1, alone, (1,)),
        (range(4), 2, untold, (2, 3)),
        (range(2), 2, alone, None),
        (range(2), 8, alone, None),
    ],
)
def test_one_of_each_core_from_the_end(allowed, threads, siblings, chosen):
    assert choose(allowed, threads, siblings) == chosen


def test_under_a_quota_nothing_is_pinned(monkeypatch):
    monkeypatch.setattr(affinity.cpu, "is_limited", lambda: True)
    assert processors_for(1) is None


def test_all_threads_means_all_processors():
    assert processors_for(None) is None


def test_pinning_is_of_this_process_and_its_threads(monkeypatch):
    pinned = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, processors: pinned.append((pid, processors)))
    affinity.pin(None)
    assert pinned == []
    affinity.pin((1,))
    assert (os.getpid(), (1,)) in pinned
