"""Every accelerator of the pool is taken, on real kubelets: forward and back, and no request fails.

No device stands behind these accelerators (an extended resource), and the scheduler counts them all the same.
Engines are built before the pool is full, for a Job needs an accelerator too.
"""

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from burnish_demo.kube import Kube, Object
from burnish_demo.place import Place
from burnish_demo.watch import is_ready
from support.full_pools import SURGES, TIGHT
from support.traffic import traffic
from support.world import MODEST, World

CANARY: Object = {"strategy": "Canary", "steps": [{"weight": 50, "pause": "5s"}]}
# Pods of earlier tests may still be draining: each pool has a resource of its own.
RESOURCES = "example.com"


@dataclass(frozen=True)
class Pool:
    """One node with so many accelerators."""

    kube: Kube
    node: str
    resource: str

    def holds(self, count: int | None) -> None:
        """Give it so many, as a device plugin would; None: take them all away."""
        found = {self.resource: None if count is None else str(count)}
        patch = json.dumps({"status": {"capacity": found, "allocatable": found}})
        self.kube.run("patch", "node", self.node, "--subresource=status", "--type=merge", "-p", patch)

    def target(self, replicas: int) -> Object:
        """A target whose pods each take one of them."""
        limits = MODEST["limits"] | {self.resource: "1"}
        return {
            "name": "pool",
            "nodeSelector": {"kubernetes.io/hostname": self.node},
            "replicas": replicas,
            "resources": {"requests": MODEST["requests"], "limits": limits},
        }


@pytest.fixture
def pool(place: Place) -> Iterator[Pool]:
    """A pool of two."""
    kube = Kube(place.kubectl)
    nodes = json.loads(kube.run("get", "nodes", "-o", "json"))["items"]
    name = nodes[0]["metadata"]["labels"]["kubernetes.io/hostname"]
    found = Pool(kube, name, f"{RESOURCES}/accelerator-{secrets.token_hex(3)}")
    found.holds(2)
    yield found
    found.holds(None)


def specs(world: World, pool: Pool, replicas: int, **rollout: object) -> tuple[Object, Object]:
    """What a model serves at first, and what it is to serve then: the same model, another engine."""
    first = world.quick_model() | {"targets": [pool.target(replicas)], "rollout": rollout}
    return first, first | {"objective": {"batch": 2}}


def serving(world: World, name: str, first: Object, second: Object) -> Object:
    """The model serves its first engine, and the other one lies in the registry; told: its rollout."""
    world.apply("ahead", second | {"serving": {"enabled": False}})
    world.wait_ready("ahead")
    world.apply(name, first)
    world.wait_ready(name)
    return rollout_of(world, name)


def entry_of(world: World, name: str) -> Object:
    found: Object = world.model(name)["status"]["targets"][0]
    return found


def rollout_of(world: World, name: str) -> Object:
    found: Object = entry_of(world, name)["rollout"]
    return found


def deployment(world: World, name: str) -> Object:
    found = world.kube.find("deployment", world.namespace, name)
    assert found is not None
    return found


def bounds(world: World, name: str) -> Object:
    found: Object = deployment(world, name)["spec"]["strategy"]["rollingUpdate"]
    return found


def replaced(world: World, name: str, old: str) -> str:
    """The digest that all pods have once they have another than the old one."""

    def found() -> str:
        digest = str(rollout_of(world, name)["digest"])
        return digest if is_ready(world.model(name)) and digest != old else ""

    told: str = world.wait(f"another engine of {name} rolled out", found, 300)
    return told


def canary(world: World, name: str) -> Object:
    """What the status knows of one; {} without any."""
    return entry_of(world, name).get("canary") or {}


def test_two_pods_of_a_pool_of_two_are_replaced_and_brought_back(world: World, pool: Pool) -> None:
    first, second = specs(world, pool, 2)
    old = serving(world, "full", first, second)
    with traffic(world, "full", old["deployment"]) as client:
        world.apply("full", second)
        world.wait("one at a time", lambda: bounds(world, old["deployment"]) == TIGHT, 90)
        new = replaced(world, "full", old["digest"])
        assert bounds(world, old["deployment"]) == SURGES
        world.apply("full", first)
        assert replaced(world, "full", new) == old["digest"]
    assert client.failed == []
    assert client.requests > 0
    assert rollout_of(world, "full")["readyReplicas"] == 2


def test_a_canary_proves_itself_in_the_place_of_a_pod(world: World, pool: Pool) -> None:
    first, second = specs(world, pool, 2, **CANARY)
    old = serving(world, "tried", first, second)
    with traffic(world, "tried", old["deployment"]) as client:
        world.apply("tried", second)
        world.wait("a canary in place", lambda: canary(world, "tried").get("inPlace"), 90)
        world.wait("its half of the traffic", lambda: canary(world, "tried").get("weight") == 50, 120)
        assert deployment(world, old["deployment"])["spec"]["replicas"] == 1
        new = replaced(world, "tried", old["digest"])
        world.apply("tried", first)
        assert replaced(world, "tried", new) == old["digest"]
    assert client.failed == []
    assert rollout_of(world, "tried")["readyReplicas"] == 2
    world.wait("one Deployment of tried", lambda: len(world.owned("deployment", "tried")) == 1, 30)


def test_an_only_pod_stays_and_the_rollout_goes_on_with_room(world: World, pool: Pool) -> None:
    pool.holds(1)
    first, second = specs(world, pool, 1)
    old = serving(world, "alone", first, second)
    with traffic(world, "alone", old["deployment"]) as client:
        world.apply("alone", second)
        told = world.wait_reason("alone", "NoRoom", seconds=90)
        assert f"Insufficient {pool.resource}" in told["message"]
        assert rollout_of(world, "alone")["readyReplicas"] == 1
        pool.holds(2)
        assert replaced(world, "alone", old["digest"])
    assert client.failed == []
