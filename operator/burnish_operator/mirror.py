"""What the API server told last, kept in memory, so that a turn reads without asking.

The watches fill it (`follow`). It may be late, as every watch is: a status is written for the version that
was read, a Deployment is looked at again when word of it comes, and before a Job is made the API is asked.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from burnish_operator import names
from burnish_operator.ports import (
    ACCELERATOR_CLASS,
    DEPLOYMENT,
    JOB,
    NODE,
    OPTIMIZED_MODEL,
    POD,
    SERVICE,
    Cluster,
    Kind,
    Object,
)

# Watched in full; of all others only what carries our labels is.
WHOLE_KINDS = (OPTIMIZED_MODEL, ACCELERATOR_CLASS, NODE)
CLUSTER_KINDS = frozenset({ACCELERATOR_CLASS, NODE})
MIRRORED_KINDS = frozenset({OPTIMIZED_MODEL, JOB, DEPLOYMENT, SERVICE, POD}) | CLUSTER_KINDS
# What is asked for by label is found by one of these.
INDEXED = (names.ENGINE_KEY, names.MODEL)
# Word of a deleted object may still be on its way; more than these are hardly so at one time.
_REMEMBERED_GONE = 20_000

Name = tuple[str, str]


@dataclass
class Mirror:
    """Objects by kind and name; safe between threads. What it gives away must not be changed."""

    _objects: dict[str, dict[Name, Object]] = field(default_factory=dict)
    _labelled: dict[tuple[str, str, str], dict[Name, None]] = field(default_factory=dict)
    _gone: dict[str, int] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def put(self, obj: Object) -> bool:
        """Take over an object as it is in the cluster; False: this or a later state of it was known."""
        with self._lock:
            known = self._objects.get(obj["kind"], {}).get(_name(obj))
            gone = self._gone.get(obj["metadata"]["uid"], 0)
            if _version(obj) <= max(gone, _version(known) if known else 0):
                return False
            self._set(obj, known)
            return True

    def drop(self, obj: Object) -> None:
        """This very object is gone; one that was made anew under its name stays.

        Or it lost the label that it is watched by: a later state of it may come again.
        """
        uid = obj["metadata"]["uid"]
        with self._lock:
            self._gone[uid] = max(_version(obj), self._gone.get(uid, 0))
            while len(self._gone) > _REMEMBERED_GONE:
                del self._gone[next(iter(self._gone))]
            known = self._objects.get(obj["kind"], {}).get(_name(obj))
            if known and known["metadata"]["uid"] == uid:
                self._unset(known)

    def leave(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """The API server was told to delete this object: it is on its way out until word of its end comes."""
        with self._lock:
            known = self._objects.get(kind.kind, {}).get((namespace, name))
            if known and known["metadata"]["uid"] == uid:
                metadata = {"deletionTimestamp": "", **known["metadata"]}
                self._set({**known, "metadata": metadata}, known)

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One object, or None."""
        with self._lock:
            return self._objects.get(kind.kind, {}).get((namespace, name))

    def find(self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None) -> list[Object]:
        """Objects with all these labels; namespace "" means every one."""
        wanted = (labels or {}).items()
        with self._lock:
            return [
                obj
                for obj in self._candidates(kind, labels or {})
                if namespace in ("", obj["metadata"].get("namespace", ""))
                and wanted <= obj["metadata"].get("labels", {}).items()
            ]

    def all(self, kind: Kind) -> list[Object]:
        """Everything of a kind."""
        with self._lock:
            return list(self._objects.get(kind.kind, {}).values())

    def _candidates(self, kind: Kind, labels: Mapping[str, str]) -> list[Object]:
        objects = self._objects.get(kind.kind, {})
        index = next((label for label in INDEXED if label in labels), None)
        if index is None:
            return list(objects.values())
        return [objects[name] for name in self._labelled.get((kind.kind, index, labels[index]), ())]

    def _set(self, obj: Object, known: Object | None) -> None:
        if known is not None:
            self._unset(known)
        # Who owns which field is the half of an object, and no one here asks for it.
        metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
        self._objects.setdefault(obj["kind"], {})[_name(obj)] = {**obj, "metadata": metadata}
        for place in _places(obj):
            self._labelled.setdefault(place, {})[_name(obj)] = None

    def _unset(self, known: Object) -> None:
        del self._objects[known["kind"]][_name(known)]
        for place in _places(known):
            names_there = self._labelled[place]
            del names_there[_name(known)]
            if not names_there:
                del self._labelled[place]


def _name(obj: Object) -> Name:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _version(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])


def _places(obj: Object) -> list[tuple[str, str, str]]:
    labels = obj["metadata"].get("labels", {})
    return [(obj["kind"], label, labels[label]) for label in INDEXED if label in labels]


class Missed(NamedTuple):
    """What a watch had not told: `ended` is gone, `news` is as it is now."""

    ended: list[Object]
    news: list[Object]


def compare(mirror: Mirror, cluster: Cluster, kind: Kind) -> Missed:
    """Bring the mirror to what is in the cluster; return what that changed.

    A watch that had to start over tells of all that is there, and nothing of what went meanwhile. What is
    newer here than in its list it will tell, and that will be no news.
    """
    # Known before the list is made: what comes later may be newer than the list.
    known = mirror.all(kind)
    labels = {} if kind in WHOLE_KINDS else {names.MANAGED_BY: names.MANAGER}
    listed = cluster.find(kind, labels=labels, fresh=True)
    there = {obj["metadata"]["uid"] for obj in listed}
    ended = [obj for obj in known if obj["metadata"]["uid"] not in there]
    news = [obj for obj in listed if mirror.put(obj)]
    for obj in ended:
        mirror.drop(obj)
    return Missed(ended, news)
