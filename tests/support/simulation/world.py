"""Everything that is not the operator: API server, nodes, Jobs, Deployments, registries, one virtual time."""

from dataclasses import dataclass, field
from datetime import timedelta

from burnish_operator import names
from burnish_operator.ports import DEPLOYMENT, NODE, OPTIMIZED_MODEL, Object
from fakes.cluster import FakeClock, Place, place_of
from fakes.fleet import H100, LARGE, SETTINGS, SMALL, SOURCE, node
from support.simulation.pools import Group, PoolCluster, group_of, is_canary
from support.simulation.prometheus import Metrics
from support.simulation.store import Pushed, Store
from support.simulation.workloads import Pod, Workload, admits

# Few enough to be reached, and enough for two who want the same engine at one moment.
LIMITED = SETTINGS.model_copy(update={"max_jobs": 7})
HARDWARE = {"a": SMALL, "b": SMALL, "c": LARGE, "d": H100}
SOURCES = (SOURCE, "oci://r.example/models/pages:2", "oci://r.example/models/pages:none")


@dataclass
class World:
    """The state. `seconds` is the monotonic clock; the wall clock may jump.

    history: by namespace and name, all that a model ever was, as it was stored; None: it was not there.
    stalled: places whose last build only a person can bring on.   told: by key, why builds ended.
    rooms: how many pods fit, where not any number does.   crowded: Deployments (uid) whose present rollout
    had a pod that did not fit.   cramped: pools in which a canary's pod once did not fit.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    store: Store = field(default_factory=Store)
    metrics: Metrics = field(default_factory=Metrics)
    seconds: float = 0.0
    trace: list[str] = field(default_factory=list)
    workloads: dict[str, Workload] = field(default_factory=dict)
    stalled: set[str] = field(default_factory=set)
    told: dict[str, set[str]] = field(default_factory=dict)
    history: dict[tuple[str, str], list[Object | None]] = field(default_factory=dict)
    rooms: dict[Group, int] = field(default_factory=dict)
    crowded: set[str] = field(default_factory=set)
    cramped: set[Group] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.cluster = PoolCluster(self.clock, collects=False)
        self.cluster.world = self
        for number, source in enumerate(SOURCES[:2], 1):
            self.store.tag(source.removeprefix("oci://"), "sha256:" + str(number) * 64)
        for name, labels in HARDWARE.items():
            self.cluster.put(node(name, labels))

    def note(self, event: str, obj: Object) -> None:
        """Something changed."""
        if obj["kind"] == OPTIMIZED_MODEL.kind:
            metadata = obj["metadata"]
            states = self.history.setdefault((metadata["namespace"], metadata["name"]), [None])
            states.append(None if event == "DELETED" else obj)

    def since(self, read: Object | None, name: tuple[str, str]) -> list[Object | None]:
        """All that a model was, from what was read of it until now."""
        states = self.history.get(name, [None])
        first = max(number for number, state in enumerate(states) if _same_state(state, read))
        return states[first:]

    def pass_time(self, seconds: float) -> None:
        """Both clocks."""
        self.seconds += seconds
        self.clock.time += timedelta(seconds=seconds)

    def workload(self, deployment: Object) -> Workload:
        """The pods of a Deployment."""
        return self.workloads.setdefault(deployment["metadata"]["uid"], Workload(progressed=self.seconds))

    # Controllers. Each returns whether it changed anything.

    def control(self, place: Place) -> bool:
        """One move of the Deployment controller, and the status after it."""
        deployment = self.cluster.objects[place]
        workload = self.workload(deployment)
        moved = workload.reconcile(deployment, self.seconds, self._wall())
        self.schedule(deployment)
        status = workload.status(deployment, self.seconds, self._wall())
        if status == deployment.get("status"):
            return moved
        self.cluster.update(DEPLOYMENT, place[1], place[2], status=status)
        return True

    def start_pod(self, place: Place) -> bool:
        """A kubelet gets one placed pod of a Deployment ready, if its engine loads."""
        deployment = self.cluster.objects[place]
        self.schedule(deployment)
        for each in self.workload(deployment).sets:
            pulled = self.store.pulls(each.engine)
            waiting = next((pod for pod in each.pods if pod.node and not pod.ready), None)
            if waiting and pulled is not None and pulled.loads:
                waiting.ready = True
                self.workload(deployment).progress(self.seconds, self._wall())
                return True
        return False

    def schedule(self, deployment: Object) -> None:
        """The scheduler places pods where there is room, and tells where there is none."""
        workload = self.workload(deployment)
        for each in workload.sets:
            for pod in each.pods:
                if not pod.node:
                    pod.node = self._place(each.affinity) if self._fits(deployment) else ""
                    since = pod.unschedulable_since or self._wall()
                    pod.unschedulable_since = "" if pod.node else since
        if not all(pod.node for pod in workload.current(deployment["spec"]).pods):
            self.crowded.add(deployment["metadata"]["uid"])
            if is_canary(deployment):
                self.cramped.add(group_of(deployment))

    def _fits(self, deployment: Object) -> bool:
        group = group_of(deployment)
        if group not in self.rooms:
            return True
        sharing = [self.workload(d) for d in self.cluster.of_kind(DEPLOYMENT) if group_of(d) == group]
        placed = sum(bool(pod.node) for each in sharing for one in each.sets for pod in one.pods)
        return placed < self.rooms[group]

    def _wall(self) -> str:
        return self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def _place(self, affinity: list[Object]) -> str:
        return next((name for name, labels in self.schedulable() if admits(affinity, labels)), "")

    def schedulable(self) -> list[tuple[str, dict[str, str]]]:
        """Names and labels of nodes that take pods."""
        found = []
        for raw in self.cluster.of_kind(NODE):
            ready = raw["status"]["conditions"][0]["status"] == "True"
            if ready and not raw["spec"].get("unschedulable"):
                found.append((raw["metadata"]["name"], raw["metadata"]["labels"]))
        return found

    def collect(self) -> bool:
        """A turn of the garbage collector; pods of Deployments that are gone go too."""
        found = self.cluster.collect()
        uids = {obj["metadata"]["uid"] for obj in self.cluster.of_kind(DEPLOYMENT)}
        self.workloads = {uid: each for uid, each in self.workloads.items() if uid in uids}
        return found

    def lose_node(self, name: str) -> None:
        """Pods of a node that is gone are gone, and their replica sets make new ones."""
        for workload in self.workloads.values():
            for each in workload.sets:
                lost = [pod for pod in each.pods if pod.node == name]
                each.pods = [pod for pod in each.pods if pod.node != name] + [Pod() for _ in lost]

    def places(self, kind: str) -> list[Place]:
        """Where objects of a kind are stored."""
        return [place for place in self.cluster.objects if place[0] == kind]

    def models(self) -> list[Object]:
        """All OptimizedModels."""
        return self.cluster.of_kind(OPTIMIZED_MODEL)

    def put(self, obj: Object) -> None:
        """A user creates an object, unless one is there."""
        if place_of(obj) not in self.cluster.objects:
            self.cluster.put(obj)


def _same_state(one: Object | None, other: Object | None) -> bool:
    if one is None or other is None:
        return one is other
    return all(one["metadata"][part] == other["metadata"][part] for part in ("uid", "resourceVersion"))


def pushed_by(job: Object, world: World, labels: dict[str, str], *, loads: bool = True) -> Pushed:
    """The engine that this Job builds on a node with these labels."""
    annotations = job["metadata"]["annotations"]
    place = annotations[names.ENGINE]
    arguments: list[str] = job["spec"]["template"]["spec"]["containers"][0]["args"]
    return Pushed(
        place=place,
        key=annotations[names.ENGINE_KEY],
        digest=world.store.next_digest(place),
        source=arguments[arguments.index("--source-digest") + 1],
        precisions=arguments[arguments.index("--precisions") + 1],
        hardware=labels,
        loads=loads,
    )
