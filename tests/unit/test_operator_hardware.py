"""A node's labels into hardware: every public product is one kind, and no two are the same."""

import itertools
from typing import Any

import pytest

from burnish_operator.hardware import Hardware, absent_labels, driver_version, hardware_of, is_hardware, read
from burnish_operator.observe import node_of
from fakes.fleet import SMALL, node
from support import gpu_labels as gpus
from support.gpu_labels import CARDS, Card, named

GPU = gpus.GPU


def kinds(labels: dict[str, str], **allocatable: str) -> tuple[Hardware, ...]:
    return hardware_of(node_of(placed(labels, allocatable)))


def placed(labels: dict[str, str], allocatable: dict[str, str]) -> dict[str, Any]:
    return node("n", labels, allocatable={"cpu": "4", **allocatable})


def only(labels: dict[str, str], **allocatable: str) -> Hardware:
    [found] = kinds(labels, **allocatable)
    return found


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.product)
def test_a_product_is_one_kind_with_its_own_figures(card: Card) -> None:
    found = only(gpus.whole(card) | SMALL | {"kubernetes.io/arch": card.arch})
    major, minor = card.compute.split(".")
    assert found.facts == {
        "kind": "gpu",
        "arch": card.arch,
        "product": card.product,
        "memory_mib": str(card.memory_mib),
        "compute_major": major,
        "compute_minor": minor,
        "driver_major": "570",
    }
    assert found.resource_name == GPU


def test_no_two_products_share_a_kind_or_a_name() -> None:
    every = [gpus.whole(card) for card in CARDS]
    every += [gpus.whole(card, replicas=4, sharing="time-slicing") for card in CARDS]
    found = [only(labels) for labels in every]
    assert len({kind.identity for kind in found}) == len({kind.stem for kind in found}) == len(every)


@pytest.mark.parametrize(
    "family",
    [
        ("NVIDIA-L4", "NVIDIA-L40", "NVIDIA-L40S", "NVIDIA-L40G"),
        ("NVIDIA-A10", "NVIDIA-A10G", "NVIDIA-A100-SXM4-40GB", "NVIDIA-A100-SXM4-80GB"),
        ("NVIDIA-A100-PCIE-40GB", "NVIDIA-A100-80GB-PCIe", "NVIDIA-A100-SXM4-80GB"),
        ("NVIDIA-H100-80GB-HBM3", "NVIDIA-H100-NVL", "NVIDIA-H100-PCIe", "NVIDIA-H200", "NVIDIA-GH200-480GB"),
        ("NVIDIA-H20", "NVIDIA-H200", "NVIDIA-H20-3e"),
        ("NVIDIA-B200", "NVIDIA-GB200", "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition"),
    ],
)
def test_a_class_never_takes_nodes_of_a_longer_name(family: tuple[str, ...]) -> None:
    for one, other in itertools.permutations(family, 2):
        labels = gpus.whole(named(other))
        assert not only(gpus.whole(named(one))).match_labels.items() <= labels.items()


@pytest.mark.parametrize(("parent", "profile", "memory"), gpus.INSTANCES)
def test_instances_under_the_mixed_strategy(parent: str, profile: str, memory: int) -> None:
    card = named(parent)
    whole = gpus.whole(card) | {f"{GPU}.replicas": "0"}
    found = only(whole | gpus.instances(card, profile, memory))
    assert found.resource_name == f"nvidia.com/mig-{profile}"
    assert (found.facts["mig_profile"], found.facts["memory_mib"]) == (profile, str(memory))
    assert found.facts["product"] == f"{parent}-MIG-{profile}"


@pytest.mark.parametrize(("parent", "profile", "memory"), gpus.INSTANCES)
def test_instances_under_the_single_strategy(parent: str, profile: str, memory: int) -> None:
    product, card = f"{parent}-MIG-{profile}", named(parent)
    labels = gpus.whole(card) | {f"{GPU}.product": product, f"{GPU}.memory": str(memory)}
    found = only(labels, **{GPU: "8"})
    assert (found.facts["mig_profile"], found.resource_name) == (profile, GPU)
    assert found.identity != only(gpus.whole(card)).identity


