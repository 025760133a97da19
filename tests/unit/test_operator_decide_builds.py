"""Builds: one Job an engine, no engine twice, and a failure is remembered as long as it matters."""

from datetime import timedelta
from typing import Any

import pytest

from burnish_engine.errors import Action, RegistryUnavailable, Unauthorized
from burnish_operator import names
from burnish_operator.api import OptimizedModel
from burnish_operator.apply import Applier
from burnish_operator.decide.model import decide
from burnish_operator.gather import Gatherer
from burnish_operator.plan import CreateJob
from burnish_operator.ports import ACCELERATOR_CLASS, DEPLOYMENT, JOB, OPTIMIZED_MODEL
from fakes.fleet import LARGE, SMALL, SOURCE, Fleet, failing, model, node, oom

UNAVAILABLE = RegistryUnavailable("r.example", found="no answer", expected="an answer")


def fleet(*models: dict[str, Any]) -> Fleet:
    found = Fleet(node("a", SMALL))
    for each in models or (model(),):
        found.cluster.put(each)
    return found


def failure(found: Fleet) -> Any:
    return found.status().targets[0].last_failure


def test_an_engine_in_the_registry_is_not_built_again() -> None:
    first = fleet()
    first.settle()
    second = fleet()
    second.registry.engines = first.registry.engines
    second.settle()
    assert second.cluster.created_jobs == []
    assert second.condition("Ready") == ("True", "Ready")
    assert second.metrics.registry.get_sample_value("burnish_engine_cache_hits_total") == 1


def test_each_class_gets_its_own_job() -> None:
    found = Fleet(node("a", SMALL), node("b", LARGE))
    found.cluster.put(model())
    found.settle(work=False)
    assert len(found.jobs()) == 2
    assert found.condition("Optimized") == ("False", "Building")


@pytest.mark.parametrize(
    ("exit_code", "action", "reason"),
    [(3, Action.STALLED, "InvalidModel"), (3, Action.STALLED, "AccuracyGate"), (1, None, "Defect")],
)
def test_a_stalled_build_is_told_and_not_tried_again(
    exit_code: int, action: Action | None, reason: str
) -> None:
    found = fleet()
    found.verdict = failing(reason, action, exit_code)
    found.settle()
    found.clock.time += timedelta(days=2)
    for job in found.jobs():
        found.cluster.remove(("Job", "team", job["metadata"]["name"]))  # as its TTL does
    found.restart()
    found.settle()
    assert len(found.cluster.created_jobs) == 1
    assert found.condition("Optimized") == ("False", reason)
    assert found.condition("Ready") == ("False", reason)
    assert found.condition("Degraded") == ("True", reason)
    assert (failure(found).reason, failure(found).retry_at) == (reason, None)
    assert "BuildFailed" in found.events.reasons()


def test_a_changed_spec_is_tried_at_once() -> None:
    found = fleet()
    found.verdict = failing("AccuracyGate", Action.STALLED, 3)
    found.settle()
    found.verdict = found.succeed
    found.cluster.update(OPTIMIZED_MODEL, "team", "pages", spec={"precisions": ["FP32"]})
    found.settle()
    assert found.condition("Ready") == ("True", "Ready")
    assert failure(found) is None


def test_a_user_may_ask_for_another_try() -> None:
    found = fleet()
    found.verdict = failing("Unauthorized", Action.STALLED, 3)
    found.settle()
    found.verdict = found.succeed
    found.clock.time += timedelta(minutes=5)
    asked = {"annotations": {names.RETRY: found.clock.now().isoformat()}}
    found.cluster.update(OPTIMIZED_MODEL, "team", "pages", metadata=asked)
    found.settle()
    assert found.condition("Ready") == ("True", "Ready")


def test_a_try_that_is_asked_for_in_the_future_waits_until_then() -> None:
    found = fleet()
    found.verdict = failing("Unauthorized", Action.STALLED, 3)
    found.settle()
    asked = {"annotations": {names.RETRY: (found.clock.now() + timedelta(minutes=2)).isoformat()}}
    found.cluster.update(OPTIMIZED_MODEL, "team", "pages", metadata=asked)
    found.settle()
    assert len(found.cluster.created_jobs) == 1
    assert found.models.reconcile("team", "pages") == 120.0
    found.clock.time += timedelta(minutes=2)
    found.settle()
    assert len(found.cluster.created_jobs) == 2


