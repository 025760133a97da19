"""Why pods of a canary do not answer, as far as Kubernetes tells."""

from burnish_engine.redact import sanitized
from burnish_operator.decide.rollout.case import Case

_REASONS = {
    "CrashLoopBackOff": "CanaryCrashes",
    "Unschedulable": "CanaryUnschedulable",
    "ErrImagePull": "CanaryImageMissing",
    "ImagePullBackOff": "CanaryImageMissing",
    "InvalidImageName": "CanaryImageMissing",
}


def why(case: Case) -> tuple[str, str]:
    """A reason for machines, and a sentence for people."""
    for pod in case.seen.canary_pods.get(case.target.name, ()):
        if pod.waits_for:
            reason = _REASONS.get(pod.waits_for.partition(":")[0], "CanaryNotReady")
            return reason, sanitized(f"pod {pod.name}: {pod.waits_for.rstrip('.')}.")
    canary = case.found.canary
    if canary is not None and canary.refused:
        return "CanaryPodsRefused", sanitized(f"no pod can be made: {canary.refused.rstrip('.')}.")
    name = canary.name if canary else f"the canary of {case.found.name}"
    return "CanaryNotReady", f"see `kubectl logs deployment/{name}` and the pods' events."
