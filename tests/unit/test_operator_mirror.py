"""The mirror: the latest state of each object, found by label, and nothing that is gone."""

import asyncio
from typing import Any

import pytest

from burnish_operator.errors import ClusterConflict, Forbidden
from burnish_operator.handlers import Comparer, Key, Waker, listeners
from burnish_operator.listings import Listings
from burnish_operator.mirror import Mirror, compare
from burnish_operator.mirrored import REFUSED_SECONDS, MirroredCluster
from burnish_operator.ports import ACCELERATOR_CLASS, DEPLOYMENT, JOB, OPTIMIZED_MODEL, POD, Kind, Object
from fakes.cluster import FakeClock, FakeCluster
from fakes.fleet import model

OURS = {"app.kubernetes.io/managed-by": "burnish", "burnish.dev/model": "pages"}


def deployment(version: int, uid: str = "u", **metadata: Any) -> Object:
    told = {"name": "d", "namespace": "team", "uid": uid, "resourceVersion": str(version), "labels": OURS}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {**told, **metadata}}


def versions(mirror: Mirror, labels: dict[str, str] | None = None) -> list[str]:
    return [o["metadata"]["resourceVersion"] for o in mirror.find(DEPLOYMENT, "team", labels or OURS)]


def test_a_state_that_was_told_already_is_no_news() -> None:
    mirror = Mirror()
    assert mirror.put(deployment(7))
    assert not mirror.put(deployment(7))
    assert not mirror.put(deployment(6))
    assert mirror.put(deployment(10))
    assert versions(mirror) == ["10"]


def test_late_word_of_what_is_gone_brings_nothing_back() -> None:
    mirror = Mirror()
    mirror.put(deployment(7))
    mirror.drop(deployment(9))
    assert not mirror.put(deployment(8))
    assert versions(mirror) == []
    assert mirror.put(deployment(11, uid="another"))
    mirror.drop(deployment(9))
    assert versions(mirror) == ["11"]


def test_what_loses_a_label_that_it_is_watched_by_and_gets_it_back_is_there_again() -> None:
    """The watch tells of the loss as of an end; the object goes on, and is changed later."""
    mirror = Mirror()
    mirror.put(deployment(7))
    mirror.drop(deployment(8))
    assert not mirror.put(deployment(8))
    assert mirror.put(deployment(9))
    assert versions(mirror) == ["9"]


def test_what_loses_a_label_is_not_found_by_it() -> None:
    mirror = Mirror()
    mirror.put(deployment(7))
    mirror.put(deployment(8, labels={"app.kubernetes.io/managed-by": "burnish"}))
    assert versions(mirror) == []
    assert versions(mirror, {"app.kubernetes.io/managed-by": "burnish"}) == ["8"]
    assert vars(mirror)["_labelled"] == {}


def test_who_owns_which_field_takes_no_room() -> None:
    mirror = Mirror()
    mirror.put(deployment(7, managedFields=[{"manager": "burnish"}]))
    [found] = mirror.find(DEPLOYMENT)
    assert "managedFields" not in found["metadata"]


def test_what_a_watch_missed_is_dropped_by_comparing() -> None:
    cluster, mirror = FakeCluster(FakeClock()), Mirror()
    stays = cluster.put(deployment(1, uid="stays"))
    mirror.put(stays)
    mirror.put(deployment(2, uid="went", name="went"))
    new = cluster.put(deployment(3, uid="new", name="new"))
    assert [o["metadata"]["uid"] for o in compare(mirror, cluster, DEPLOYMENT).ended] == ["went"]
    assert {o["metadata"]["uid"] for o in mirror.all(DEPLOYMENT)} == {"stays", new["metadata"]["uid"]}


@pytest.fixture
def inner() -> FakeCluster:
    return FakeCluster(FakeClock())


def test_reads_of_a_turn_ask_nobody(inner: FakeCluster) -> None:
    mirror = Mirror()
    cluster = MirroredCluster(inner, mirror)
    stored = inner.put(model())
    mirror.put(stored)
    inner.objects.clear()
    name = stored["metadata"]["name"]
    assert cluster.get(OPTIMIZED_MODEL, stored["metadata"]["namespace"], name) == stored
    assert cluster.find(DEPLOYMENT, "team", {"burnish.dev/model": name}) == []


def test_what_is_not_watched_is_asked_for(inner: FakeCluster) -> None:
    cluster = MirroredCluster(inner, Mirror())
    inner.put(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "team", "labels": OURS}}
    )
    assert len(cluster.find(POD, "team", {"burnish.dev/model": "pages"})) == 1
    inner.put({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "team"}})
    assert len(cluster.find(JOB, fresh=True)) == 1


