"""Canaries on real kubelets, judged by a real Prometheus while a real client asks: no request may fail."""

import pytest

from burnish_demo.drive import MODEL
from burnish_demo.kube import Kube, Object
from burnish_demo.place import MODEL_NAMESPACE, Place
from support.traffic import traffic
from support.world import World

# Scrapes are 5 s apart here, and the two sides share two processors: how fast they are is not judged.
ANALYSIS: Object = {
    "interval": "20s",
    "count": 2,
    "failureLimit": 1,
    "inconclusiveLimit": 20,
    "maxLatencyRatio": 100,
    "minAgreement": 0.99,
    "minRequests": 20,
}
ROLLOUT: Object = {
    "strategy": "Canary",
    "steps": [{"weight": 50, "pause": "0s"}],
    "analysis": ANALYSIS,
}


@pytest.fixture
def target(place: Place) -> str:
    """One of the cluster's classes."""
    found = Kube(place.kubectl).find("optimizedmodel", MODEL_NAMESPACE, MODEL)
    assert found is not None
    return str(found["status"]["targets"][0]["name"])


def spec_of(world: World, target: str, seed: int = 0) -> Object:
    """A model that is optimized in seconds, for one class, with a canary."""
    return world.quick_model(seed) | {"targets": [{"acceleratorClass": target}], "rollout": ROLLOUT}


def only_target(world: World, name: str) -> Object:
    found: Object = world.model(name)["status"]["targets"][0]
    return found


def reasons(world: World, name: str) -> set[str]:
    return {event["reason"] for event in world.events(name)}


def test_an_engine_that_does_well_replaces_the_old_one(world: World, target: str) -> None:
    spec = spec_of(world, target)
    world.apply("well", spec)
    world.wait_ready("well")
    old = only_target(world, "well")["rollout"]
    with traffic(world, "well", old["deployment"]) as client:
        world.apply("well", spec | {"objective": {"batch": 2}})
        world.wait("a canary of well", lambda: only_target(world, "well").get("canary"), 120)
        world.wait_ready("well", 300)
    assert client.failed == []
    assert client.requests > 0
    assert only_target(world, "well")["rollout"]["digest"] != old["digest"]
    assert {"CanaryStarted", "CanaryPromoted"} <= reasons(world, "well")
    world.wait("one Deployment of well", lambda: len(world.owned("deployment", "well")) == 1, 30)


def test_an_engine_with_other_answers_goes_and_the_old_one_stays(world: World, target: str) -> None:
    spec = spec_of(world, target)
    world.apply("ill", spec)
    world.wait_ready("ill")
    old = only_target(world, "ill")["rollout"]
    with traffic(world, "ill", old["deployment"]) as client:
        world.apply("ill", spec_of(world, target, seed=1))
        told = world.wait_reason("ill", "AnalysisFailed", seconds=300)
    assert "agreement with the stable pods" in told["message"]
    assert client.failed == []
    found = only_target(world, "ill")
    assert found["rollout"]["digest"] == old["digest"]
    assert [each["reason"] for each in found["rejected"]] == ["AnalysisFailed"]
    world.wait("one Deployment of ill", lambda: len(world.owned("deployment", "ill")) == 1, 30)
