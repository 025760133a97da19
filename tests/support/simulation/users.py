"""What people and hardware do: edits of specs, deletions, nodes that come and go, registries that fail."""

from typing import Any

from burnish_engine.errors import IntegrityError, RegistryUnavailable, Unauthorized
from burnish_operator import names
from burnish_operator.ports import NODE, OPTIMIZED_MODEL, Object
from fakes.cluster import copied
from fakes.fleet import NFD, model, node
from support.simulation.world import HARDWARE, SOURCES, World

SMALL_CLASS, LARGE_CLASS = "cpu-amd-25-17-small", "cpu-amd-25-17-large"
EDITS: tuple[dict[str, Any], ...] = (
    {"precisions": ["FP32"]},
    {"precisions": ["FP32", "INT8"]},
    {"serving": {"replicas": 3}},
    {"serving": {"replicas": 1}},
    {"serving": {"enabled": False}},
    {"serving": {"enabled": True}},
    {"targets": [{"acceleratorClass": SMALL_CLASS}]},
    {"targets": [{"acceleratorClass": LARGE_CLASS, "replicas": 2}, {"acceleratorClass": SMALL_CLASS}]},
    {"targets": [{"name": "chosen", "nodeSelector": {"node.kubernetes.io/instance-type": "small"}}]},
    {"targets": []},
    {"rollout": {"strategy": "Recreate"}},
    {"rollout": {"strategy": "InPlace"}},
    {"suspend": True},
    {"suspend": False},
    {"source": {"uri": SOURCES[0]}},
    {"source": {"uri": SOURCES[1]}},
    {"source": {"uri": SOURCES[2]}},
    {"registry": {"repository": "r.example/mine"}},
)
_NODE_CHANGES = (
    "gone", "not ready", "ready", "cordoned", "uncordoned", "label", "bare", "labelled", "bare", "labelled",
)  # fmt: skip
# What each model is at first: two of a kind want the same engines, the third chooses its nodes.
CHOSEN = {"name": "chosen", "nodeSelector": {"node.kubernetes.io/instance-type": "large"}}
FIRST: dict[tuple[str, str], dict[str, Any]] = {
    ("team", "pages"): {},
    ("team", "words"): {"targets": [CHOSEN]},
    ("other", "pages"): {},
}


def edit(world: World, one: int, two: int) -> str:
    """A user changes, deletes or makes a model, or asks for another try."""
    namespace, name = list(FIRST)[one % len(FIRST)]
    place = ("OptimizedModel", namespace, name)
    if place not in world.cluster.objects:
        world.cluster.put(_fresh(namespace, name, two))
        return f"makes {namespace}/{name}"
    if two % 10 == 0:
        world.cluster.remove(place)
        return f"deletes {namespace}/{name}"
    if two % 10 in (1, 2):
        world.cluster.remove(place)
        world.cluster.put(_fresh(namespace, name, two // 10))
        return f"replaces {namespace}/{name}"
    if two % 10 == 3:
        asked = world.clock.now().isoformat()
        metadata = {"annotations": {names.RETRY: asked}}
        world.cluster.update(OPTIMIZED_MODEL, namespace, name, metadata=metadata)
        return f"asks for another try of {namespace}/{name}"
    change = copied(EDITS[two // 10 % len(EDITS)])
    world.cluster.update(OPTIMIZED_MODEL, namespace, name, spec=change)
    return f"edits {namespace}/{name}: {change}"


def _fresh(namespace: str, name: str, number: int) -> Object:
    return model(name, namespace, source={"uri": SOURCES[number % 2]})


def churn(world: World, one: int, two: int) -> str:
    """A node changes, goes or comes back."""
    name = sorted(HARDWARE)[one % len(HARDWARE)]
    place = ("Node", "", name)
    if place not in world.cluster.objects:
        world.cluster.put(node(name, HARDWARE[name]))
        return f"node {name} comes"
    what = _NODE_CHANGES[two % len(_NODE_CHANGES)]
    if what == "gone":
        world.cluster.remove(place)
        world.lose_node(name)
    else:
        _change(world, name, what)
    return f"node {name} {what}"


def _change(world: World, name: str, what: str) -> None:
    metadata = copied(world.cluster.objects["Node", "", name]["metadata"])
    if what in ("ready", "not ready"):
        status = "True" if what == "ready" else "False"
        world.cluster.update(NODE, "", name, status={"conditions": [{"type": "Ready", "status": status}]})
        if status == "False":
            world.lose_node(name)
    elif what in ("cordoned", "uncordoned"):
        world.cluster.update(NODE, "", name, spec={"unschedulable": what == "cordoned"})
    elif what == "label":
        labels = {"example.com/rack": str(len(world.trace) % 7)}
        world.cluster.update(NODE, "", name, metadata={"labels": labels})
    else:
        # Feature discovery restarts: its labels flap.
        bare = {k: v for k, v in HARDWARE[name].items() if not k.startswith(NFD)}
        labels = bare if what == "bare" else HARDWARE[name]
        metadata["labels"] = {"kubernetes.io/hostname": name, **labels}
        stored = world.cluster.objects["Node", "", name]
        world.cluster.replace(stored | {"metadata": metadata})


def fail_registry(world: World, one: int, two: int) -> str:
    """The registry fails, recovers, loses an engine or gets another artifact behind a tag."""
    what = ("down", "up", "up", "denied", "broken", "lost", "lost", "retagged")[one % 8]
    errors = {"down": RegistryUnavailable, "denied": Unauthorized, "broken": IntegrityError}
    if what in errors:
        world.store.down = errors[what]("r.example", found=what, expected="an answer")
    elif what == "up":
        world.store.down = None
    elif what == "retagged":
        tag = sorted(world.store.tags)[two % len(world.store.tags)]
        world.store.tag(tag, f"sha256:{two % 10}{two:063d}")
    elif world.store.engines:
        del world.store.engines[sorted(world.store.engines)[two % len(world.store.engines)]]
    return f"registry {what}"