def test_no_two_instances_are_one_kind() -> None:
    found = {
        only(gpus.whole(named(p)) | {f"{GPU}.replicas": "0"} | gpus.instances(named(p), profile, m)).identity
        for p, profile, m in gpus.INSTANCES
    }
    assert len(found) == len(gpus.INSTANCES)


def test_whole_gpus_and_instances_of_one_node_are_kinds_of_their_own() -> None:
    card = named("NVIDIA-A100-SXM4-40GB")
    labels = gpus.whole(card) | gpus.instances(card, "1g.5gb", 4864) | gpus.instances(card, "3g.20gb", 19968)
    assert [kind.resource_name for kind in kinds(labels, **{GPU: "6"})] == [
        "nvidia.com/mig-1g.5gb",
        "nvidia.com/mig-3g.20gb",
        GPU,
    ]


def test_a_gpu_that_is_cut_but_has_no_valid_instances_offers_nothing() -> None:
    labels = gpus.whole(named("NVIDIA-A100-SXM4-40GB"))
    invalid = {f"{GPU}.product": "NVIDIA-A100-SXM4-40GB-MIG-INVALID", f"{GPU}.count": "0"}
    reading = read(node_of(node("n", labels | invalid | SMALL)))
    assert reading.kinds == ()
    assert "none of it can be had" in reading.unclear[0]


@pytest.mark.parametrize("sharing", ["time-slicing", "mps"])
def test_shared_gpus_are_kinds_of_their_own_by_share_and_strategy(sharing: str) -> None:
    card = named("NVIDIA-L4")
    shared = only(gpus.whole(card, replicas=4, sharing=sharing))
    assert (shared.facts["replicas"], shared.facts["sharing"]) == ("4", sharing)
    others = [gpus.whole(card), gpus.whole(card, replicas=2, sharing=sharing)]
    others.append(gpus.whole(card, replicas=4, sharing="mps" if sharing != "mps" else "time-slicing"))
    assert shared.identity not in {only(labels).identity for labels in others}


def test_a_shared_gpu_whose_resource_is_renamed_is_not_taken_for_an_exclusive_one() -> None:
    card = named("NVIDIA-L4")
    labels = gpus.whole(card, replicas=4, sharing="time-slicing", count=1) | {f"{GPU}.product": card.product}
    renamed = only(labels, **{GPU: "0", f"{GPU}.shared": "4"})
    assert renamed.resource_name == f"{GPU}.shared"
    assert renamed.identity != only(gpus.whole(card)).identity


def test_cards_of_two_kinds_in_one_node_are_of_no_class() -> None:
    labels = gpus.whole(named("NVIDIA-A10"), count=4)
    reading = read(node_of(node("n", labels | SMALL, allocatable={GPU: "8"})))
    assert reading.kinds == ()
    assert "counts 8, but the labels tell of 4" in reading.unclear[0]
    assert only(labels, **{GPU: "4"}).facts["product"] == "NVIDIA-A10"


def test_the_old_drivers_label_is_the_same_fact() -> None:
    labels = gpus.whole(named("NVIDIA-L4"))
    old = {k: v for k, v in labels.items() if "driver-version" not in k}
    assert only(old).facts == only(labels).facts
    assert driver_version(old) == driver_version(labels) == "570.86.15"
    assert "nvidia.com/cuda.driver-version.major" in absent_labels(only(old).match_labels, GPU)
    assert absent_labels(only(labels).match_labels, GPU) == ()


@pytest.mark.parametrize("name", ["family", "machine", "mode", "clique", "imex-domain", "present"])
def test_what_does_not_change_the_hardware_does_not_change_the_kind(name: str) -> None:
    labels = gpus.whole(named("NVIDIA-L40S"))
    assert only(labels | {f"{GPU}.{name}": "x"}).identity == only(labels).identity