def test_out_of_memory_is_tried_once_more_with_twice_the_memory() -> None:
    found = fleet()
    found.verdict = oom
    found.settle()
    assert len(found.cluster.created_jobs) == 2
    assert len(set(found.cluster.created_jobs)) == 1
    [job] = found.jobs()
    assert job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] == str(4 << 30)
    assert failure(found).reason == "OutOfMemory"
    assert "limits.memory" in failure(found).message


def test_a_transient_failure_is_tried_again_later_and_later() -> None:
    found = fleet()
    found.verdict = failing("RegistryUnavailable", Action.TRANSIENT, 4)
    found.settle()
    assert len(found.cluster.created_jobs) == 1
    assert failure(found).retry_at == "2026-05-04T10:01:00Z"
    found.clock.time += timedelta(seconds=61)
    found.settle()
    assert len(found.cluster.created_jobs) == 2
    assert (failure(found).attempts, failure(found).retry_at) == (2, "2026-05-04T10:05:01Z")
    found.verdict = found.succeed
    found.clock.time += timedelta(minutes=5)
    found.settle()
    assert found.condition("Ready") == ("True", "Ready")


@pytest.mark.parametrize(
    ("terminated", "job_reason", "reason", "again"),
    [
        ({"exitCode": 0}, "DeadlineExceeded", "DeadlineExceeded", False),
        ({"exitCode": 2, "reason": "Error"}, "PodFailurePolicy", "VersionMismatch", False),
        ({"exitCode": 1, "reason": "Error"}, "BackoffLimitExceeded", "OptimizerFailed", False),
        ({"exitCode": 137, "reason": "Error"}, "PodFailurePolicy", "Interrupted", True),
        ({"exitCode": 4, "message": "no JSON"}, "BackoffLimitExceeded", "Interrupted", True),
    ],
)
def test_every_end_of_a_job_has_a_reason(
    terminated: dict[str, Any], job_reason: str, reason: str, again: bool
) -> None:
    found = fleet()
    found.settle(work=False)
    ended = {"exitCode": 1} if terminated["exitCode"] == 0 else terminated
    found.end_job(found.jobs()[0], ended, job_reason)
    found.operate()
    assert failure(found).reason == reason
    assert (failure(found).retry_at is not None) is again
    assert len(failure(found).message) > 20


def test_an_evicted_pod_is_tried_again() -> None:
    found = fleet()
    found.settle(work=False)
    found.end_job(found.jobs()[0], {"exitCode": 137})
    pod = found.pods()[0]["metadata"]
    found.cluster.update(
        _pod_kind(),
        "team",
        pod["name"],
        status={"reason": "Evicted", "message": "The node was low on memory."},
    )
    found.operate()
    assert (failure(found).reason, failure(found).attempts) == ("Evicted", 1)


def _pod_kind() -> Any:
    from burnish_operator.ports import POD

    return POD


def test_two_models_of_one_name_share_one_job() -> None:
    found = fleet(model(), model(namespace="other"))
    found.settle(work=False)
    assert len(found.jobs()) == 1
    waiting = "other" if found.jobs()[0]["metadata"]["namespace"] == "team" else "team"
    assert found.condition("Optimized", namespace=waiting) == ("False", "BuiltElsewhere")
    found.settle()
    assert len(found.cluster.created_jobs) == 1
    assert found.condition("Ready") == found.condition("Ready", namespace="other") == ("True", "Ready")
    assert len(found.cluster.of_kind(DEPLOYMENT)) == 2


def test_two_workers_that_looked_at_one_time_create_one_job() -> None:
    found = fleet(model(), model(namespace="other"))
    found.inventory.reconcile()
    found.inventory.reconcile()
    gatherer = Gatherer(found.cluster, found.registry, found.clock, found.settings)
    raws = [found.cluster.get(OPTIMIZED_MODEL, space, "pages") for space in ("team", "other")]
    plans = [decide(gatherer.gather(OptimizedModel.from_dict(raw))).plan for raw in raws if raw]
    applier = Applier(found.cluster, found.registry)
    for plan in plans:
        assert any(isinstance(action, CreateJob) for action in plan)
        assert applier.apply(plan).failures == []
    assert len(found.jobs()) == 1


def test_two_repositories_need_two_jobs() -> None:
    elsewhere = model(namespace="other", registry={"repository": "r.example/others"})
    found = fleet(model(), elsewhere)
    found.settle()
    assert len(found.cluster.created_jobs) == 2


