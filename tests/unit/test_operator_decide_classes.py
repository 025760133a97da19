"""Hardware discovery: labels are compared exactly, and a class is only what its labels say."""

from datetime import timedelta
from typing import Any

import pytest

from burnish_operator.api import AcceleratorClass
from burnish_operator.decide.class_status import statuses
from burnish_operator.decide.classes import matches, take_stock
from burnish_operator.hardware import hardware_of
from burnish_operator.observe import node_of
from fakes.cluster import FakeClock
from fakes.fleet import H100, LARGE, NFD, SMALL, node

NOW = FakeClock().now()


def accelerator(raw: dict[str, Any]) -> AcceleratorClass:
    return AcceleratorClass.from_dict({**raw, "metadata": {**raw["metadata"], "generation": 1}})


def discovered(*nodes: dict[str, Any]) -> list[AcceleratorClass]:
    return [accelerator(raw) for raw in take_stock([node_of(n) for n in nodes], [], NOW).created]


@pytest.mark.parametrize(
    ("labels", "name", "resource"),
    [
        (SMALL, "cpu-amd-25-17-small", None),
        (H100, "nvidia-h100-80gb-hbm3", "nvidia.com/gpu"),
        (H100 | {"nvidia.com/gpu.product": "NVIDIA-L4-SHARED"}, "nvidia-l4-shared", "nvidia.com/gpu"),
        ({"kubernetes.io/arch": "arm64"}, "unknown-arm64", None),
        (
            {"kubernetes.io/arch": "amd64", "node.kubernetes.io/instance-type": "m5.large"},
            "unknown-amd64-m5-large",
            None,
        ),
    ],
)
def test_a_node_gives_a_readable_class(labels: dict[str, str], name: str, resource: str | None) -> None:
    [found] = discovered(node("n", labels))
    assert (found.name, found.spec.resource_name) == (name, resource)
    assert found.spec.match.match_labels.items() <= labels.items()


def test_two_drivers_are_two_classes_with_two_names() -> None:
    other = H100 | {"nvidia.com/cuda.driver-version.major": "580"}
    names = [c.name for c in discovered(node("a", H100), node("b", other))]
    assert names[0] == "nvidia-h100-80gb-hbm3"
    assert names[1].startswith("nvidia-h100-80gb-hbm3-")


def test_a_mig_node_offers_one_class_a_profile() -> None:
    labels = H100 | {
        "nvidia.com/gpu.count": "0",
        "nvidia.com/mig-1g.10gb.product": "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb",
        "nvidia.com/mig-1g.10gb.memory": "9984",
    }
    [found] = discovered(node("n", labels))
    assert found.spec.resource_name == "nvidia.com/mig-1g.10gb"
    assert found.spec.facts["mig_profile"] == "1g.10gb"


def test_one_product_is_never_taken_for_a_longer_one() -> None:
    h100 = H100 | {"nvidia.com/gpu.product": "NVIDIA-H100"}
    [short, long] = sorted(discovered(node("a", h100), node("b", H100)), key=lambda c: len(c.name))
    assert matches(short, node_of(node("a", h100)))
    assert not matches(short, node_of(node("b", H100)))
    assert not matches(long, node_of(node("a", h100)))


def test_a_node_with_one_more_instruction_set_is_of_another_class() -> None:
    richer = SMALL | {f"{NFD}/cpu-cpuid.AVX512F": "true"}
    [plain] = discovered(node("a", SMALL))
    assert not matches(plain, node_of(node("b", richer)))
    assert len(discovered(node("a", SMALL), node("b", richer))) == 2


def test_a_gpu_node_is_no_cpu_class() -> None:
    assert [h.facts["kind"] for h in hardware_of(node_of(node("n", SMALL | H100)))] == ["gpu"]
    [cpu] = discovered(node("a", SMALL))
    assert not matches(cpu, node_of(node("n", SMALL | H100)))


def test_labels_that_are_no_hardware_change_nothing() -> None:
    [one] = discovered(node("a", SMALL))
    assert take_stock([node_of(node("b", SMALL | {"team": "x", "pool": "y"}))], [one], NOW).created == ()


@pytest.mark.parametrize(
    "parts",
    [
        {"ready": "False"},
        {"ready": "Unknown"},
        {"unschedulable": True},
        {"taints": [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]},
        {"taints": [{"key": "dedicated", "value": "x", "effect": "NoSchedule"}]},
    ],
)
def test_a_node_that_takes_no_pods_does_not_count(parts: dict[str, Any]) -> None:
    [known] = discovered(node("a", SMALL))
    [status] = statuses([node_of(node("a", SMALL, **parts))], [known], NOW)
    assert status["status"]["nodes"] == 0
    assert status["status"]["conditions"][0]["reason"] == "NoMatchingNodes"


def test_the_vendors_taint_is_tolerated() -> None:
    [known] = discovered(node("a", H100))
    gpu = node("a", H100, taints=[{"key": "nvidia.com/gpu", "effect": "NoSchedule"}])
    gpu["status"]["allocatable"] = {"nvidia.com/gpu": "8"}
    [status] = statuses([node_of(gpu)], [known], NOW)
    assert (status["status"]["nodes"], status["status"]["allocatable"]) == (1, "8")


def test_a_new_node_without_features_waits_for_its_labels() -> None:
    young = node_of(node("n", {"kubernetes.io/arch": "amd64"}, created="2026-05-04T09:59:50Z"))
    stock = take_stock([young], [], NOW)
    assert (stock.created, stock.look_again_seconds) == ((), 50.0)
    assert len(take_stock([young], [], NOW + timedelta(minutes=2)).created) == 1


def test_stock_taken_twice_writes_nothing_the_second_time() -> None:
    nodes = [node_of(node("a", SMALL)), node_of(node("b", LARGE))]
    classes = discovered(node("a", SMALL), node("b", LARGE))
    told = {s["metadata"]["name"]: s["status"] for s in statuses(nodes, classes, NOW)}
    written = [accelerator({**c.to_dict(), "kind": "x", "status": told[c.name]}) for c in classes]
    later = NOW + timedelta(hours=1)
    assert (take_stock(nodes, written, later).created, statuses(nodes, written, later)) == ((), ())


def test_drivers_of_the_nodes_are_told() -> None:
    versions = [{"nvidia.com/cuda.driver-version.full": f"570.{n}.1"} for n in (86, 133, 86)]
    nodes = [node(str(i), H100 | version) for i, version in enumerate(versions)]
    [known] = discovered(*nodes)
    [status] = statuses([node_of(n) for n in nodes], [known], NOW)
    assert status["status"]["driverVersions"] == ["570.133.1", "570.86.1"]


def test_why_no_node_takes_pods_is_told() -> None:
    [known] = discovered(node("a", SMALL))
    taint = {"key": "dedicated", "value": "x", "effect": "NoSchedule"}
    away = [
        node("a", SMALL, unschedulable=True),
        node("b", SMALL, taints=[taint]),
        node("c", SMALL, ready="False"),
    ]
    [status] = statuses([node_of(n) for n in away], [known], NOW)
    assert "1 not ready, 1 cordoned, 1 tainted dedicated" in status["status"]["conditions"][0]["message"]