@pytest.mark.parametrize("product", gpus.AMD)
def test_amd(product: str) -> None:
    found = only(gpus.amd(product) | SMALL)
    device, vram, units = gpus.AMD[product]
    assert found.facts["device_id"] == device
    assert (found.facts["vram"], found.facts["compute_units"]) == (vram, units)
    assert (found.resource_name, found.facts["product"]) == ("amd.com/gpu", product)


def test_amd_partitions_are_kinds_with_their_own_resource() -> None:
    labels = gpus.amd("AMD_Instinct_MI300X") | {"amd.com/gpu.compute-memory-partition": "cpx_nps4"}
    assert only(labels, **{"amd.com/cpx_nps4": "64"}).resource_name == "amd.com/cpx_nps4"
    assert only(labels).identity != only(gpus.amd("AMD_Instinct_MI300X")).identity


def test_amd_gpus_of_two_kinds_are_of_no_class() -> None:
    labels = {"amd.com/gpu.device-id.74a1": "4", "amd.com/gpu.device-id.744c": "1"}
    reading = read(node_of(node("n", SMALL | labels)))
    assert (reading.kinds, len(reading.unclear)) == ((), 1)


@pytest.mark.parametrize("product", gpus.INTEL)
def test_intel(product: str) -> None:
    found = only(gpus.intel(product) | SMALL, **{"gpu.intel.com/xe": "2"})
    assert found.resource_name == "gpu.intel.com/xe"
    assert found.facts["device_id"] == gpus.INTEL[product].split("-")[1]


def test_a_processors_own_graphics_without_a_plugin_are_a_processor() -> None:
    assert only(gpus.intel("") | SMALL).facts["kind"] == "cpu"


def test_two_intel_gpus_share_a_resource_and_are_of_no_class() -> None:
    labels = gpus.intel("Flex_170") | gpus.intel("")
    reading = read(node_of(node("n", labels, allocatable={"gpu.intel.com/i915": "2"})))
    assert (reading.kinds, len(reading.unclear)) == ((), 1)


def test_no_two_amd_or_intel_products_share_a_kind() -> None:
    found = [only(gpus.amd(product)) for product in gpus.AMD]
    found += [only(gpus.intel(product), **{"gpu.intel.com/xe": "1"}) for product in gpus.INTEL]
    assert len({kind.identity for kind in found}) == len({kind.stem for kind in found}) == len(found)


@pytest.mark.parametrize("resource", [GPU, "nvidia.com/mig-1g.5gb", "amd.com/gpu", "gpu.intel.com/i915"])
def test_an_accelerator_without_a_name_is_unknown_and_no_processor(resource: str) -> None:
    bare = {"kubernetes.io/arch": "amd64"}
    reading = read(node_of(node("n", bare, allocatable={resource: "1"})))
    assert (reading.kinds, len(reading.unclear)) == ((), 1)
    guess = only(bare | {"node.kubernetes.io/instance-type": "g5.xlarge"}, **{resource: "1"})
    assert (guess.facts["product"], guess.facts["instance_type"]) == ("unknown", "g5.xlarge")
    assert guess.stem.startswith("unknown-")
    assert f"{GPU}.product" in absent_labels(guess.match_labels, resource)


def test_an_accelerator_whose_plugin_is_away_is_neither_guessed_nor_a_processor() -> None:
    reading = read(node_of(node("n", SMALL, allocatable={GPU: "0"})))
    assert reading.kinds == ()
    assert reading.unclear == (f"{GPU} is 0: its device plugin is away.",)


def test_labels_that_are_read_wake_the_inventory_and_others_do_not() -> None:
    card = named("NVIDIA-A100-SXM4-40GB")
    read_ones = [gpus.whole(card), gpus.instances(card, "1g.5gb", 4864), gpus.amd("AMD_Instinct_MI210")]
    for labels, kind in itertools.product(read_ones, (kinds,)):
        assert all(is_hardware(label) for found in kind(labels) for label in found.match_labels)
    assert is_hardware("gpu.intel.com/device-id.0380-56c0.present")
    assert not any(map(is_hardware, ("nvidia.com/gfd.timestamp", "team", "amd.com/other", "topology/zone")))
