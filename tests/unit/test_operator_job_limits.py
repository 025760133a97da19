"""How many Jobs build at once: the next ones wait, say so, and get their turn."""

from typing import Any

import pytest

from burnish_operator import names
from burnish_operator.api import ConditionType, OptimizedModel
from burnish_operator.apply import Applier
from burnish_operator.decide.model import decide
from burnish_operator.errors import JobsFull
from burnish_operator.gather import Gatherer
from burnish_operator.limits import Limit, Running, running
from burnish_operator.plan import Apply, Why
from burnish_operator.ports import ACCELERATOR_CLASS, JOB, OPTIMIZED_MODEL, SERVICE
from fakes.fleet import LARGE, SETTINGS, SMALL, Fleet, model, node

LAST = Apply(
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "last", "namespace": "team"}},
    Why(ConditionType.ROLLED_OUT),
)
PRECISIONS = ("FP32", "BF16", "INT8")


def fleet(count: int, *nodes: dict[str, str], max_jobs: int = 0) -> Fleet:
    """So many models, each with an engine of its own."""
    settings = SETTINGS.model_copy(update={"max_jobs": max_jobs})
    kinds = [node(f"node-{n}", labels) for n, labels in enumerate(nodes or (SMALL,))]
    found = Fleet(*kinds, settings=settings)
    for number in range(count):
        found.cluster.put(model(f"m{number}", precisions=["FP32", PRECISIONS[number]][: 1 + (number > 0)]))
    return found


def discover(found: Fleet) -> None:
    """Classes with their nodes counted."""
    while found.inventory.reconcile() == 0.0:
        continue


def limit_class(found: Fleet, most: int) -> str:
    """On every class; returns the name of the first."""
    discover(found)
    classes = [raw["metadata"]["name"] for raw in found.cluster.of_kind(ACCELERATOR_CLASS)]
    for name in classes:
        found.cluster.update(ACCELERATOR_CLASS, "", name, spec={"maxJobs": most})
    return str(classes[0])


def waiting(found: Fleet, count: int) -> list[str]:
    """What those say that wait."""
    optimized = [found.condition("Optimized", f"m{n}") for n in range(count)]
    messages = [found.status(f"m{n}").targets[0].progress or "" for n in range(count)]
    return [m for (_, reason), m in zip(optimized, messages, strict=True) if reason == "JobLimitReached"]


def test_in_all_only_so_many_build_and_each_gets_its_turn() -> None:
    found = fleet(3, max_jobs=2)
    found.settle(work=False)
    assert len(found.jobs()) == 2
    [told] = waiting(found, 3)
    assert told == (
        "Waits for its turn: 2 Job(s) build, and at most 2 may (BURNISH_MAX_JOBS of the operator)."
    )
    found.settle()
    assert [found.condition("Ready", f"m{n}")[0] for n in range(3)] == ["True"] * 3
    assert len(found.cluster.created_jobs) == 3


def test_a_class_has_a_limit_of_its_own() -> None:
    found = fleet(2, SMALL, LARGE)
    name = limit_class(found, 1)
    found.settle(work=False)
    placed = [job["metadata"]["labels"][names.CLASS] for job in found.jobs()]
    assert len(placed) == len(set(placed)) == 2
    assert any(f"(spec.maxJobs of AcceleratorClass {name})" in told for told in waiting(found, 2))
    found.settle()
    assert len(found.cluster.created_jobs) == 4


def test_of_one_model_one_target_builds_at_a_time() -> None:
    found = fleet(1, SMALL, LARGE, max_jobs=1)
    found.settle(work=False)
    assert len(found.jobs()) == 1
    states = {target.state for target in found.status("m0").targets}
    assert {str(state) for state in states} == {"Building", "Pending"}
    found.settle()
    assert found.condition("Ready", "m0") == ("True", "Ready")


def test_a_class_with_a_limit_of_nothing_builds_nothing_and_serves_what_there_is() -> None:
    found = fleet(1)
    found.settle()
    limit_class(found, 0)
    found.cluster.put(model("m1", precisions=["BF16"]))
    found.settle()
    assert len(found.cluster.created_jobs) == 1
    assert (found.condition("Ready", "m0"), len(waiting(found, 2))) == (("True", "Ready"), 1)


def test_what_is_held_back_takes_no_place() -> None:
    found = fleet(2, max_jobs=1)
    found.settle(work=False)
    [job] = found.jobs()
    found.cluster.update(JOB, "team", job["metadata"]["name"], spec={"suspend": True})
    found.settle(work=False)
    assert len(found.jobs()) == 2
    assert running(found.jobs()).total == 1


def test_of_two_turns_at_the_same_moment_one_is_put_off() -> None:
    found = fleet(2, max_jobs=1)
    discover(found)
    gatherer = Gatherer(found.cluster, found.registry, found.clock, found.settings)
    raws = found.cluster.of_kind(OPTIMIZED_MODEL)
    plans = [decide(gatherer.gather(OptimizedModel.from_dict(raw))).plan for raw in raws]
    applier = Applier(found.cluster, found.registry)
    applier.apply(plans[0])
    with pytest.raises(JobsFull, match="1 Job"):
        applier.apply(plans[1])
    assert len(found.jobs()) == 1


def test_what_is_too_much_keeps_nothing_else_of_a_turn_from_being_done() -> None:
    found = fleet(1, SMALL, LARGE, max_jobs=1)
    discover(found)
    gatherer = Gatherer(found.cluster, found.registry, found.clock, found.settings)
    [raw] = found.cluster.of_kind(OPTIMIZED_MODEL)
    plan = decide(gatherer.gather(OptimizedModel.from_dict(raw))).plan
    applier = Applier(found.cluster, found.registry)
    with pytest.raises(JobsFull):
        applier.apply([*plan, LAST])
    assert found.cluster.get(SERVICE, "team", "last") is not None


def test_without_a_limit_no_job_is_counted() -> None:
    found = fleet(2)
    asked: list[Any] = []
    find = found.cluster.find
    found.cluster.find = lambda kind, *rest, **more: (  # type: ignore[method-assign]
        asked.append((kind, more.get("labels"))) or find(kind, *rest, **more)
    )
    found.settle()
    assert (JOB, names.OURS) not in asked


def test_limits_are_told_with_what_set_them() -> None:
    now = Running(3, (("l4", 2),))
    assert now.reached([Limit(4, "a"), Limit(3, "b", "l4")]) == ""
    assert now.reached([Limit(3, "a")]) == "3 Job(s) build, and at most 3 may (a)"
    assert now.reached([Limit(9, "a"), Limit(2, "b", "l4")]) == (
        "2 Job(s) build on class l4, and at most 2 may (b)"
    )
    assert now.reached([Limit(0, "c", "a100")]).startswith("0 Job(s) build on class a100")
