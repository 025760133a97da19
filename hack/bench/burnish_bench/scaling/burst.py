"""A burst of objects, and when each of them was Ready."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from burnish_bench.scaling.api import Api, Object

PATIENCE_SECONDS = 1800.0
QUIET_POLL_SECONDS = 0.2


@dataclass
class Curve:
    """Seconds of the epoch: when the burst began, when its last object was made, when each was Ready."""

    began: float = 0.0
    created: float = 0.0
    ready: dict[str, float] = field(default_factory=dict)

    def seconds(self, share: float) -> float:
        """From the first POST until this share of all was Ready."""
        times = sorted(self.ready.values())
        return times[max(0, round(share * len(times)) - 1)] - self.began

    @property
    def first(self) -> float:
        """From the first POST until anything was Ready."""
        return min(self.ready.values()) - self.began

    @property
    def ended(self) -> float:
        """When the last one was Ready."""
        return max(self.ready.values())


def run(api: Api, path: str, objects: Sequence[Object], is_ready: Callable[[Object], bool]) -> Curve:
    """Create them all, and wait until all are Ready.

    Raises: TimeoutError: some never were.
    """
    curve = Curve()
    wanted = {obj["metadata"]["name"] for obj in objects}
    version = api.get(path)["metadata"]["resourceVersion"]
    watcher = threading.Thread(target=_note, args=(api.watch(path, version), is_ready, curve), daemon=True)
    watcher.start()
    curve.began = time.time()
    api.create(path, objects)
    curve.created = time.time()
    while wanted - curve.ready.keys():
        if time.time() - curve.began > PATIENCE_SECONDS:
            missing = sorted(wanted - curve.ready.keys())
            raise TimeoutError(f"{len(missing)} of {len(wanted)} were never Ready, such as {missing[0]}")
        time.sleep(QUIET_POLL_SECONDS)
    return curve


def _note(changes: Iterable[Object], is_ready: Callable[[Object], bool], curve: Curve) -> None:
    for obj in changes:
        if obj.get("kind") != "Status" and is_ready(obj):
            curve.ready.setdefault(obj["metadata"]["name"], time.time())


def model_is_ready(obj: Object) -> bool:
    """An OptimizedModel whose condition Ready holds."""
    conditions = obj.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def deployment_is_ready(obj: Object) -> bool:
    """A Deployment of which every pod answers, as the operator judges it."""
    status, wanted = obj.get("status", {}), obj["spec"]["replicas"]
    return bool(status.get("readyReplicas", 0) == wanted == status.get("updatedReplicas", 0))
