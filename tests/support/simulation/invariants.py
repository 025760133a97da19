"""What must hold after every step, and at every write of the operator.

A turn reads what the watches told last, and writes later; the world may move between. So a write is judged by
all that the model was from what was read until now (`Window`): it must be right for one of those states.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from burnish_operator import names
from burnish_operator.handlers import Key
from burnish_operator.limits import running
from burnish_operator.observe import JobState, job_of
from burnish_operator.ports import DEPLOYMENT, JOB, OPTIMIZED_MODEL, Object
from fakes.cluster import copied
from fakes.fleet import NFD
from support.simulation.canaries import Trials, digest_of, is_in_place, sizes, sizes_in_place
from support.simulation.pools import group_of, is_canary, replicas_of, target_name
from support.simulation.truth import check_status
from support.simulation.workloads import ReplicaSet, admits, affinity_of
from support.simulation.world import LIMITED, World

_LABELS = {"vendor": f"{NFD}/cpu-model.vendor_id", "instance_type": "node.kubernetes.io/instance-type"}
PRECISIONS = ("FP32", "BF16", "INT8")


class Broken(Exception):
    """An invariant does not hold."""


@dataclass
class Window:
    """What a model was from what the turn reads until now; None: it was not there.

    quiet: all was read as it is, nothing else moved, and no call failed.
    held: engines that the registry had all the time.
    """

    states: list[Object | None]
    quiet: bool = True
    held: set[str] = field(default_factory=set)

    def specs(self) -> Iterator[Object]:
        """Every spec."""
        return (state["spec"] for state in self.states if state is not None)


class Judge:
    """Watches one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.windows: dict[Key, Window] = {}
        self.recreated: set[str] = set()
        self.serving: dict[str, str] = {}
        self.silent: set[str] = set()
        self.templates: dict[str, Object] = {}
        self.begun: dict[str, list[Object]] = {}
        self.trials = Trials(world)

    def begin(self, key: Key, states: list[Object | None], *, quiet: bool) -> None:
        """A turn begins."""
        self.windows[key] = Window(list(states), quiet, held=set(self.world.store.engines))

    def end(self, key: Key) -> None:
        """A turn is over."""
        self.windows.pop(key, None)

    def moved(self) -> None:
        """The world moved in the midst of turns."""
        for key, window in self.windows.items():
            window.states.append(self._model(key))
            window.quiet = False
            window.held &= set(self.world.store.engines)

    def _model(self, key: Key) -> Object | None:
        found = self.world.cluster.objects.get(("OptimizedModel", key.namespace, key.name))
        return copied(found) if found else None

    def wrote(self, key: Key, verb: str, obj: Object, *, disturbed: bool) -> None:
        """The operator wrote this; disturbed: a call of this turn had a fault."""
        window = self.windows[key]
        window.quiet = window.quiet and not disturbed
        kind = obj["kind"]
        if kind == JOB.kind and verb == "create":
            self._created(window, obj)
        elif kind == DEPLOYMENT.kind and verb == "apply":
            self._applied(window, obj)
        elif verb == "delete":
            self._deleted(window, obj)
        elif kind == OPTIMIZED_MODEL.kind:
            told = check_status(self.world, window.states, obj, quiet=window.quiet)
            if told:
                raise Broken(f"status: {told}")

    def _created(self, window: Window, job: Object) -> None:
        place = job["metadata"]["annotations"][names.ENGINE]
        if all(spec.get("suspend") for spec in window.specs()):
            raise Broken("a Job was started for a suspended model")
        if place in window.held and self.world.store.down is None:
            raise Broken(f"a Job was started for an engine that is there: {place}")
        active = running(self.world.cluster.of_kind(JOB)).total
        if active > LIMITED.max_jobs:
            raise Broken(f"{active} Jobs build at once, and {LIMITED.max_jobs} may")
        key = job["metadata"]["annotations"][names.ENGINE_KEY]
        if all(_gave_up(state, key) for state in window.states if state is not None):
            raise Broken(f"{place} is tried again, and no one asked for that")
        others = [labels for _, labels in self.world.schedulable() if not _is_asked_for(job, labels)]
        if any(admits(affinity_of(job["spec"]["template"]["spec"]), labels) for labels in others):
            raise Broken(f"the Job of {place} may run on hardware of another class")
        self.begun[job["metadata"]["uid"]] = [state for state in window.states if state is not None]

    def _applied(self, window: Window, deployment: Object) -> None:
        uid, spec = deployment["metadata"]["uid"], deployment["spec"]
        target = deployment["metadata"]["labels"][names.TARGET]
        engine = spec["template"]["metadata"]["annotations"][names.ENGINE]
        specs = list(window.specs())
        if spec["replicas"] not in self._sizes(window, deployment):
            raise Broken(f"{spec['replicas']} replicas of {target} were asked by no one")
        if all(each.get("suspend") for each in specs):
            raise Broken("a Deployment of a suspended model was changed")
        if self.templates.get(uid) != spec["template"]:
            # Another rollout: whether there is room is to be seen anew.
            self.world.crowded.discard(uid)
            self.silent.discard(uid)
        self.templates[uid] = spec["template"]
        self.recreated.discard(uid)
        if any(each.get("rollout", {}).get("strategy") == "Recreate" for each in specs):
            self.recreated.add(uid)
        if engine != self.serving.get(uid) and not self.trials.is_return(deployment, digest_of(engine)):
            self._changed(window, deployment, engine)
        self.serving[uid] = engine
        states = [state for state in window.states if state is not None]
        told = self.trials.wrong(states, deployment, quiet=window.quiet)
        if told:
            raise Broken(told)

    def _sizes(self, window: Window, deployment: Object) -> set[int]:
        """How many pods a Deployment may have. Fewer than all: while a canary has the places of some."""
        specs, target = list(window.specs()), deployment["metadata"]["labels"][names.TARGET]
        asked, canary = {replicas_of(each, target) for each in specs}, is_canary(deployment)
        alone = sizes(specs, asked) if canary else asked
        told = any(is_in_place(state, target) for state in window.states if state is not None)
        if not told or group_of(deployment) not in self.world.cramped:
            return alone
        return alone | {own if canary else others for own, others in sizes_in_place(specs, asked)}

    def _changed(self, window: Window, deployment: Object, engine: str) -> None:
        found = self.world.store.pushed.get(engine.rpartition("@")[2])
        if found is None:
            raise Broken(f"{engine} never passed its gates")
        # Where the registry does not answer, what was known of it before is all there is.
        there = self.world.store.engines.get(found.place)
        if window.quiet and self.world.store.down is None and (there is None or there.digest != found.digest):
            raise Broken(f"{engine} is not in the registry any more")
        sources = {d for spec in window.specs() for d in self.world.store.digests_of(spec["source"]["uri"])}
        if found.source not in sources:
            raise Broken(f"{engine} is of another source")
        wanted = {",".join(spec.get("precisions", PRECISIONS)) for spec in window.specs()}
        if found.precisions not in wanted:
            raise Broken(f"{engine} is of precisions {found.precisions}, asked was {wanted}")

    def _deleted(self, window: Window, obj: Object) -> None:
        if obj["kind"] == JOB.kind:
            self._stopped(window, obj)
            return
        target = obj["metadata"]["labels"][names.TARGET]
        if window.states[-1] is None or is_canary(obj):
            return
        if all(_wants(spec, target) for spec in window.specs()):
            serving = obj.get("status", {}).get("readyReplicas", 0)
            if obj["kind"] == DEPLOYMENT.kind and (serving or any(s.get("targets") for s in window.specs())):
                raise Broken(f"Deployment of {target} was deleted, which is asked for and serves")

    def _stopped(self, window: Window, raw: Object) -> None:
        """A Job that runs is only stopped where a user changed something since it began."""
        job = job_of(raw)
        begun = self.begun.get(job.uid, [])
        unchanged = len(begun) == 1 and all(_same(begun[0], now) for now in window.states)
        # Nodes that a selector chooses may turn out to be of another class: another engine is wanted then.
        unchanged = unchanged and not any(
            target.get("nodeSelector") for spec in window.specs() for target in spec.get("targets", [])
        )
        if job.state is JobState.ACTIVE and unchanged:
            raise Broken(f"Job {job.name} was stopped, and no one asked for that")

    # After every step.

    def check(self) -> None:
        """What must hold whenever one looks."""
        self._one_build_a_key()
        self.trials.look()
        self.silent |= {uid for uid, ready in self.ready().items() if ready == 0}
        for deployment in self.world.cluster.of_kind(DEPLOYMENT):
            for each in self.world.workload(deployment).sets:
                self._gated(each)

    def _one_build_a_key(self) -> None:
        jobs = [job_of(raw) for raw in self.world.cluster.of_kind(JOB)]
        places = [job.engine for job in jobs if job.state is JobState.ACTIVE]
        twice = {place for place in places if places.count(place) > 1}
        if twice:
            raise Broken(f"two Jobs build {sorted(twice)}")

    def _gated(self, each: ReplicaSet) -> None:
        if not each.ready:
            return
        engine = self.world.store.pushed.get(each.engine.rpartition("@")[2])
        if engine is None:
            raise Broken(f"pods serve {each.engine}, which never passed its gates")
        if not admits(each.affinity, engine.hardware):
            raise Broken(f"pods serve {each.engine} on other hardware than it was built for")

    def ready(self) -> dict[str, int]:
        """Ready pods by Deployment."""
        return {uid: workload.ready for uid, workload in self.world.workloads.items()}

    def check_floor(self, before: dict[str, int]) -> None:
        """The Deployment controller did what the operator told it: no pod too many may have gone."""
        for deployment in self.world.cluster.of_kind(DEPLOYMENT):
            uid, wanted = deployment["metadata"]["uid"], deployment["spec"]["replicas"]
            if is_canary(deployment) and group_of(deployment) in self.world.cramped:
                # Its pods are no part of the floor.
                continue
            if uid in self.world.crowded and (wanted > 1 or uid in self.silent):
                # No room for one more. An only pod that answered all the time stays even so.
                wanted -= 1
            floor = min(before.get(uid, 0), wanted)
            now = self.world.workload(deployment).ready
            if now < floor and uid not in self.recreated:
                raise Broken(f"{deployment['metadata']['name']}: {now} ready pods, the floor is {floor}")


def _gave_up(state: Object, key: str) -> bool:
    """Whether the status says that only a person brings another try, and no one has asked for one."""
    failures = [target.get("lastFailure", {}) for target in state.get("status", {}).get("targets", [])]
    final = any(failure.get("key") == key and "retryAt" not in failure for failure in failures)
    return final and names.RETRY not in state["metadata"].get("annotations", {})


def _same(one: Object, other: Object | None) -> bool:
    return other is not None and all(
        one["metadata"][part] == other["metadata"][part] for part in ("uid", "generation")
    )


def _is_asked_for(job: Object, labels: dict[str, str]) -> bool:
    """Whether the Job's arguments tell of a node with these labels."""
    arguments: list[str] = job["spec"]["template"]["spec"]["containers"][0]["args"]
    facts = json.loads(arguments[arguments.index("--target-facts") + 1])
    told = {fact: labels.get(label) for fact, label in _LABELS.items()}
    return all(value == facts.get(fact) for fact, value in told.items())


def _wants(spec: Object, target: str) -> bool:
    if not spec.get("serving", {}).get("enabled", True):
        return False
    named = [target_name(each) for each in spec.get("targets", [])]
    return not named or target in named
