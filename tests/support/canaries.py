"""A model that serves an engine and wants another one by a canary, for tests of deciding."""

from datetime import timedelta
from typing import Any

from burnish_operator import names
from burnish_operator.api import CanaryStatus, RejectedStatus
from burnish_operator.errors import PrometheusUnavailable
from burnish_operator.ports import DEPLOYMENT, OPTIMIZED_MODEL
from fakes.fleet import SMALL, Fleet, model, node

STABLE = "pages-cpu-amd-25-17-small"
CANARY = f"{STABLE}-canary"
PEER = f"{STABLE}-stable"
ANALYSIS: dict[str, Any] = {"interval": "1m", "count": 2, "failureLimit": 0, "inconclusiveLimit": 1}
DOWN = PrometheusUnavailable("http://prometheus.example", found="no route", expected="an answer")
STEPS = [{"weight": 20, "pause": "1m"}, {"weight": 50, "pause": "1m"}]


def fleet(replicas: int = 4, **rollout: Any) -> Fleet:
    """A model that serves its first engine, and wants another one by a canary."""
    found = Fleet(node("a", SMALL))
    spec = {"strategy": "Canary", "steps": STEPS, **rollout}
    found.cluster.put(model(serving={"replicas": replicas}, rollout=spec))
    found.settle()
    return found


def begun(found: Fleet) -> Fleet:
    """With the canary at its first step, all pods ready."""
    change(found, precisions=["FP32"])
    found.settle()
    return found


def change(found: Fleet, **spec: Any) -> None:
    found.cluster.update(OPTIMIZED_MODEL, "team", "pages", spec=spec)


def annotate(found: Fleet, name: str) -> None:
    asked = found.clock.now().isoformat()
    found.cluster.update(OPTIMIZED_MODEL, "team", "pages", metadata={"annotations": {name: asked}})


def after(found: Fleet, seconds: float) -> Fleet:
    found.clock.time += timedelta(seconds=seconds)
    found.settle()
    return found


def deployed(found: Fleet) -> dict[str, tuple[str, int]]:
    """Engine and pods by Deployment."""
    return {
        each["metadata"]["name"]: (
            each["spec"]["template"]["metadata"]["annotations"][names.ENGINE].rpartition("@")[2],
            each["spec"]["replicas"],
        )
        for each in found.cluster.of_kind(DEPLOYMENT)
    }


def canary(found: Fleet) -> CanaryStatus:
    status = found.status().targets[0].canary
    assert status is not None
    return status


def rejected(found: Fleet) -> RejectedStatus:
    [status] = found.status().targets[0].rejected or ()
    return status
