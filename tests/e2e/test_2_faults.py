"""Bad input and bad luck: a condition that says what to do, an Event, nothing orphaned, serving goes on."""

import io
import os
import pickle
import signal
from collections.abc import Callable

import numpy as np
import pytest
from rich.console import Console

from burnish_demo import samples
from burnish_demo.drive import MODEL
from burnish_demo.errors import DemoError
from burnish_demo.explain import explain
from burnish_demo.kube import Kube, Object
from burnish_demo.materials import PAGES_LABELLED, RECIPES, made
from burnish_demo.models import cache_root
from burnish_demo.place import MODEL_NAMESPACE, SYSTEM_NAMESPACE, Place, embedded_facts
from burnish_demo.visit import ask
from burnish_demo.watch import Watch
from support.world import FEATURES, World

LABELLED = next(each for each in RECIPES if each.repository == PAGES_LABELLED)


def assert_told(world: World, name: str, reason: str) -> None:
    """A Warning Event that names the reason, and nothing that serves."""

    def told() -> bool:
        warnings = [event for event in world.events(name) if event["type"] == "Warning"]
        return any(reason in f"{event['reason']} {event['message']}" for event in warnings)

    world.wait(f"an Event about {reason}", told, 10)
    assert world.owned("deployment", name) == []
    assert world.owned("service", name) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [("noise", bytes(range(256)) * 40), ("pickled", pickle.dumps({"weights": [0.0] * 100}))],
    ids=["noise", "pickled"],
)
def test_an_unreadable_model_stops_with_a_reason(world: World, name: str, content: bytes) -> None:
    spec = world.quick_model()
    spec["source"] = {"uri": world.push(f"broken-{name}", "model.onnx", content)}
    world.apply(name, spec)
    ready = world.wait_reason(name, "InvalidSource", "UnsafeSource")
    assert "expected" in ready["message"]
    assert_told(world, name, ready["reason"])


def test_a_source_that_is_not_there_starts_nothing(world: World) -> None:
    spec = world.quick_model()
    spec["source"] = {"uri": f"oci://{world.place.registry}/no/such/model:1"}
    world.apply("absent", spec)
    ready = world.wait_reason("absent", "NotFound")
    assert "no/such/model" in ready["message"]
    assert world.owned("job", "absent") == []
    assert_told(world, "absent", "NotFound")


def test_the_demo_gives_up_on_a_hopeless_model_and_shows_why(world: World) -> None:
    spec = world.quick_model()
    spec["source"] = {"uri": f"oci://{world.place.registry}/no/such/model:1"}
    world.apply("hopeless", spec)
    console = Console(file=io.StringIO(), width=120)
    with pytest.raises(DemoError, match="NotFound"):
        Watch(world.kube, world.namespace, "hopeless", console).until_ready(120)
    explain(world.kube, console, world.namespace, "hopeless", SYSTEM_NAMESPACE)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "SourceResolved   False    NotFound" in text
    assert f"--- {SYSTEM_NAMESPACE}/burnish-" in text


def wrong_name() -> samples.Samples:
    return {"z": np.zeros((8, FEATURES), np.float32)}


def wrong_shape() -> samples.Samples:
    return {"x": np.zeros((8, FEATURES + 1), np.float32)}


def not_a_number() -> samples.Samples:
    return {"x": np.full((8, FEATURES), np.nan, np.float32)}


@pytest.mark.parametrize("make", [wrong_name, wrong_shape, not_a_number])
def test_a_calibration_set_that_does_not_fit_stops_with_a_reason(
    world: World, make: Callable[[], samples.Samples]
) -> None:
    name = make.__name__.replace("_", "-")
    spec = world.quick_model()
    spec["calibration"] = {"uri": world.push_samples(name, make())}
    world.apply(name, spec)
    ready = world.wait_reason(name, "InvalidData")
    assert "expected" in ready["message"]
    assert_told(world, name, "InvalidData")


def test_a_job_that_runs_out_of_memory_is_told_as_such(world: World) -> None:
    spec = world.quick_model()
    spec["serving"] = {"resources": {"limits": {"cpu": "1", "memory": "32Mi"}, "requests": {"cpu": "100m"}}}
    world.apply("greedy", spec)
    ready = world.wait_reason("greedy", "OutOfMemory", seconds=180)
    assert "memory" in ready["message"]
    assert_told(world, "greedy", "OutOfMemory")


def test_deleting_a_model_while_its_job_runs_leaves_nothing(world: World) -> None:
    world.apply("brief", world.quick_model(seed=7))
    world.wait("a Job of brief", lambda: world.owned("job", "brief"), 60)
    world.kube.delete("optimizedmodel", world.namespace, "brief")
    for kind in ("job", "pod", "deployment", "replicaset", "service"):
        world.wait(f"no {kind} of brief", lambda kind=kind: not world.owned(kind, "brief"), 60)


@pytest.fixture
def targets(place: Place) -> list[Object]:
    """The demo's targets, from its status."""
    found = Kube(place.kubectl).find("optimizedmodel", MODEL_NAMESPACE, MODEL)
    assert found is not None
    listed: list[Object] = found["status"]["targets"]
    return listed


def test_serving_goes_on_while_the_registry_is_gone(world: World, targets: list[Object]) -> None:
    registry = embedded_facts(world.place.cluster or "")["pids"]["registry"]
    data, answers = world.scratch / "few.npz", world.scratch / "answers.npz"
    whole = samples.read(made(LABELLED, cache_root() / "data"))
    samples.write(data, {name: array[:8] for name, array in whole.items()})
    os.kill(registry, signal.SIGSTOP)
    try:
        for target in targets:
            service = target["rollout"]["deployment"]
            requests = ask(
                world.place, MODEL_NAMESPACE, service, model=MODEL, data_file=data, answers=answers, seconds=5
            )
            assert requests > 8
    finally:
        os.kill(registry, signal.SIGCONT)
    deployments = world.kube.list("deployment", MODEL_NAMESPACE)
    assert all(each["status"].get("readyReplicas") == each["spec"]["replicas"] for each in deployments)


def test_two_models_of_one_name_in_two_namespaces_do_not_meet(world: World) -> None:
    spec = world.quick_model(seed=5)
    other = World(world.place, world.client, f"{world.namespace}-b", world.scratch)
    other.create()
    try:
        world.apply("twin", spec)
        other.apply("twin", spec)
        world.wait_ready("twin")
        other.wait_ready("twin")
        world.kube.delete("optimizedmodel", world.namespace, "twin")
        assert len(other.owned("deployment", "twin")) == 2
    finally:
        other.remove()
