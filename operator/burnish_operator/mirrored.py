"""A cluster that is read from memory and written through."""

import time
from collections.abc import Callable, Mapping

from burnish_operator import names
from burnish_operator.errors import ClusterConflict, Forbidden, Rejected
from burnish_operator.mirror import CLUSTER_KINDS, INDEXED, MIRRORED_KINDS, WHOLE_KINDS, Mirror
from burnish_operator.ports import KINDS, POD, Cluster, Kind, Object

# Rights are seldom given to a process that runs; whoever gives them waits as long, or restarts it.
REFUSED_SECONDS = 60.0


class MirroredCluster:
    """Implements `ports.Cluster`: reads what is mirrored from memory, and asks `inner` for all else.

    kinds: what is watched; without rights in the whole cluster, nodes and classes are not.

    Deployments and Services without our labels are not watched, and one may have a name that we want. So what
    was never seen is applied without force: the API server refuses where someone else made it.
    """

    def __init__(
        self,
        inner: Cluster,
        mirror: Mirror,
        kinds: frozenset[Kind] = MIRRORED_KINDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner, self._mirror, self._kinds, self._clock = inner, mirror, kinds, clock
        self._refused: dict[Kind, tuple[float, Forbidden]] = {}
        self._strangers: set[tuple[str, str, str]] = set()

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """From memory; what is known to be someone else's is asked for."""
        place = (kind.kind, namespace, name)
        if kind in self._kinds and place not in self._strangers:
            return self._mirror.get(kind, namespace, name)
        found = self._inner.get(kind, namespace, name)
        if found is None:
            self._strangers.discard(place)
        return found

    def find(
        self,
        kind: Kind,
        namespace: str = "",
        labels: Mapping[str, str] | None = None,
        *,
        fresh: bool = False,
    ) -> list[Object]:
        """From memory, unless `fresh` is wanted or it is asked for more than is watched."""
        if kind in CLUSTER_KINDS - self._kinds:
            return self._unless_refused(kind, labels)
        if fresh or not self._watches(kind, labels or {}):
            return self._inner.find(kind, namespace, labels, fresh=fresh)
        return self._mirror.find(kind, namespace, labels)

    def create(self, obj: Object) -> Object:
        """Write, and remember the answer."""
        return self._remember(self._inner.create(obj))

    def apply(self, obj: Object, *, force: bool = True) -> Object:
        """Write, and remember the answer; without force where the object was never seen."""
        kind, metadata = KINDS[obj["kind"]], obj["metadata"]
        place = (kind.kind, metadata.get("namespace", ""), metadata["name"])
        seen = kind not in self._kinds or self._mirror.get(kind, place[1], place[2]) is not None
        try:
            return self._remember(self._inner.apply(obj, force=force and seen))
        except ClusterConflict:
            self._strangers.add(place)
            raise

    def apply_status(self, obj: Object) -> Object:
        """Write, and remember the answer; what was refused is read anew: the memory of it was too old."""
        try:
            return self._remember(self._inner.apply_status(obj))
        except (ClusterConflict, Rejected):
            self._read_anew(obj)
            raise

    def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Write, and remember that it goes."""
        self._inner.delete(kind, namespace, name, uid)
        self._mirror.leave(kind, namespace, name, uid)

    def _unless_refused(self, kind: Kind, labels: Mapping[str, str] | None) -> list[Object]:
        """Every model's turn would ask, and be refused, for what this process has no right to."""
        since, error = self._refused.get(kind, (0.0, None))
        if error is not None and self._clock() - since < REFUSED_SECONDS:
            raise error.with_traceback(None)
        try:
            return self._inner.find(kind, "", labels)
        except Forbidden as refusal:
            self._refused[kind] = (self._clock(), refusal)
            raise

    def _watches(self, kind: Kind, labels: Mapping[str, str]) -> bool:
        if kind is POD:
            # Of pods only those of Jobs are watched.
            return kind in self._kinds and names.ENGINE_KEY in labels
        ours = labels == names.OURS or any(label in labels for label in INDEXED)
        return kind in self._kinds and (kind in WHOLE_KINDS or ours)

    def _remember(self, stored: Object) -> Object:
        if KINDS[stored["kind"]] in self._kinds:
            self._mirror.put(stored)
        return stored

    def _read_anew(self, obj: Object) -> None:
        kind, metadata = KINDS[obj["kind"]], obj["metadata"]
        known = self._mirror.get(kind, metadata.get("namespace", ""), metadata["name"])
        found = self._inner.get(kind, metadata.get("namespace", ""), metadata["name"])
        if found is not None:
            self._mirror.put(found)
        elif known is not None:
            self._mirror.drop(known)
