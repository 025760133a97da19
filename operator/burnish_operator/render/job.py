"""The Job that optimizes one model for one class: `burnish optimize` in a pod without an API token."""

from collections.abc import Iterator
from decimal import Decimal

from burnish_engine.digest import canonical_json
from burnish_engine.key import short_key
from burnish_engine.outcome import ExitCode
from burnish_engine.request import OptimizationRequest
from burnish_operator import names
from burnish_operator.decide.keys import request_of, target_facts
from burnish_operator.decide.source import digest_or_none
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.observed import Observed
from burnish_operator.ports import Object
from burnish_operator.render import pod

RETRIES = 3
# 137 is the kernel's out-of-memory kill (or any SIGKILL): the same limit would fail the same way.
NO_RETRY = (int(ExitCode.USAGE), int(ExitCode.STALLED), 137)
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"


def render_job(
    seen: Observed, target: ResolvedTarget, key: str, *, attempt: int = 1, memory_factor: int = 1
) -> Object:
    """The Job of one engine key."""
    optimization = seen.model.spec.optimization
    metadata = pod.metadata(seen, names.job_name(key), target)
    metadata["labels"] |= {
        names.ENGINE_KEY: short_key(key),
        names.CLASS: names.label_value(target.class_name),
    }
    metadata["labels"] |= {QUEUE_LABEL: optimization.queue_name} if optimization.queue_name else {}
    metadata["annotations"] = {
        names.ENGINE_KEY: key,
        names.ENGINE: names.engine_place(seen.repository, key),
        names.ATTEMPT: str(attempt),
        names.MEMORY_FACTOR: str(memory_factor),
    }
    spec: Object = {
        "backoffLimit": RETRIES,
        "completions": 1,
        "parallelism": 1,
        "activeDeadlineSeconds": optimization.deadline_seconds,
        "ttlSecondsAfterFinished": optimization.ttl_seconds,
        "podFailurePolicy": _failure_policy(),
        "template": _template(seen, target, key, memory_factor),
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def _failure_policy() -> Object:
    """Disruptions do not count; an answer that will not change ends the Job; all else is retried."""
    return {
        "rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {
                "action": "FailJob",
                "onExitCodes": {"containerName": "optimizer", "operator": "In", "values": sorted(NO_RETRY)},
            },
        ]
    }


def _template(seen: Observed, target: ResolvedTarget, key: str, memory_factor: int) -> Object:
    labels = names.labels(seen.model.name, target.name) | {
        names.ENGINE_KEY: short_key(key),
        "app.kubernetes.io/component": "optimizer",
    }
    spec: Object = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod.pod_security(),
        "containers": [_container(seen, target, key, memory_factor)],
        "volumes": pod.volumes(seen),
        **pod.pull_secrets(seen),
        **pod.placement(target),
    }
    priority = seen.model.spec.optimization.priority_class_name
    spec |= {"priorityClassName": priority} if priority else {}
    return {"metadata": {"labels": labels}, "spec": spec}


def _container(seen: Observed, target: ResolvedTarget, key: str, memory_factor: int) -> Object:
    return {
        "name": "optimizer",
        "image": seen.settings.optimizer_image,
        "command": ["burnish"],
        "args": list(arguments(seen, target, key)),
        "env": pod.environment(seen),
        "resources": pod.resources(target, memory_factor),
        "securityContext": pod.container_security(),
        "volumeMounts": pod.mounts(seen),
        "terminationMessagePath": pod.OUTCOME,
        "terminationMessagePolicy": "File",
    }


def arguments(seen: Observed, target: ResolvedTarget, key: str) -> Iterator[str]:
    """The arguments of `burnish optimize`, as docs/contracts.md has them."""
    spec, resolved = seen.model.spec, seen.resolved
    yield from ("optimize", spec.source.uri)
    if spec.calibration:
        yield from ("--calibration", spec.calibration.uri)
    if spec.evaluation:
        yield from ("--evaluation", spec.evaluation.uri)
    yield from _request_arguments(request_of(spec, target))
    for role in ("source", "calibration", "evaluation"):
        digest = digest_or_none(getattr(resolved, role))
        if digest:
            yield from (f"--{role}-digest", digest)
    yield from ("--name", seen.model.name, "--key", key, "--target-name", target.name)
    yield from ("--target-facts", canonical_json(target_facts(target)).decode())
    yield from ("--push", f"oci://{names.engine_place(seen.repository, key)}")
    yield from ("--outcome", pod.OUTCOME, "--work-dir", pod.WORK)


def _request_arguments(request: OptimizationRequest) -> Iterator[str]:
    function = f":{request.metric_entry}" if request.metric_entry else ""
    yield from ("--metric", f"{request.metric.value}{function}")
    if request.minimum is not None:
        yield from ("--minimum", _plain(request.minimum))
    elif request.max_drop is not None:
        yield from ("--max-drop", _plain(request.max_drop))
    yield from ("--objective", request.minimize.value.lower(), "--batch", str(request.batch))
    if request.latency:
        goal = request.latency
        yield from ("--latency", f"p{_plain(goal.percentile)}={_plain(goal.seconds)}s")
    yield from ("--precisions", ",".join(request.precisions))
    if request.backends is not None:
        yield from ("--backends", ",".join(request.backends))
    if request.calibration_samples is not None:
        yield from ("--calibration-samples", str(request.calibration_samples))
    if request.budget_seconds is not None:
        yield from ("--budget", f"{_plain(request.budget_seconds)}s")


def _plain(number: float) -> str:
    """The whole number without an exponent, which durations cannot have: what the key was made of."""
    text = f"{Decimal(repr(number)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