def test_another_repository_is_built_for_at_once_though_the_job_before_is_kept() -> None:
    found = fleet()
    found.settle()
    found.cluster.update(OPTIMIZED_MODEL, "team", "pages", spec={"registry": {"repository": "r.example/new"}})
    found.settle()
    assert found.condition("Ready") == ("True", "Ready")
    assert len(found.cluster.created_jobs) == 2
    assert [place.partition(":")[0] for place in found.registry.engines] == [
        "r.example/engines",
        "r.example/new",
    ]


def test_a_running_job_for_another_repository_gives_way() -> None:
    found = fleet()
    found.settle(work=False)
    found.cluster.update(OPTIMIZED_MODEL, "team", "pages", spec={"registry": {"repository": "r.example/new"}})
    found.settle(work=False)
    [job] = found.jobs()
    assert job["metadata"]["annotations"][names.ENGINE].startswith("r.example/new:")


def test_an_engine_that_another_repository_has_is_found_though_a_job_runs() -> None:
    found = fleet()
    found.settle(work=False)
    key = found.jobs()[0]["metadata"]["annotations"][names.ENGINE_KEY]
    found.registry.push(f"r.example/new:{key}")
    found.cluster.update(OPTIMIZED_MODEL, "team", "pages", spec={"registry": {"repository": "r.example/new"}})
    found.settle(work=False)
    assert (found.jobs(), found.condition("Ready")) == ([], ("True", "Ready"))
    assert len(found.cluster.created_jobs) == 1


def test_two_repositories_of_one_namespace_take_turns() -> None:
    found = fleet(model(), model("others", registry={"repository": "r.example/others"}))
    found.settle(work=False)
    assert found.condition("Optimized", "others") == ("False", "BuiltElsewhere")
    found.settle()
    assert found.condition("Ready") == found.condition("Ready", "others") == ("True", "Ready")
    assert len(found.cluster.created_jobs) == 2


def test_another_try_of_a_job_that_another_model_made() -> None:
    found = fleet(model(), model("twin"))
    found.verdict = failing("Unauthorized", Action.STALLED, 3)
    found.settle()
    assert found.condition("Optimized", "twin") == ("False", "Unauthorized")
    assert len(found.cluster.created_jobs) == 1
    found.verdict = found.succeed
    found.clock.time += timedelta(minutes=5)
    asked = {"annotations": {names.RETRY: found.clock.now().isoformat()}}
    found.cluster.update(OPTIMIZED_MODEL, "team", "twin", metadata=asked)
    found.settle()
    assert found.condition("Ready", "twin") == ("True", "Ready")


def test_the_model_that_owns_a_shared_job_goes_and_the_other_one_builds() -> None:
    found = fleet(model(), model("twin"))
    found.settle(work=False)
    [job] = found.jobs()
    owner = job["metadata"]["labels"][names.MODEL]
    found.cluster.remove(("OptimizedModel", "team", owner))
    found.settle()
    left = "twin" if owner == "pages" else "pages"
    assert found.condition("Ready", left) == ("True", "Ready")


def test_a_duplicate_job_of_a_second_operator_goes_and_the_older_one_stays() -> None:
    found = fleet(model(), model(namespace="other"))
    found.settle(work=False)
    [job] = found.jobs()
    twin_space = "other" if job["metadata"]["namespace"] == "team" else "team"
    owner = found.cluster.get(OPTIMIZED_MODEL, twin_space, "pages")
    assert owner is not None
    reference = job["metadata"]["ownerReferences"][0] | {"uid": owner["metadata"]["uid"]}
    twin = {**job, "metadata": {**job["metadata"], "namespace": twin_space, "ownerReferences": [reference]}}
    del twin["metadata"]["uid"], twin["metadata"]["creationTimestamp"]
    found.clock.time += timedelta(seconds=5)
    found.cluster.put(twin)
    found.settle(work=False)
    assert [j["metadata"]["uid"] for j in found.jobs()] == [job["metadata"]["uid"]]


def test_a_deleted_model_leaves_nothing_but_its_engines() -> None:
    found = fleet()
    found.settle(work=False)
    found.cluster.remove(("OptimizedModel", "team", "pages"))
    found.settle()
    left = {kind for kind, _, _ in found.cluster.objects}
    assert left == {"Node", "AcceleratorClass"}


def test_a_changed_spec_ends_the_job_that_nobody_needs() -> None:
    found = fleet()
    found.settle(work=False)
    [old] = found.jobs()
    found.cluster.update(OPTIMIZED_MODEL, "team", "pages", spec={"precisions": ["FP32"]})
    found.settle(work=False)
    [new] = found.jobs()
    assert new["metadata"]["name"] != old["metadata"]["name"]


