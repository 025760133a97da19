"""Labels that come late or go for a while: no class is made for a moment, and none is missed."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from burnish_operator.api import AcceleratorClass
from burnish_operator.decide.classes import take_stock
from burnish_operator.decide.settling import DRIVER_GRACE, FLAP_GRACE, LABEL_GRACE, Sighting
from burnish_operator.observe import node_of
from fakes.cluster import FakeClock
from fakes.fleet import H100, LARGE, SMALL, node

NOW = FakeClock().now()
BARE = {"kubernetes.io/arch": "amd64"}
CARD = {"feature.node.kubernetes.io/pci-10de.present": "true"}
GPUS = {"nvidia.com/gpu": "8", "cpu": "64"}
CLOUD = {"node.kubernetes.io/instance-type": "p5.48xlarge"}


class Watch:
    """One node over time, as an operator that runs on sees it."""

    def __init__(self) -> None:
        self.now = NOW
        self.seen: Mapping[str, Sighting] = {}
        self.classes: list[AcceleratorClass] = []
        self.wait: float | None = None

    def sees(self, labels: dict[str, str], **parts: Any) -> list[str]:
        """Names of classes that are made now."""
        created = parts.pop("created", "2026-05-01T00:00:00Z")
        found = node_of(node("n", labels, created=created, **parts))
        stock = take_stock([found], self.classes, self.now, self.seen)
        self.seen, self.wait = stock.seen, stock.look_again_seconds
        made = [AcceleratorClass.from_dict(raw) for raw in stock.created]
        self.classes += made
        return [one.name for one in made]

    def later(self, by: timedelta) -> None:
        self.now += by


def test_labels_that_go_for_a_while_make_no_class() -> None:
    watch = Watch()
    assert watch.sees(SMALL) == ["cpu-amd-25-17-small"]
    for _ in range(5):
        assert watch.sees(BARE) == []
        watch.later(FLAP_GRACE / 2)
        assert watch.sees(SMALL) == []
    assert watch.wait is None


def test_labels_that_are_gone_for_good_are_believed_in_the_end() -> None:
    watch = Watch()
    watch.sees(SMALL)
    watch.later(timedelta(hours=1))
    assert watch.sees(BARE) == []
    assert watch.wait == FLAP_GRACE.total_seconds()
    watch.later(FLAP_GRACE)
    assert watch.sees(BARE) == ["unknown-amd64"]


def test_a_gpu_node_without_its_gpu_labels_is_no_processor_for_a_while() -> None:
    watch = Watch()
    assert watch.sees(H100 | SMALL) == ["nvidia-h100-80gb-hbm3"]
    watch.later(timedelta(hours=1))
    assert watch.sees(SMALL) == []
    watch.later(FLAP_GRACE / 2)
    assert watch.sees(BARE) == []
    watch.later(FLAP_GRACE / 2)
    assert watch.sees(H100 | SMALL) == []


def test_a_gpu_node_never_becomes_a_processor_while_the_kubelet_offers_its_gpus() -> None:
    watch = Watch()
    watch.sees(H100 | SMALL, allocatable=GPUS)
    watch.later(timedelta(days=1))
    watch.sees(SMALL, allocatable=GPUS)
    watch.later(timedelta(days=1))
    assert watch.sees(SMALL, allocatable=GPUS) == ["unknown-nvidia-com-gpu-small"]


def test_more_labels_are_believed_at_once() -> None:
    watch = Watch()
    assert watch.sees(BARE) == ["unknown-amd64"]
    assert watch.sees(SMALL) == ["cpu-amd-25-17-small"]
    assert watch.sees(H100 | SMALL) == ["nvidia-h100-80gb-hbm3"]
    assert watch.sees(H100 | {"nvidia.com/cuda.driver-version.major": "580"}) != []


@pytest.mark.parametrize(
    ("labels", "allocatable", "patience"),
    [
        (BARE, {"cpu": "4"}, LABEL_GRACE),
        (SMALL | CARD, {"cpu": "4"}, DRIVER_GRACE),
        (BARE | CLOUD, GPUS, DRIVER_GRACE),
        (SMALL, {"cpu": "4"}, timedelta()),
        (H100 | CARD, GPUS, timedelta()),
    ],
)
def test_a_new_node_is_waited_for(
    labels: dict[str, str], allocatable: dict[str, str], patience: timedelta
) -> None:
    watch, created = Watch(), NOW.isoformat()
    made = watch.sees(labels, created=created, allocatable=allocatable)
    assert bool(made) == (not patience)
    watch.later(patience)
    made += watch.sees(labels, created=created, allocatable=allocatable)
    assert len(made) == 1


def test_a_new_operator_believes_nodes_by_their_age() -> None:
    assert Watch().sees(BARE) == ["unknown-amd64"]
    assert Watch().sees(SMALL | CARD) == ["cpu-amd-25-17-small"]


def test_nodes_that_are_gone_are_forgotten() -> None:
    watch = Watch()
    watch.sees(SMALL)
    assert take_stock([], watch.classes, NOW, watch.seen).seen == {}


def people(labels: dict[str, str], **spec: Any) -> AcceleratorClass:
    return AcceleratorClass.from_dict(
        {"metadata": {"name": "ours"}, "spec": {"match": {"matchLabels": labels}, **spec}}
    )


def test_what_people_say_of_an_unnamed_accelerator_stands() -> None:
    watch = Watch()
    watch.classes = [people(CLOUD, resourceName="nvidia.com/gpu", facts={"product": "H100"})]
    assert watch.sees(BARE | CLOUD, allocatable=GPUS) == []
    named = Watch()
    named.classes = [people({"pool": "a"}, resourceName="nvidia.com/gpu")]
    unclear = node_of(node("n", BARE | {"pool": "a"}, allocatable=GPUS))
    assert take_stock([unclear], named.classes, NOW).unclear == {}
    assert list(take_stock([unclear], [], NOW).unclear) == ["n"]


def test_a_name_that_is_taken_is_not_tried_for_ever() -> None:
    watch = Watch()
    first = watch.sees(SMALL)
    [second] = Watch().sees(LARGE)
    other = people({"x": "y"})
    taken = [other.model_copy(update={"metadata": other.metadata.model_copy(update={"name": second})})]
    watch.classes += taken
    [third] = watch.sees(LARGE)
    watch.classes += [
        other.model_copy(update={"metadata": other.metadata.model_copy(update={"name": third})})
    ]
    assert len({*first, second, third}) == 3
