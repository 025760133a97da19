"""The container that brings an engine to a server of other people's, before that server starts.

It is our own image: it pulls by digest, verifies, and lays the engine out in a volume that the server can
only read. So neither credentials nor downloads reach the server.
"""

from burnish_engine.layout.runtimes import ServingRuntime
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.observed import Observed
from burnish_operator.ports import Object
from burnish_operator.render import pod

ENGINE = "/engine"
REPOSITORY = f"{ENGINE}/repository"
# Not the accelerator: laying out needs none, and the server is about to take it.
_RESOURCES = ("cpu", "memory", "ephemeral-storage")


def container(seen: Observed, target: ResolvedTarget, engine: str, runtime: ServingRuntime) -> Object:
    """Lays out `engine` under the model's name. Its CPU quota is the server's: threads are counted by it."""
    arguments = ("engine", "layout", engine, "--runtime", runtime.value, "--model-name", seen.model.name)
    return {
        "name": "layout",
        "image": seen.settings.serving_image,
        "command": ["burnish"],
        "args": [*arguments, "-o", REPOSITORY, "--cache", f"{ENGINE}/cache"],
        "env": pod.environment(seen),
        "resources": _resources(target),
        "securityContext": pod.container_security(),
        "volumeMounts": [*pod.mounts(seen), {"name": "engine", "mountPath": ENGINE}],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def volume() -> Object:
    """Where the engine lies: pulled once, and linked into the repository."""
    return {"name": "engine", "emptyDir": {"sizeLimit": pod.WORK_SIZE}}


def server_parts(target: ResolvedTarget) -> Object:
    """What the server's container needs of it: the engine to read, and scratch space of its own."""
    return {
        "env": [{"name": name, "value": pod.WORK} for name in ("HOME", "TMPDIR")],
        "resources": pod.resources(target),
        "securityContext": pod.container_security(),
        "volumeMounts": [
            {"name": "work", "mountPath": pod.WORK},
            {"name": "engine", "mountPath": ENGINE, "readOnly": True},
        ],
    }


def _resources(target: ResolvedTarget) -> Object:
    asked = pod.resources(target)
    return {
        part: kept
        for part, values in asked.items()
        if (kept := {name: value for name, value in values.items() if name in _RESOURCES})
    }