def test_suspend_stops_jobs_and_resume_goes_on() -> None:
    found = fleet()
    found.settle(work=False)
    found.cluster.update(OPTIMIZED_MODEL, "team", "pages", spec={"suspend": True})
    found.settle()
    assert (found.jobs(), found.condition("Ready")) == ([], ("False", "Suspended"))
    found.cluster.update(OPTIMIZED_MODEL, "team", "pages", spec={"suspend": False})
    found.settle()
    assert found.condition("Ready") == ("True", "Ready")


def test_suspend_stops_jobs_whose_source_is_nowhere_any_more() -> None:
    found = fleet()
    found.settle(work=False)
    gone = {"uri": "oci://r.example/models/nowhere:1"}
    found.cluster.update(OPTIMIZED_MODEL, "team", "pages", spec={"suspend": True, "source": gone})
    found.settle()
    assert found.jobs() == []


def test_without_a_repository_the_user_is_told() -> None:
    found = fleet()
    found.settings = found.settings.model_copy(update={"repository": ""})
    found.restart()
    found.settle()
    assert found.condition("Optimized") == ("False", "NoRepository")


def test_a_registry_that_does_not_answer_starts_nothing_and_stops_nothing() -> None:
    found = fleet()
    found.settle()
    found.registry.error = UNAVAILABLE
    found.restart()
    found.settle()
    assert found.condition("Ready") == ("True", "Ready")
    found.cluster.update(OPTIMIZED_MODEL, "team", "pages", spec={"precisions": ["FP32"]})
    found.settle()
    assert found.condition("Ready") == ("Unknown", "RegistryUnavailable")
    assert len(found.cluster.of_kind(DEPLOYMENT)) == 1
    assert len(found.cluster.created_jobs) == 1


def test_a_registry_that_refuses_is_told_with_a_remedy() -> None:
    found = fleet(model(source={"uri": SOURCE, "digest": "sha256:" + "2" * 64}))
    found.registry.error = Unauthorized(
        "oci://me:secret@r.example/engines",
        found="access refused (401)",
        expected="a registry that lets us in",
    )
    found.settle()
    assert found.condition("Optimized") == ("False", "Unauthorized")
    assert all("secret" not in c.message for c in found.status().conditions)


def test_a_job_that_the_cluster_refuses_is_told() -> None:
    from burnish_operator.errors import Forbidden

    found = fleet()
    found.cluster.refuse["Job"] = Forbidden("jobs", found="exceeded quota", expected="to be allowed")
    found.settle()
    assert found.condition("Optimized") == ("False", "Forbidden")
    del found.cluster.refuse["Job"]
    found.settle()
    assert found.condition("Ready") == ("True", "Ready")


def test_an_engine_that_vanished_from_the_registry_is_built_again() -> None:
    found = fleet()
    found.settle()
    found.registry.engines.clear()
    found.operate()
    assert failure(found).reason == "EngineMissing"
    assert len(found.cluster.of_kind(DEPLOYMENT)) == 1
    found.clock.time += timedelta(seconds=61)
    found.settle()
    assert found.condition("Ready") == ("True", "Ready")


def test_hardware_that_is_away_starts_nothing() -> None:
    found = fleet()
    found.settle(work=False)
    found.cluster.remove(("Job", "team", found.jobs()[0]["metadata"]["name"]))
    found.cluster.objects.pop(("Node", "", "a"))
    found.inventory.reconcile()
    found.settle()
    assert found.condition("TargetsResolved") == ("False", "NoAcceleratorClasses")
    assert found.jobs() == []
    assert found.cluster.of_kind(ACCELERATOR_CLASS)[0]["status"]["nodes"] == 0


def test_the_job_carries_its_key_and_its_contract() -> None:
    found = fleet(model(calibration={"uri": "oci://r.example/c:1"}))
    found.registry.tags["oci://r.example/c:1"] = "sha256:" + "3" * 64
    found.settle(work=False)
    [job] = found.cluster.find(JOB)
    key = job["metadata"]["annotations"][names.ENGINE_KEY]
    assert job["metadata"]["name"] == f"burnish-{key[:16]}"
    args = job["spec"]["template"]["spec"]["containers"][0]["args"]
    assert args[:2] == ["optimize", SOURCE]
    pairs = dict(zip(args[2::2], args[3::2], strict=True))
    assert pairs["--key"] == key
    assert pairs["--push"] == f"oci://r.example/engines:{key}"
    assert pairs["--calibration-digest"] == "sha256:" + "3" * 64
