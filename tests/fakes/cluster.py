"""An API server in memory: server-side apply, generations, resource versions, owner references.

Faults: `die_at` ends the "process" (a BaseException, as kill -9 would) before the n-th write; `refuse`
answers writes of a kind with an error. `watcher` is told of every change, as a watch stream would tell.
"""

import itertools
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from burnish_engine.errors import BurnishError
from burnish_operator.errors import ClusterConflict, Forbidden, Rejected
from burnish_operator.ports import KINDS, Kind, Object

Place = tuple[str, str, str]


class Killed(BaseException):
    """The operator's process ended here, without any chance to clean up."""


class FakeClock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.time = datetime(2026, 5, 4, 10, 0, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


class FakeCluster:
    """Implements `ports.Cluster`; `objects` is what is stored.

    collects: the garbage collector is at once; else `collect` is its turn.
    """

    def __init__(self, clock: FakeClock, *, collects: bool = True) -> None:
        self.clock, self.collects = clock, collects
        self.watcher: Callable[[str, Object], None] = lambda event, obj: None
        self.objects: dict[Place, Object] = {}
        self.writes: list[str] = []
        self.refuse: dict[str, BurnishError] = {}
        self.unreadable: set[str] = set()
        self.die_at: int | None = None
        self.created_jobs: list[str] = []
        self._applied: dict[Place, Object] = {}
        self._numbers = itertools.count(1)

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        return copied(self.objects.get((kind.kind, namespace, name)))

    def find(
        self,
        kind: Kind,
        namespace: str = "",
        labels: Mapping[str, str] | None = None,
        *,
        fresh: bool = False,
    ) -> list[Object]:
        if kind.kind in self.unreadable:
            raise Forbidden(kind.plural, found="no right to list", expected="to be allowed")
        found = [obj for (k, ns, _), obj in self.objects.items() if k == kind.kind and namespace in ("", ns)]
        wanted = (labels or {}).items()
        return copied([o for o in found if wanted <= o["metadata"].get("labels", {}).items()])

    def create(self, obj: Object) -> Object:
        self._write(f"create {obj['kind']} {obj['metadata']['name']}", obj["kind"])
        if place_of(obj) in self.objects:
            raise ClusterConflict(obj["metadata"]["name"], found="AlreadyExists", expected="a free name")
        if obj["kind"] == "Job":
            self.created_jobs.append(f"{obj['metadata']['namespace']}/{obj['metadata']['name']}")
        return self.put(obj)

    def apply(self, obj: Object, *, force: bool = True) -> Object:
        self._write(f"apply {obj['kind']} {obj['metadata']['name']}", obj["kind"])
        place = place_of(obj)
        stored = self.objects.get(place)
        if stored is not None and not force and place not in self._applied:
            raise ClusterConflict(obj["metadata"]["name"], found="fields of others", expected="none of ours")
        if stored is None:
            self._applied[place] = copied(obj)
            return self.put(obj)
        wanted = _merged(_without(stored, self._applied.get(place, {}), obj), obj)
        self._applied[place] = copied(obj)
        return self._replace(place, stored, wanted)

    def apply_status(self, obj: Object) -> Object:
        self._write(f"status {obj['kind']} {obj['metadata']['name']}", obj["kind"])
        place = place_of(obj)
        stored = self.objects.get(place)
        if stored is None:
            raise Rejected(obj["metadata"]["name"], found="nothing (404)", expected="an object with a status")
        _same_version(stored, obj)
        return self._replace(place, stored, {**stored, "status": copied(obj["status"])})

    def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        self._write(f"delete {kind.kind} {name}", kind.kind)
        stored = self.objects.get((kind.kind, namespace, name))
        if stored is not None and stored["metadata"]["uid"] == uid:
            self.remove((kind.kind, namespace, name))

    # What follows is the world's side: tests and the simulated controllers use it.

    def put(self, obj: Object) -> Object:
        """Store an object as a user or a controller would."""
        stored = copied(obj)
        number = next(self._numbers)
        metadata = stored["metadata"]
        metadata.setdefault("uid", f"uid-{number:04d}")
        metadata.setdefault("creationTimestamp", self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"))
        metadata.update(generation=1, resourceVersion=str(number))
        self.objects[place_of(stored)] = stored
        self.watcher("ADDED", stored)
        return copied(stored)

    def update(self, kind: Kind, namespace: str, name: str, **parts: Any) -> None:
        """Merge `parts` into an object, as `kubectl patch` does."""
        place = (kind.kind, namespace, name)
        stored = self.objects[place]
        self._replace(place, stored, _merged(stored, parts))

    def replace(self, obj: Object) -> None:
        """Put an object in place of the stored one, as `kubectl replace` does."""
        self._replace(place_of(obj), self.objects[place_of(obj)], obj)

    def remove(self, place: Place) -> None:
        """Delete an object and, as the garbage collector does, all that it owns."""
        gone = self.objects.pop(place, None)
        self._applied.pop(place, None)
        if gone is None:
            return
        self.watcher("DELETED", gone)
        if not self.collects:
            return
        uid = gone["metadata"]["uid"]
        owned = [p for p, o in self.objects.items() if uid in _owners(o)]
        for other in owned:
            self.remove(other)

    def collect(self) -> bool:
        """A turn of the garbage collector: what has owners, and none of them is left, goes. Told: any did."""
        known = {obj["metadata"]["uid"] for obj in self.objects.values()}
        orphans = [p for p, o in self.objects.items() if _owners(o) and not known.intersection(_owners(o))]
        for place in orphans:
            self.remove(place)
        return bool(orphans)

    def of_kind(self, kind: Kind) -> list[Object]:
        """All stored objects of a kind."""
        return [obj for (k, _, _), obj in self.objects.items() if k == kind.kind]

    def _write(self, what: str, kind: str) -> None:
        if self.die_at is not None and len(self.writes) >= self.die_at:
            raise Killed(what)
        if kind in self.refuse:
            raise self.refuse[kind]
        self.writes.append(what)

    def _replace(self, place: Place, stored: Object, wanted: Object) -> Object:
        if wanted == stored:
            return copied(stored)
        fresh = copied(wanted)
        if wanted.get("spec") != stored.get("spec"):
            fresh["metadata"]["generation"] = stored["metadata"]["generation"] + 1
        fresh["metadata"]["resourceVersion"] = str(next(self._numbers))
        self.objects[place] = fresh
        self.watcher("MODIFIED", fresh)
        return copied(fresh)


def copied(value: Any) -> Any:
    """JSON of one's own: what the other side does with its copy is not seen here."""
    return json.loads(json.dumps(value))


def _same_version(stored: Object, wanted: Object) -> None:
    # An apply that names a version is for that very state of the object, as the API server has it.
    version = wanted["metadata"].get("resourceVersion", stored["metadata"]["resourceVersion"])
    if stored["metadata"]["resourceVersion"] != version:
        raise ClusterConflict(wanted["metadata"]["name"], found="another version", expected=version)


def place_of(obj: Object) -> Place:
    kind = KINDS[obj["kind"]]
    return (
        obj["kind"],
        obj["metadata"].get("namespace", "") if kind.namespaced else "",
        obj["metadata"]["name"],
    )


def _owners(obj: Object) -> list[str]:
    return [owner["uid"] for owner in obj["metadata"].get("ownerReferences", [])]


def _merged(stored: Any, wanted: Any) -> Any:
    if not isinstance(stored, dict) or not isinstance(wanted, dict):
        return copied(wanted)
    return {**stored, **{key: _merged(stored.get(key), value) for key, value in wanted.items()}}


def _without(stored: Any, applied: Any, wanted: Any) -> Any:
    """`stored` less what we applied before and do not want any more: that is how ownership works."""
    if not isinstance(stored, dict) or not isinstance(applied, dict):
        return stored
    dropped = applied.keys() - (wanted.keys() if isinstance(wanted, dict) else set())
    kept = {key: value for key, value in stored.items() if key not in dropped}
    inner = wanted if isinstance(wanted, dict) else {}
    return {key: _without(value, applied.get(key), inner.get(key)) for key, value in kept.items()}
