"""Whether a status tells the truth, as the world stands when it is written."""

from collections.abc import Iterator

from burnish_operator import names
from burnish_operator.ports import JOB, Object
from support.simulation.world import World

TYPES = ("Ready", "SourceResolved", "TargetsResolved", "Optimized", "Published", "RolledOut", "Degraded")
ROAD = TYPES[1:6]


def check_status(world: World, states: list[Object | None], obj: Object, *, quiet: bool) -> str:
    """What is untrue; "" if nothing. quiet: the world stood still since the operator began to read."""
    return next(_untrue(world, states, obj, quiet=quiet), "")


def _untrue(world: World, states: list[Object | None], obj: Object, *, quiet: bool) -> Iterator[str]:
    status = obj["status"]
    read = states[0]
    if read is None or read["metadata"]["uid"] != obj["metadata"]["uid"]:
        yield "it was written onto another object than was read"
        return
    conditions = {each["type"]: each for each in status.get("conditions", [])}
    if _is_unjudged(read, conditions):
        return
    if status.get("observedGeneration") != read["metadata"]["generation"]:
        yield f"observedGeneration is {status.get('observedGeneration')}, read was {read['metadata']}"
    yield from _of_conditions(read, status, conditions)
    if quiet:
        yield from _of_targets(world, obj, status)
        yield from _of_index(world, status, conditions)


def _is_unjudged(read: Object, conditions: dict[str, Object]) -> bool:
    """Where nothing could be read, Ready alone says why, and all else stays as it was."""
    old = {each["type"]: each for each in read.get("status", {}).get("conditions", [])}
    changed = {kind for kind in {*old, *conditions} if old.get(kind) != conditions.get(kind)}
    return changed <= {"Ready"} and conditions["Ready"]["status"] != "True"


def _of_conditions(read: Object, status: Object, conditions: dict[str, Object]) -> Iterator[str]:
    if set(conditions) != set(TYPES):
        yield f"conditions {sorted(conditions)} alone"
        return
    holds = all(conditions[kind]["status"] == "True" for kind in ROAD)
    if holds != (conditions["Ready"]["status"] == "True"):
        yield "Ready is not what the conditions come to"
    old = {each["type"]: each for each in read.get("status", {}).get("conditions", [])}
    for kind, each in conditions.items():
        before = old.get(kind, {})
        same = before.get("status") == each["status"]
        if same and before["lastTransitionTime"] != each["lastTransitionTime"]:
            yield f"{kind} did not change, and its lastTransitionTime did"
    if conditions["Ready"]["status"] == "True" and read["spec"].get("serving", {}).get("enabled", True):
        wrong = [t["name"] for t in status["targets"] if t["state"] != "Serving"]
        if wrong:
            yield f"Ready, and {wrong} do not serve"


def _of_targets(world: World, obj: Object, status: Object) -> Iterator[str]:
    for target in status.get("targets", []):
        engine, rollout = target.get("engine"), target.get("rollout")
        if engine and engine["digest"] not in world.store.pushed:
            yield f"{target['name']} has an engine that no Job made: {engine['digest']}"
        if rollout:
            yield from _of_rollout(world, obj, target)
        if target.get("canary") and rollout:
            yield from _of_canary(world, obj, target)
        if target["state"] == "Building" and not _is_built(world, target):
            yield f"{target['name']} is Building, and Job {target.get('job')} is not there"
        if target["state"] == "Serving":
            yield from _of_serving(world, obj, target)
        yield from _of_failure(world, target)


def _of_rollout(world: World, obj: Object, target: Object) -> Iterator[str]:
    rollout, namespace = target["rollout"], obj["metadata"]["namespace"]
    found = world.cluster.objects.get(("Deployment", namespace, rollout["deployment"]))
    if found is None:
        if rollout["readyReplicas"] or target["state"] == "Serving":
            yield f"{target['name']} serves, and there is no Deployment"
        return
    counted = found.get("status", {}).get("readyReplicas", 0)
    # A Deployment that this very turn changed was read before.
    if rollout["readyReplicas"] != counted:
        yield f"{target['name']}: {rollout['readyReplicas']} pods answer, the Deployment says {counted}"


def _of_canary(world: World, obj: Object, target: Object) -> Iterator[str]:
    """Its share of the pods that answer, by what the Deployments' statuses say."""
    name, namespace = target["rollout"]["deployment"], obj["metadata"]["namespace"]
    places = [("Deployment", namespace, each) for each in (name, f"{name}-{names.CANARY}")]
    stable, canary = (
        world.cluster.objects.get(place, {}).get("status", {}).get("readyReplicas", 0) for place in places
    )
    share = round(100 * canary / (canary + stable)) if canary else 0
    if target["canary"]["weight"] != share:
        told = target["canary"]["weight"]
        yield f"{target['name']}: the canary has {share} % of the pods, told is {told} %"


def _of_serving(world: World, obj: Object, target: Object) -> Iterator[str]:
    rollout, engine = target["rollout"], target["engine"]
    if rollout["readyReplicas"] != rollout["replicas"] or rollout.get("digest") != engine["digest"]:
        yield f"Serving, and {target['name']} has {rollout} for engine {engine['digest']}"
    found = world.cluster.objects["Deployment", obj["metadata"]["namespace"], rollout["deployment"]]
    counts = {found["status"][count] for count in ("replicas", "updatedReplicas", "readyReplicas")}
    if counts != {rollout["replicas"]}:
        yield f"Serving, and the Deployment of {target['name']} says {found['status']}"


def _of_failure(world: World, target: Object) -> Iterator[str]:
    failure = target.get("lastFailure")
    told = world.told.get(failure["key"], set()) if failure else set()
    if failure and failure["reason"] not in told:
        yield f"{target['name']} failed for {failure['reason']}, its Jobs ended for {sorted(told)}"


def _is_built(world: World, target: Object) -> bool:
    return any(job["metadata"]["name"] == target.get("job") for job in world.cluster.of_kind(JOB))


def _of_index(world: World, status: Object, conditions: dict[str, Object]) -> Iterator[str]:
    if conditions.get("Published", {}).get("status") != "True":
        return
    listed = world.store.indexes.get(status["index"].partition("@")[0])
    digests = {t["name"]: t["engine"]["digest"] for t in status["targets"] if t.get("engine")}
    if listed is None or not listed.items() <= digests.items():
        yield f"Published says {status['index']}, and the index lists {listed}"
