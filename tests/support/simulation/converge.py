"""What must become of everything once faults stop, and within how many rounds."""

from collections.abc import Iterator

from burnish_operator import names
from burnish_operator.observe import JobState, job_of
from burnish_operator.ports import ACCELERATOR_CLASS, DEPLOYMENT, JOB, Object
from support.simulation.canaries import digest_of, out
from support.simulation.pools import is_canary, replicas_of
from support.simulation.workloads import Workload
from support.simulation.world import World

ROUNDS = 120


def unsettled(world: World) -> list[str]:
    """What is not yet as it must be."""
    found = [*_orphans(world), *_inventory(world)]
    for model in world.models():
        found += _of_model(world, model)
    return found


def _orphans(world: World) -> Iterator[str]:
    uids = {obj["metadata"]["uid"] for obj in world.cluster.objects.values()}
    for place, obj in world.cluster.objects.items():
        owners = [owner["uid"] for owner in obj["metadata"].get("ownerReferences", [])]
        if owners and not uids.intersection(owners):
            yield f"{place} has no owner any more"
        ours = obj["metadata"].get("labels", {}).get(names.MODEL)
        if ours and not owners:
            yield f"{place} is ours and has no owner"


def _inventory(world: World) -> Iterator[str]:
    for each in world.cluster.of_kind(ACCELERATOR_CLASS):
        counted = len(nodes_of(world, each))
        if each.get("status", {}).get("nodes") != counted:
            yield f"class {each['metadata']['name']} has {counted} node(s), its status says otherwise"


def nodes_of(world: World, accelerator: Object) -> list[str]:
    """Nodes of a class, by the labels that tell kinds of hardware apart here."""
    wanted = accelerator["spec"]["match"]["matchLabels"]
    return [
        name
        for name, labels in world.schedulable()
        if all(labels.get(key) == value for key, value in wanted.items())
        and _vendor(labels) == _vendor(wanted)
        and ("nvidia.com/gpu.product" in labels) == ("nvidia.com/gpu.product" in wanted)
    ]


def _vendor(labels: dict[str, str]) -> str | None:
    return next((value for key, value in labels.items() if key.endswith("vendor_id")), None)


def _of_model(world: World, model: Object) -> Iterator[str]:
    where, status = f"{model['metadata']['namespace']}/{model['metadata']['name']}", model.get("status", {})
    if status.get("observedGeneration") != model["metadata"]["generation"]:
        yield f"{where}: the latest spec was not looked at"
        return
    if model["spec"].get("suspend"):
        yield from _suspended(world, model)
        return
    if not world.store.digests_of(model["spec"]["source"]["uri"]):
        if _condition(status, "SourceResolved") != "False":
            yield f"{where}: the source is nowhere, and SourceResolved is not False"
        return
    excused = False
    for name in sorted(wanted_targets(world, model)):
        entry = next((t for t in status.get("targets", []) if t["name"] == name), None)
        if _excuse(world, model, entry, name):
            excused = True
        elif out(entry):
            excused = True
            yield from _of_rejected(world, model, name, entry or {})
        elif model["spec"].get("rollout", {}).get("paused") and (entry or {}).get("canary"):
            excused = True
        else:
            wrong = list(_of_target(world, model, name, entry))
            excused = excused or (bool(wrong) and _is_alone(world, model, name, entry))
            yield from () if wrong and _is_alone(world, model, name, entry) else wrong
    others = {t["name"] for t in status.get("targets", [])} - wanted_targets(world, model)
    excused = excused or bool(others) or not wanted_targets(world, model)
    if not excused and _condition(status, "Ready") != "True":
        yield f"{where}: not Ready: {next(c for c in status['conditions'] if c['type'] == 'Ready')}"


def _condition(status: Object, kind: str) -> str:
    return next((c["status"] for c in status.get("conditions", []) if c["type"] == kind), "")


def _suspended(world: World, model: Object) -> Iterator[str]:
    for raw in world.cluster.of_kind(JOB):
        job = job_of(raw)
        if job.owner == model["metadata"]["uid"] and job.state is JobState.ACTIVE:
            yield f"Job {job.name} runs for a suspended model"


