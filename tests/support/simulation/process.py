"""The operator's process: its own queue, waker and reconcilers, run turn by turn in virtual time."""

from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from burnish_engine.errors import BurnishError
from burnish_engine.oci.client import RegistryClient
from burnish_operator import names
from burnish_operator.adapters.registry import OciRegistry
from burnish_operator.follow import Follower
from burnish_operator.handlers import INVENTORY, Comparer, Key, Waker, listeners
from burnish_operator.inventory import InventoryReconciler
from burnish_operator.metrics import Metrics
from burnish_operator.mirror import Mirror
from burnish_operator.mirrored import MirroredCluster
from burnish_operator.ports import KINDS, OPTIMIZED_MODEL, Object
from burnish_operator.queue import Schedule
from burnish_operator.reconcile import ModelReconciler
from burnish_operator.reconcile import World as Ports
from fakes.cluster import Killed
from fakes.events import FakeEvents
from support.simulation.calls import Calls, Fault, FaultyCluster, FaultyPrometheus, FaultyRegistry
from support.simulation.world import LIMITED, World

OWNED = ("Job", "Deployment", "Service", "Pod")
WATCHED = (*OWNED, "OptimizedModel", "AcceleratorClass", "Node")
Moves = Mapping[int, Callable[[], None]]


class Process:
    """One life of the operator; `streams` are the watch events on their way to it, by kind."""

    def __init__(self, world: World, wrote: Callable[[Key, str, Object], None]) -> None:
        self.world = world
        self.working: list[Key] = []
        self.calls = Calls(world.trace)
        self.cluster = FaultyCluster(
            world.cluster, self.calls, lambda verb, obj: wrote(self.working[-1], verb, obj)
        )
        self.mirror = Mirror()
        mirrored = MirroredCluster(self.cluster, self.mirror)
        # The store answers where the adapter would send requests: see `simulate.in_memory`.
        adapter = OciRegistry(cast(RegistryClient, world.store), lambda: world.seconds)
        registry = FaultyRegistry(adapter, self.calls)
        prometheus = FaultyPrometheus(world.metrics, self.calls)
        self.ports = Ports(mirrored, registry, FakeEvents(), world.clock, prometheus)
        self.models = ModelReconciler(self.ports, LIMITED, Metrics())
        self.inventory = InventoryReconciler(mirrored, world.clock)
        self.queue: Schedule[Key] = Schedule()
        self.told = listeners(Waker(self._wake), cluster_scoped=True)
        self.follower = Follower(self.mirror, self.told)
        self.streams: dict[str, list[tuple[str | None, Object]]] = {kind: [] for kind in WATCHED}
        self.broken: set[str] = set()
        self.woken: set[Key] = set()
        for kind in WATCHED:
            self.streams[kind] = self._listed(kind)
            # No turn begins before everything was listed once.
            for _, obj in self.streams[kind]:
                self._reflect(obj)

    async def _wake(self, key: Key) -> None:
        self.woken.add(key)
        self.queue.wake(key, self.world.seconds)

    def observe(self, event: str, obj: Object) -> None:
        """The API server tells of a change."""
        kind = obj["kind"]
        if kind in WATCHED and kind not in self.broken:
            self.streams[kind].append((event, obj))

    def list_again(self, kind: str) -> None:
        """A watch starts over: all objects as they are now, and no word of those that are gone."""
        self.broken.discard(kind)
        self.streams[kind] = self._listed(kind)
        comparer = Comparer(self.mirror, self.world.cluster, self.told)
        _drive(comparer.tell(comparer.compare(kind)))

    def _listed(self, kind: str) -> list[tuple[str | None, Object]]:
        return [(None, self.world.cluster.objects[place]) for place in self.world.places(kind)]

    def deliver(self, kind: str, how: str) -> None:
        """One event reaches the operator: once, twice, after the next one; or the stream breaks."""
        stream = self.streams[kind]
        if how == "lost":
            self.broken.add(kind)
            stream.clear()
        elif stream:
            position = 1 if how == "reordered" and len(stream) > 1 else 0
            event, obj = stream.pop(position)
            for _ in range(2 if how == "repeated" else 1):
                _drive(self._tell(kind, event, obj))

    async def _tell(self, kind: str, event: str | None, obj: Object) -> None:
        if self._is_watched(obj):
            await self.follower.changed(KINDS[kind], event, obj)

    def _reflect(self, obj: Object) -> None:
        if self._is_watched(obj):
            self.mirror.put(obj)

    def _is_watched(self, obj: Object) -> bool:
        labels = obj["metadata"].get("labels", {})
        return obj["kind"] not in OWNED or labels.get(names.MANAGED_BY) == names.MANAGER

    def is_current(self) -> bool:
        """Whether the mirror is as the cluster is."""
        return all(
            {_state(obj) for obj in self.mirror.all(KINDS[kind])}
            == {_state(self.world.cluster.objects[place]) for place in self.world.places(kind)}
            for kind in WATCHED
        )

    def read(self, key: Key) -> Object | None:
        """The model as a turn reads it."""
        return self.mirror.get(OPTIMIZED_MODEL, key.namespace, key.name)

    def is_due(self, key: Key) -> bool:
        """Whether a worker would take it: now, or after the back-off of a failure."""
        return self.queue._due.get(key, float("inf")) <= self.world.seconds

    def take(self) -> Key | None:
        """The next key that is due, if a worker is free for it."""
        return self.queue.take(self.world.seconds)

    def turn(self, key: Key, faults: tuple[Fault, ...] = (), meanwhile: Moves | None = None) -> bool:
        """Work on a key, as `__main__` and `WorkQueue` do. Told: it went well.

        Raises: Killed: the process is at its end.
        """
        try:
            with self.turn_of(key, faults, meanwhile or {}):
                again = self._reconcile(key)
        except BurnishError as error:
            self.world.trace.append(f"    failed: {error.reason}: {error.found}")
            self.queue.failed(key, self.world.seconds)
            return False
        except Killed:
            self.world.trace.append("    the operator dies")
            raise
        self.queue.done(key)
        if again is not None:
            self.queue.wake(key, self.world.seconds + again)
        return True

    @contextmanager
    def turn_of(
        self, key: Key, faults: tuple[Fault, ...] = (), meanwhile: Moves | None = None
    ) -> Iterator[None]:
        """Calls from here on are of a turn for this key."""
        self.calls.begin(faults, meanwhile or {})
        self.working.append(key)
        self.woken.discard(key)
        try:
            yield
        finally:
            self.working.pop()

    def nested(self, key: Key) -> None:
        """Another worker's whole turn in the midst of this one's; it waits where a lock is held."""
        if self.models._applier._creating.locked():
            self.queue.failed(key, self.world.seconds)
            return
        saved = (self.calls.number, self.calls.faults, self.calls.meanwhile, self.calls.hit)
        self.turn(key)
        self.calls.number, self.calls.faults, self.calls.meanwhile, self.calls.hit = saved

    def _reconcile(self, key: Key) -> float | None:
        if key == INVENTORY:
            return self.inventory.reconcile()
        return self.models.reconcile(key.namespace, key.name)


def _state(obj: Object) -> tuple[str, str]:
    return obj["metadata"]["uid"], obj["metadata"]["resourceVersion"]


def _drive(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run what waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("a waker waited")
