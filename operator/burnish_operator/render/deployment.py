"""The Deployment that serves one engine on one class: `burnish serve` or another, drained before it goes."""

from burnish_engine.digest import of_json
from burnish_engine.layout.runtimes import ServingRuntime
from burnish_operator import names
from burnish_operator.api import RolloutStrategy
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.observed import Observed
from burnish_operator.ports import Object
from burnish_operator.render import layout, model_server, pod, serving, triton
from burnish_operator.render.serving import (
    DRAIN_SECONDS,
    GRACE_SECONDS,
    GRPC_PORT,
    HTTP_PORT,
    METRICS_PORT,
)

# Until then pods that are not ready may be on their way: images, engines and nodes take their time.
PROGRESS_DEADLINE_SECONDS = 600


def render_deployment(
    seen: Observed,
    target: ResolvedTarget,
    engine: str,
    replicas: int,
    runtime: ServingRuntime = ServingRuntime.BURNISH,
    *,
    surges: bool = True,
) -> Object:
    """A Deployment that serves `engine` (`oci://repository@sha256:…`).

    Where canaries are asked for its pods can be told from theirs, for the answers to be compared.
    surges: whether there may be room for one pod more than `replicas`.
    """
    strategy = seen.model.spec.rollout.strategy
    template = _template(seen, target, engine, runtime)
    if strategy is RolloutStrategy.CANARY:
        template["metadata"]["labels"][names.TRACK] = names.STABLE
    spec: Object = {
        "replicas": replicas,
        "selector": {"matchLabels": names.selector(seen.model.name, target.name)},
        "strategy": _strategy(strategy, surges=surges),
        "template": template,
    }
    return _deployment(pod.metadata(seen, names.workload_name(seen.model.name, target.name), target), spec)


def render_canary(
    seen: Observed, target: ResolvedTarget, engine: str, replicas: int, *, peer: str, surges: bool = True
) -> Object:
    """A Deployment beside it, behind the same Service, for an engine that has yet to prove itself.

    peer: host of the stable pods, which every request is asked of as well; "" to compare no answers.
    """
    track = {names.TRACK: names.CANARY}
    template = _template(seen, target, engine, seen.model.spec.serving.runtime)
    template["metadata"]["labels"] |= track
    if peer:
        # What the canary takes off the stable pods comes back to them: they carry what they did before.
        mirror = ["--shadow", f"http://{peer}:{HTTP_PORT}", "--shadow-share", "1"]
        template["spec"]["containers"][0]["args"] += mirror
    spec: Object = {
        "replicas": replicas,
        "selector": {"matchLabels": names.selector(seen.model.name, target.name) | track},
        "strategy": _strategy(RolloutStrategy.CANARY, surges=surges),
        "template": template,
    }
    metadata = pod.metadata(seen, names.beside(seen.model.name, target.name, names.CANARY), target)
    metadata["labels"] |= track
    return _deployment(metadata, spec)


def _deployment(metadata: Object, spec: Object) -> Object:
    spec |= {"revisionHistoryLimit": 3, "progressDeadlineSeconds": PROGRESS_DEADLINE_SECONDS}
    # With the hash in the object, a field that is no longer rendered is a difference too.
    metadata["annotations"] = {names.SPEC_HASH: of_json(spec).removeprefix("sha256:")[:16]}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def _strategy(strategy: RolloutStrategy, *, surges: bool = True) -> Object:
    if strategy is RolloutStrategy.RECREATE:
        return {"type": "Recreate"}
    bounds = {"maxUnavailable": 0, "maxSurge": 1} if surges else {"maxUnavailable": 1, "maxSurge": 0}
    return {"type": "RollingUpdate", "rollingUpdate": bounds}


def _template(seen: Observed, target: ResolvedTarget, engine: str, runtime: ServingRuntime) -> Object:
    labels = names.labels(seen.model.name, target.name) | {"app.kubernetes.io/component": "server"}
    in_front = HTTP_PORT if runtime is ServingRuntime.OPENVINO_MODEL_SERVER else METRICS_PORT
    annotations = {names.ENGINE: engine, **_marked(runtime), **serving.scraped(in_front)}
    spec: Object = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod.pod_security(),
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        **_containers(seen, target, engine, runtime),
        **pod.pull_secrets(seen),
        **pod.placement(target),
    }
    return {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}


def _marked(runtime: ServingRuntime) -> dict[str, str]:
    """Which server it is, where it is not ours: what goes on serving must not change hands by itself."""
    return {} if runtime is ServingRuntime.BURNISH else {names.RUNTIME: runtime.value}


def _containers(seen: Observed, target: ResolvedTarget, engine: str, runtime: ServingRuntime) -> Object:
    if runtime is ServingRuntime.BURNISH:
        return {"containers": [_container(seen, target, engine)], "volumes": pod.volumes(seen)}
    server = triton if runtime is ServingRuntime.TRITON else model_server
    return {
        "initContainers": [layout.container(seen, target, engine, runtime)],
        "containers": [server.container(seen, target)],
        "volumes": [*pod.volumes(seen), layout.volume()],
    }


def _container(seen: Observed, target: ResolvedTarget, engine: str) -> Object:
    ports = ("--http-port", HTTP_PORT, "--grpc-port", GRPC_PORT, "--metrics-port", METRICS_PORT)
    arguments = ("serve", engine, *map(str, ports))
    name = ("--model-name", seen.model.name, "--cache", f"{pod.WORK}/cache")
    return {
        "name": "server",
        "image": seen.settings.serving_image,
        "command": ["burnish"],
        "args": [*arguments, *name, "--drain-seconds", str(DRAIN_SECONDS), "--outcome", pod.OUTCOME],
        "env": pod.environment(seen),
        "ports": [
            serving.port("http", HTTP_PORT),
            serving.port("grpc", GRPC_PORT),
            serving.port("metrics", METRICS_PORT),
        ],
        "resources": pod.resources(target),
        "terminationMessagePath": pod.OUTCOME,
        "securityContext": pod.container_security(),
        "volumeMounts": pod.mounts(seen),
        **serving.life(),
    }