def wanted_targets(world: World, model: Object) -> set[str]:
    """Names of the targets that a spec asks for."""
    targets = model["spec"].get("targets") or []
    if targets:
        return {t.get("name") or t["acceleratorClass"] for t in targets}
    return {c["metadata"]["name"] for c in world.cluster.of_kind(ACCELERATOR_CLASS) if nodes_of(world, c)}


def _excuse(world: World, model: Object, entry: Object | None, name: str) -> bool:
    """Why this target need not serve what is asked for now."""
    if entry is None:
        return False
    accelerator = world.cluster.objects.get(("AcceleratorClass", "", entry.get("acceleratorClass") or name))
    if accelerator is None or not nodes_of(world, accelerator):
        return True
    key = (entry.get("lastFailure") or {}).get("key")
    if entry["state"] == "Failed" and any(place.endswith(f":{key}") for place in world.stalled):
        return True
    engine = world.store.pushed.get((entry.get("engine") or {}).get("digest", ""))
    return engine is not None and not engine.loads and engine.place in world.store.engines


def _is_alone(world: World, model: Object, name: str, entry: Object | None) -> bool:
    """One pod with no room for another cannot be replaced without a gap, and that is told."""
    group = (model["metadata"]["namespace"], model["metadata"]["name"], names.label_value(name))
    alone = world.rooms.get(group) == replicas_of(model["spec"], name) == 1
    return alone and str((entry or {}).get("progress")).startswith("There is no room for pod")


def _of_target(world: World, model: Object, name: str, entry: Object | None) -> Iterator[str]:
    where = f"{model['metadata']['namespace']}/{model['metadata']['name']} on {name}"
    if entry is None or not entry.get("engine"):
        yield f"{where}: no engine: {(entry or {}).get('progress')}"
        return
    if not model["spec"].get("serving", {}).get("enabled", True):
        if _workload(world, model, name) is not None:
            yield f"{where}: serving is disabled, and a Deployment is there"
        return
    if _workload(world, model, name, canary=True) is not None:
        yield f"{where}: a canary is left"
    workload = _workload(world, model, name)
    engines = {each.engine.rpartition("@")[2] for each in workload.sets if each.pods} if workload else set()
    if engines != {entry["engine"]["digest"]}:
        yield f"{where}: pods have {sorted(engines)}, the engine is {entry['engine']['digest']}"
    elif workload and workload.ready != workload.total:
        yield f"{where}: {workload.ready} of {workload.total} pods answer"
    if entry["state"] != "Serving":
        yield f"{where}: {entry['state']}: {entry.get('progress')}"


def _of_rejected(world: World, model: Object, name: str, entry: Object) -> Iterator[str]:
    """What was rejected serves nobody, and what served before does."""
    where = f"{model['metadata']['namespace']}/{model['metadata']['name']} on {name}"
    if not model["spec"].get("serving", {}).get("enabled", True):
        return
    rejected = {each["digest"] for each in entry["rejected"]}
    stable = _workload(world, model, name)
    back = world.store.pulls(stable.sets[-1].engine) if stable and stable.sets else None
    if back is None or not back.loads:
        return  # what served before was lost: there is nothing to go back to
    for workload in (stable, _workload(world, model, name, canary=True)):
        serving = {digest_of(each.engine) for each in workload.sets if each.pods} if workload else set()
        if serving & rejected:
            yield f"{where}: {sorted(serving & rejected)} were rejected, and pods have them"
    if entry["state"] != "Failed":
        yield f"{where}: the engine was rejected, and the state is {entry['state']}"


def _workload(world: World, model: Object, name: str, *, canary: bool = False) -> Workload | None:
    for raw in world.cluster.of_kind(DEPLOYMENT):
        metadata = raw["metadata"]
        owned = any(o["uid"] == model["metadata"]["uid"] for o in metadata["ownerReferences"])
        ours = owned and metadata["labels"][names.TARGET] == names.label_value(name)
        if ours and is_canary(raw) == canary:
            return world.workload(raw)
    return None