def test_what_is_refused_is_asked_for_seldom(inner: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """In namespaces of its own an operator may list no classes, and every turn would ask."""
    now, asked, may = [0.0], [], [False]

    def find(kind: Kind, *_: Any, **__: Any) -> list[Object]:
        asked.append(kind)
        if not may[0]:
            raise Forbidden("acceleratorclasses", found="403", expected="the right to list")
        return []

    monkeypatch.setattr(inner, "find", find)
    cluster = MirroredCluster(inner, Mirror(), frozenset({OPTIMIZED_MODEL}), lambda: now[0])
    for _ in range(3):
        with pytest.raises(Forbidden, match="the right to list"):
            cluster.find(ACCELERATOR_CLASS)
    assert len(asked) == 1
    now[0], may[0] = REFUSED_SECONDS, True
    assert cluster.find(ACCELERATOR_CLASS) == []
    assert cluster.find(ACCELERATOR_CLASS) == []
    assert len(asked) == 3


def test_a_write_is_read_back_at_once(inner: FakeCluster) -> None:
    mirror = Mirror()
    cluster = MirroredCluster(inner, mirror)
    stored = cluster.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {
        "name": "d", "namespace": "team", "labels": OURS}})  # fmt: skip
    assert len(cluster.find(DEPLOYMENT, "team", OURS)) == 1
    assert not mirror.put(stored)


def test_what_is_being_deleted_is_seen_as_such(inner: FakeCluster) -> None:
    cluster = MirroredCluster(inner, Mirror())
    stored = cluster.apply(deployment(1))
    cluster.delete(DEPLOYMENT, "team", "d", stored["metadata"]["uid"])
    [found] = cluster.find(DEPLOYMENT, "team", OURS)
    assert "deletionTimestamp" in found["metadata"]


def test_a_status_that_was_refused_is_read_anew(inner: FakeCluster) -> None:
    mirror = Mirror()
    cluster = MirroredCluster(inner, mirror)
    stored = inner.put(model())
    mirror.put(stored)
    namespace, name = stored["metadata"]["namespace"], stored["metadata"]["name"]
    inner.update(OPTIMIZED_MODEL, namespace, name, spec={"suspend": True})
    with pytest.raises(ClusterConflict):
        cluster.apply_status({**stored, "status": {}})
    found = cluster.get(OPTIMIZED_MODEL, namespace, name)
    assert found is not None
    assert found["spec"]["suspend"] is True


def test_what_someone_else_made_is_not_taken_and_is_looked_at(inner: FakeCluster) -> None:
    cluster = MirroredCluster(inner, Mirror())
    inner.put(deployment(1, labels={}))
    assert cluster.get(DEPLOYMENT, "team", "d") is None
    with pytest.raises(ClusterConflict):
        cluster.apply(deployment(1))
    assert cluster.get(DEPLOYMENT, "team", "d") is not None
    inner.objects.clear()
    assert cluster.get(DEPLOYMENT, "team", "d") is None
    cluster.apply(deployment(1))


def test_a_watch_that_starts_over_is_told_of_and_its_beginning_is_not() -> None:
    told: list[Kind] = []

    async def again(kind: Kind) -> None:
        told.append(kind)

    async def scenario() -> None:
        listings = Listings(again)
        for path in ("/apis/apps/v1/deployments", "/apis/batch/v1/namespaces/a/jobs", "/api/v1/namespaces"):
            await listings.listed(path)
        await listings.listed("/apis/batch/v1/namespaces/b/jobs")
        assert told == []
        await listings.listed("/api/v1/namespaces")
        await listings.listed("/apis/batch/v1/namespaces/a/jobs")

    asyncio.run(scenario())
    assert told == [JOB]


def test_whom_it_concerns_is_woken_by_what_a_watch_missed(inner: FakeCluster) -> None:
    woken: list[Key] = []

    async def wake(key: Key) -> None:
        woken.append(key)

    mirror, waker = Mirror(), Waker(wake)
    comparer = Comparer(mirror, inner, listeners(waker, cluster_scoped=False))
    mirror.put(deployment(7))

    async def scenario() -> None:
        await waker.model({"type": "ADDED"}, model("pages", "team"))
        woken.clear()
        await comparer.tell(comparer.compare("Deployment"))

    asyncio.run(scenario())
    assert woken == [Key("team", "pages")]
    assert mirror.all(DEPLOYMENT) == []


def test_what_a_watch_has_yet_to_tell_is_told_by_comparing(inner: FakeCluster) -> None:
    """The comparison is newer than the list that the watch goes on from: it takes the news from it."""
    woken: list[Key] = []

    async def wake(key: Key) -> None:
        woken.append(key)

    mirror = Mirror()
    comparer = Comparer(mirror, inner, listeners(Waker(wake), cluster_scoped=False))
    inner.put(model("new", "team"))
    asyncio.run(comparer.tell(comparer.compare("OptimizedModel")))
    assert woken == [Key("team", "new")]


def test_late_word_of_an_end_does_not_make_who_came_after_forgotten() -> None:
    woken: list[Key] = []

    async def wake(key: Key) -> None:
        woken.append(key)

    def of(uid: str) -> Object:
        found = model("pages", "team")
        return {**found, "metadata": {**found["metadata"], "uid": uid}}

    async def scenario() -> None:
        waker = Waker(wake)
        await waker.model({"type": "ADDED"}, of("one"))
        await waker.model({"type": "ADDED"}, of("two"))
        await waker.model({"type": "DELETED"}, of("one"))
        woken.clear()
        await waker.owned(deployment(7))
        await waker.model({"type": "DELETED"}, of("two"))
        await waker.owned(deployment(8))

    asyncio.run(scenario())
    assert woken == [Key("team", "pages")] * 2
