"""Whatever else a node carries, and in whatever order: its hardware is told by exact labels alone."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from burnish_operator.api import AcceleratorClass
from burnish_operator.decide.classes import matches, take_stock
from burnish_operator.hardware import absent_labels, hardware_of, is_hardware
from burnish_operator.observe import Node, node_of
from fakes.cluster import FakeClock
from fakes.fleet import LARGE, SMALL, node
from support import gpu_labels as gpus

NOW = FakeClock().now()
NAMES = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./", min_size=1, max_size=40)


@st.composite
def nvidia(draw: st.DrawFn) -> dict[str, str]:
    card = draw(st.sampled_from(gpus.CARDS))
    replicas = draw(st.sampled_from([1, 2, 10]))
    labels = gpus.whole(card, replicas=replicas, sharing=draw(st.sampled_from(["mps", "time-slicing"])))
    parent, profile, memory = draw(st.sampled_from(gpus.INSTANCES))
    if draw(st.booleans()):
        labels |= gpus.whole(gpus.named(parent)) | gpus.instances(gpus.named(parent), profile, memory)
    return labels | draw(st.sampled_from([{}, gpus.driver("580.95.5"), {f"{gpus.GPU}.replicas": "0"}]))


MACHINES = st.one_of(
    nvidia(),
    st.sampled_from(sorted(gpus.AMD)).map(gpus.amd),
    st.sampled_from(sorted(gpus.INTEL)).map(gpus.intel),
    st.sampled_from([SMALL, LARGE, {"kubernetes.io/arch": "arm64"}]),
)
FOREIGN = st.dictionaries(NAMES.filter(lambda name: not is_hardware(name)), NAMES, max_size=6)


def seen(labels: dict[str, str], name: str = "n") -> Node:
    """A node whose Intel GPUs, if any, are offered by a device plugin: else they are of no use."""
    offered = {"gpu.intel.com/xe": "2"} if any(label.startswith("gpu.intel.com/") for label in labels) else {}
    return node_of(node(name, labels, allocatable={"cpu": "4", **offered}))


def classes(*nodes: Node) -> list[AcceleratorClass]:
    stock = take_stock(nodes, [], NOW + timedelta(days=1))
    return [AcceleratorClass.from_dict(raw) for raw in stock.created]


@given(MACHINES, FOREIGN, st.randoms(use_true_random=False))
def test_order_and_foreign_labels_change_nothing(
    labels: dict[str, str], foreign: dict[str, str], random: Any
) -> None:
    items = [*labels.items(), *(pair for pair in foreign.items() if pair[0] not in labels)]
    random.shuffle(items)
    assert hardware_of(seen(dict(items))) == hardware_of(seen(labels))


@given(MACHINES)
def test_case_is_told_apart_and_names_stay_unlike(labels: dict[str, str]) -> None:
    lower = {key: value if key.endswith("/arch") else value.lower() for key, value in labels.items()}
    both = [seen(each, name) for name, each in (("a", labels), ("b", lower))]
    kinds = {kind.identity for each in both for kind in hardware_of(each)}
    made = classes(*both)
    assert len({one.name for one in made}) == len(made) == len(kinds)


@given(MACHINES, MACHINES)
def test_a_node_is_of_the_classes_that_it_would_give_and_of_no_other(
    one: dict[str, str], other: dict[str, str]
) -> None:
    first, second = seen(one, "a"), seen(other, "b")
    own = {kind.identity for kind in hardware_of(first)}
    for made in classes(first, second):
        identity = (tuple(sorted(made.spec.match.match_labels.items())), bool(made.spec.resource_name))
        assert matches(made, first) == (identity in own)


@given(MACHINES, MACHINES)
def test_the_scheduler_is_told_what_tells_kinds_apart(one: dict[str, str], other: dict[str, str]) -> None:
    """Where both nodes offer one resource, affinity alone keeps pods of one kind off the other."""
    theirs = {kind.resource_name: kind for kind in hardware_of(seen(other))}
    for kind in hardware_of(seen(one)):
        rival = theirs.get(kind.resource_name)
        if rival is None or rival.identity == kind.identity:
            continue
        absent = absent_labels(kind.match_labels, kind.resource_name)
        admitted = kind.match_labels.items() <= other.items() and not set(absent) & set(other)
        assert not admitted


@given(MACHINES, FOREIGN)
def test_a_second_look_makes_nothing(labels: dict[str, str], foreign: dict[str, str]) -> None:
    found = seen(foreign | labels)
    assert take_stock([found], classes(found), NOW).created == ()


@given(MACHINES)
def test_names_and_labels_are_valid_for_kubernetes(labels: dict[str, str]) -> None:
    for made in classes(seen(labels)):
        assert 0 < len(made.name) <= 63
        assert made.name[0].isalnum()
        assert made.name[-1].isalnum()
        assert made.name == made.name.lower()
        assert len(made.spec.match.match_labels) <= 32
