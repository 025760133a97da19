"""What people and traffic do to canaries: strategies, verbs, engines that turn out ill, a Prometheus "
"with gaps."""

from typing import Any

from burnish_operator import names
from burnish_operator.errors import PrometheusRefused, PrometheusUnavailable
from burnish_operator.ports import OPTIMIZED_MODEL
from fakes.cluster import copied
from support.simulation.users import FIRST
from support.simulation.world import World

_STEPS = [{"weight": 20, "pause": "1m"}, {"weight": 50, "pause": "2m"}]
_ANALYSIS = {"interval": "1m", "count": 2, "failureLimit": 0, "inconclusiveLimit": 2, "minAgreement": 0.9}
_STEPPED = {"strategy": "Canary", "steps": _STEPS, "analysis": None, "paused": False}
_ANALYSED = {"strategy": "Canary", "steps": None, "analysis": _ANALYSIS, "paused": False}
_PAUSED = {"strategy": "Canary", "analysis": None, "paused": True}
# A new engine by a canary is what most of these are for.
_PRECISIONS = (["FP32"], ["FP32", "INT8"], ["INT8"], ["FP32", "BF16", "INT8"])
EDITS: tuple[dict[str, Any], ...] = (
    {"rollout": _STEPPED, "serving": {"replicas": 4}},
    {"rollout": _ANALYSED},
    {"rollout": _STEPPED | {"analysis": _ANALYSIS}, "serving": {"replicas": 2}},
    {"rollout": _PAUSED},
    {"rollout": {"paused": False}},
    {"rollout": {"strategy": "InPlace"}},
    *({"rollout": _ANALYSED, "precisions": each} for each in _PRECISIONS),
    *({"precisions": each} for each in _PRECISIONS),
)
VERBS = (names.PROMOTE, names.ABORT, names.ABORT, names.RETRY)


def steer(world: World, one: int, two: int) -> str:
    """A user changes how a model is rolled out, or asks something of its canary."""
    namespace, name = list(FIRST)[one % len(FIRST)]
    if ("OptimizedModel", namespace, name) not in world.cluster.objects:
        return f"{namespace}/{name} is not there"
    if two % 4 == 0:
        verb, asked = VERBS[two // 4 % len(VERBS)], world.clock.now().isoformat()
        world.cluster.update(OPTIMIZED_MODEL, namespace, name, metadata={"annotations": {verb: asked}})
        return f"asks {verb} of {namespace}/{name}"
    change = copied(EDITS[two // 4 % len(EDITS)])
    world.cluster.update(OPTIMIZED_MODEL, namespace, name, spec=change)
    return f"edits {namespace}/{name}: {change}"


def change_traffic(world: World, one: int, two: int) -> str:
    """An engine turns out ill, requests stop or come again, Prometheus goes or comes back."""
    metrics = world.metrics
    what = ("ill", "ill", "silent", "loud", "loud", "down", "refused", "up", "up")[one % 9]
    if what == "ill" and world.store.pushed:
        digest = sorted(world.store.pushed)[two % len(world.store.pushed)]
        metrics.ill.add(digest)
        return f"engine {digest[7:15]} turns out ill"
    if what in ("silent", "loud"):
        metrics.silent = what == "silent"
    elif what == "up":
        metrics.down = None
    elif what in ("down", "refused"):
        kind = PrometheusUnavailable if what == "down" else PrometheusRefused
        metrics.down = kind("http://prometheus.example", found=what, expected="an answer")
    return f"Prometheus: {what}"
