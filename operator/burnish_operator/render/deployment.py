"""The Deployment that serves one engine on one class: `burnish serve`, drained before it goes."""

from burnish_engine.digest import of_json
from burnish_operator import names
from burnish_operator.api import RolloutStrategy
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.observed import Observed
from burnish_operator.ports import Object
from burnish_operator.render import pod

HTTP_PORT = 8080
GRPC_PORT = 8081
METRICS_PORT = 9090
DRAIN_SECONDS = 20
# Endpoints and load balancers need a moment to forget a pod that still answers.
PRE_STOP_SECONDS = 5
GRACE_SECONDS = PRE_STOP_SECONDS + DRAIN_SECONDS + 5


def render_deployment(seen: Observed, target: ResolvedTarget, engine: str, replicas: int) -> Object:
    """A Deployment that serves `engine` (`oci://repository@sha256:…`)."""
    metadata = pod.metadata(seen, names.workload_name(seen.model.name, target.name), target)
    spec: Object = {
        "replicas": replicas,
        "revisionHistoryLimit": 3,
        "progressDeadlineSeconds": 600,
        "selector": {"matchLabels": names.selector(seen.model.name, target.name)},
        "strategy": _strategy(seen.model.spec.rollout.strategy),
        "template": _template(seen, target, engine),
    }
    # With the hash in the object, a field that is no longer rendered is a difference too.
    metadata["annotations"] = {names.SPEC_HASH: of_json(spec).removeprefix("sha256:")[:16]}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def _strategy(strategy: RolloutStrategy) -> Object:
    if strategy is RolloutStrategy.RECREATE:
        return {"type": "Recreate"}
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}


def _template(seen: Observed, target: ResolvedTarget, engine: str) -> Object:
    labels = names.labels(seen.model.name, target.name) | {"app.kubernetes.io/component": "server"}
    annotations = {
        names.ENGINE: engine,
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(METRICS_PORT),
        "prometheus.io/path": "/metrics",
    }
    spec: Object = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod.pod_security(),
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "containers": [_container(seen, target, engine)],
        "volumes": pod.volumes(seen),
        **pod.pull_secrets(seen),
        **pod.placement(target),
    }
    return {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}


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
            {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
            {"name": "grpc", "containerPort": GRPC_PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
        ],
        "resources": pod.resources(target),
        "terminationMessagePath": pod.OUTCOME,
        "securityContext": pod.container_security(),
        "volumeMounts": pod.mounts(seen),
        # Pulling and warming up take as long as they take: five minutes before it counts as dead.
        "startupProbe": _probe("live", period=2, failures=150),
        "readinessProbe": _probe("ready", period=2, failures=2),
        "livenessProbe": _probe("live", period=10, failures=6),
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
    }


def _probe(path: str, *, period: int, failures: int) -> Object:
    return {
        "httpGet": {"path": f"/v2/health/{path}", "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
    }
