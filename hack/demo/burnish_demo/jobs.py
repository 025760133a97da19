"""Jobs as a person wants to see them: in what phase, for how long, and what the optimizer is at."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from burnish_demo.errors import DemoError
from burnish_demo.kube import Kube, Object


def job_phase(job: Object) -> str:
    """Pending, Running, Complete or Failed."""
    status = job.get("status", {})
    for each in status.get("conditions", []):
        if each["status"] == "True" and each["type"] in ("Complete", "Failed"):
            return str(each["type"])
    return "Running" if status.get("ready") else "Pending"


def job_seconds(job: Object, now: datetime) -> float | None:
    """From the start to the end, or to now; None: not started."""
    status = job.get("status", {})
    if "startTime" not in status:
        return None
    ends = [c["lastTransitionTime"] for c in status.get("conditions", []) if c["status"] == "True"]
    end = status.get("completionTime") or (ends[-1] if ends else None)
    return ((_time(end) if end else now) - _time(status["startTime"])).total_seconds()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def stages(kube: Kube, jobs: Sequence[Object]) -> dict[str, str]:
    """What the running Jobs say that they are at, by name; a Job that says nothing yet is left out."""
    found = {}
    for job in jobs:
        if job_phase(job) == "Running":
            name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
            try:
                said = kube.run("logs", f"job/{name}", f"--namespace={namespace}", "--tail=1")
            except DemoError:
                continue  # its container has just ended, or not begun
            if stage := stage_of(said):
                found[name] = stage
    return found


def stage_of(line: str) -> str:
    """`candidate: openvino-bf16 (7 of 12)` from the optimizer's last line of progress; "" if it is none."""
    try:
        told = json.loads(line)
        return f"{told['stage']}: {told['message']} ({told['done']} of {told['total']})"
    except (ValueError, KeyError, TypeError):
        return ""
