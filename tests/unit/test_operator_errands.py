"""What turns leave to others: in order, bounded, told where it is dropped; and events, posted in that way."""

import threading
from collections.abc import Iterator
from typing import cast

import pytest

from burnish_operator.adapters.events import KubernetesEvents
from burnish_operator.adapters.kubernetes import KubernetesCluster
from burnish_operator.errands import Errands
from burnish_operator.errors import NotLeading
from burnish_operator.ports import Event
from fakes.cluster import FakeClock, FakeCluster
from fakes.fleet import model


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Errands that wait for it go on at the end of a test at the latest."""
    found = threading.Event()
    yield found
    found.set()


def ended(errands: Errands) -> None:
    errands.close()
    while not errands.idle():
        pass


def test_what_has_the_same_key_is_done_in_order() -> None:
    errands, done = Errands("events", 3), list[tuple[str, int]]()
    for number in range(50):
        for key in ("a", "b", "c", "d"):
            errands.run(key, lambda key=key, number=number: done.append((key, number)))  # type: ignore[misc]
    ended(errands)
    for key in ("a", "b", "c", "d"):
        assert [n for k, n in done if k == key] == list(range(50))


def test_a_turn_never_waits_and_what_is_too_much_is_dropped_and_told(
    gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    errands, done = Errands("events", 1, max_waiting=2), list[int]()
    errands.run("a", lambda: done.append(int(gate.wait())))
    for number in (2, 3, 4):
        errands.run("a", lambda number=number: done.append(number))  # type: ignore[misc]
    assert caplog.messages == ["2 events wait: others are dropped"]
    gate.set()
    while not errands.idle():
        pass
    errands.run("a", lambda: done.append(5))
    ended(errands)
    assert done == [1, 2, 5]
    assert caplog.messages[1:] == ["2 events were dropped"]


def test_one_that_fails_keeps_no_other_from_being_done(caplog: pytest.LogCaptureFixture) -> None:
    errands, done = Errands("events", 1), list[int]()
    errands.run("a", lambda: done.append(1 // 0))
    errands.run("a", lambda: done.append(2))
    ended(errands)
    assert done == [2]
    assert "ZeroDivisionError" in caplog.text


def test_where_no_thread_can_be_started_it_is_dropped_and_nothing_waits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("concurrent.futures.ThreadPoolExecutor.submit", refuse)
    errands = Errands("events", 1)
    errands.run("a", lambda: None)
    assert errands.idle()
    assert "dropped" in caplog.text


def test_once_dropped_nothing_is_begun_and_what_is_under_way_is_seen(gate: threading.Event) -> None:
    errands, done = Errands("events", 1), list[int]()
    errands.run("a", lambda: done.append(int(gate.wait())))
    errands.run("a", lambda: done.append(2))
    errands.drop()
    errands.run("a", lambda: done.append(3))
    assert not errands.idle()
    gate.set()
    ended(errands)
    assert done == [1]


def events_of(cluster: FakeCluster, errands: Errands) -> KubernetesEvents:
    return KubernetesEvents(cast(KubernetesCluster, cluster), cluster.clock, errands)


def test_an_event_has_the_time_of_its_turn_however_late_it_is_posted(gate: threading.Event) -> None:
    cluster, errands = FakeCluster(FakeClock()), Errands("events", 1)
    about = cluster.put(model())
    errands.run(about["metadata"]["uid"], lambda: gate.wait() and None)
    events_of(cluster, errands).publish(about, Event("Ready", "It serves."))
    cluster.clock.time = cluster.clock.time.replace(hour=11)
    gate.set()
    ended(errands)
    [posted] = [obj for (kind, _, _), obj in cluster.objects.items() if kind == "Event"]
    assert (posted["reason"], posted["firstTimestamp"]) == ("Ready", "2026-05-04T10:00:00Z")


def test_who_does_not_lead_any_more_posts_nothing(caplog: pytest.LogCaptureFixture) -> None:
    cluster, errands = FakeCluster(FakeClock()), Errands("events", 1)
    about = cluster.put(model())
    cluster.refuse["Event"] = NotLeading("me", found="no lease", expected="to lead")
    events_of(cluster, errands).publish(about, Event("Ready", "It serves."))
    ended(errands)
    assert cluster.writes == []
    assert "was not posted" in caplog.text
