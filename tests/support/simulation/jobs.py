"""What can come of an optimization Job, as the Job controller and the kubelet would write it."""

import itertools

from burnish_engine.errors import Action
from burnish_engine.outcome import Outcome
from burnish_operator import names
from burnish_operator.observe import JobState, job_of
from burnish_operator.ports import JOB, POD, Object
from support.simulation.workloads import admits, affinity_of
from support.simulation.world import World, pushed_by

# The right end is the most likely one; each of the others has a word of its own in a schedule.
ENDS = (
    "start", "succeed", "push", "gate", "defect", "transient", "oom", "evict", "evict after push", "deadline",
    "lost pod", "garbage", "liar", "unpushed", "bad engine",
)  # fmt: skip

# What a status may say of an end. An engine may be lost after it was pushed.
_MISSING, _LOST = "EngineMissing", "BackoffLimitExceeded"
_REASONS = {
    "succeed": {_MISSING, "RegistryUnavailable"},
    "bad engine": {_MISSING, "RegistryUnavailable"},
    "unpushed": {_MISSING},
    "push": {"RegistryUnavailable"},
    "gate": {"AccuracyGate"},
    "defect": {"Failed"},
    "transient": {"RegistryUnavailable"},
    "oom": {"OOMKilled", "OutOfMemory"},
    "evict": {"Evicted"},
    "evict after push": {_LOST, "RegistryUnavailable"},
    "deadline": {"DeadlineExceeded"},
    "lost pod": {_LOST},
    "garbage": {"Interrupted"},
    "liar": {"Optimized"},
}


def active(world: World) -> list[Object]:
    """Jobs that have not ended."""
    return [raw for raw in world.cluster.of_kind(JOB) if job_of(raw).state is JobState.ACTIVE]


def end(world: World, job: Object, how: str) -> None:
    """Let a Job take this course; without a node for its pod nothing happens but a deadline."""
    labels = _node_labels(world, job)
    grown = job["metadata"]["annotations"][names.MEMORY_FACTOR] != "1"
    if how in ("gate", "defect", "deadline", "liar") or (how == "oom" and grown):
        world.stalled.add(job["metadata"]["annotations"][names.ENGINE])
    told = world.told.setdefault(job["metadata"]["annotations"][names.ENGINE_KEY], set())
    told.update(_REASONS.get(how, ()))
    if how == "deadline":
        _finish(world, job, "Failed", "DeadlineExceeded")
    elif labels is not None:
        _run(world, job, how, labels)


def _node_labels(world: World, job: Object) -> dict[str, str] | None:
    affinity = affinity_of(job["spec"]["template"]["spec"])
    return next((labels for _, labels in world.schedulable() if admits(affinity, labels)), None)


def _run(world: World, job: Object, how: str, labels: dict[str, str]) -> None:
    if how == "start":
        _pod(world, job, {"phase": "Running"})
    elif how == "evict":
        # A disruption does not count: the Job goes on with another pod.
        _pod(world, job, {"phase": "Failed", "reason": "Evicted", "message": "low on memory"})
    elif how == "lost pod":
        _finish(world, job, "Failed", "BackoffLimitExceeded")
    elif how in ("succeed", "push", "evict after push", "bad engine", "unpushed", "liar"):
        _succeed(world, job, how, labels)
    else:
        _fail(world, job, how)


def _succeed(world: World, job: Object, how: str, labels: dict[str, str]) -> None:
    engine = pushed_by(job, world, labels, loads=how != "bad engine")
    if how in ("unpushed", "liar"):
        # It passed and was pushed, and the registry was rolled back; or its gates failed, and it tells
        # of a digest all the same.
        world.store.lose(engine, passed=how == "unpushed")
        said = engine.outcome.model_copy(update={"succeeded": how == "unpushed"})
        _ended_pod(world, job, 0 if how == "unpushed" else 3, said)
        _finish(world, job, "Complete" if how == "unpushed" else "Failed", "")
        return
    if world.store.down is not None:
        _fail(world, job, "transient")
        return
    world.store.push(engine)
    if how == "evict after push":
        _finish(world, job, "Failed", "BackoffLimitExceeded")
    elif how != "push":
        _ended_pod(world, job, 0, engine.outcome)
        _finish(world, job, "Complete", "")


def _fail(world: World, job: Object, how: str) -> None:
    key = job["metadata"]["annotations"][names.ENGINE_KEY]
    told = {
        "gate": (3, "AccuracyGate", Action.STALLED),
        "defect": (1, "Failed", None),
        "transient": (4, "RegistryUnavailable", Action.TRANSIENT),
    }
    if how == "oom":
        _pod(world, job, _terminated({"exitCode": 137, "reason": "OOMKilled"}))
    elif how == "garbage":
        _pod(world, job, _terminated({"exitCode": 4, "reason": "Error", "message": '{"succeeded": tru'}))
    else:
        code, reason, action = told[how]
        outcome = Outcome(succeeded=False, key=key, reason=reason, message=f"{reason} told.", action=action)
        _ended_pod(world, job, code, outcome)
    _finish(world, job, "Failed", "BackoffLimitExceeded" if how == "transient" else "PodFailurePolicy")


def _ended_pod(world: World, job: Object, code: int, outcome: Outcome) -> None:
    message = outcome.to_termination_message().decode()
    _pod(world, job, _terminated({"exitCode": code, "reason": "Error", "message": message}))


def _terminated(terminated: Object) -> Object:
    phase = "Failed" if terminated["exitCode"] else "Succeeded"
    return {
        "phase": phase,
        "containerStatuses": [{"name": "optimizer", "state": {"terminated": terminated}}],
    }


def _pod(world: World, job: Object, status: Object) -> None:
    metadata = job["metadata"]
    owner = {"uid": metadata["uid"], "kind": "Job", "name": metadata["name"], "controller": True}
    taken = {pod["metadata"]["name"] for pod in world.cluster.find(POD, metadata["namespace"])}
    labels = {
        **job["spec"]["template"]["metadata"]["labels"],
        "batch.kubernetes.io/job-name": metadata["name"],
    }
    names_there_may_be = (f"{metadata['name']}-{metadata['uid']}-{number}" for number in itertools.count())
    name = next(name for name in names_there_may_be if name not in taken)
    world.put(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": metadata["namespace"],
                "labels": labels,
                "ownerReferences": [owner],
            },
            "spec": {"nodeName": "n"},
            "status": status,
        }
    )


def _finish(world: World, job: Object, kind: str, reason: str) -> None:
    now = world.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = {"type": kind, "status": "True", "lastTransitionTime": now, "reason": reason}
    metadata = job["metadata"]
    status = {"conditions": [condition], "ended": world.seconds}
    world.cluster.update(JOB, metadata["namespace"], metadata["name"], status=status)


def expire(world: World) -> bool:
    """Ended Jobs go when their time is over, whatever became of them."""
    ended = [
        place
        for place in world.places("Job")
        if (job := world.cluster.objects[place]).get("status", {}).get("ended") is not None
        and world.seconds - job["status"]["ended"] >= job["spec"]["ttlSecondsAfterFinished"]
    ]
    for place in ended:
        world.cluster.remove(place)
    return bool(ended)
