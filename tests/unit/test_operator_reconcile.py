"""One turn of the loop: what it does where the world moved while it worked."""

from dataclasses import replace
from typing import Any

import pytest

from burnish_engine.errors import BurnishError
from burnish_operator.names import ENGINE
from burnish_operator.ports import DEPLOYMENT, JOB, OPTIMIZED_MODEL, Engine
from fakes.fleet import SMALL, Fleet, model, node, oom

FAILED = {
    "type": "Failed",
    "status": "True",
    "lastTransitionTime": "2026-05-04T10:00:00Z",
    "reason": "BackoffLimitExceeded",
}
OTHER = "oci://r.example/models/words:1"


def test_a_status_is_not_written_onto_an_object_that_was_not_read() -> None:
    """Deleted and made anew under the same name, in the midst of a turn: its source is not the old one's."""
    found = Fleet(node("a", SMALL))
    found.registry.tags[OTHER] = "sha256:" + "2" * 64
    found.inventory.reconcile()
    found.cluster.put(model())
    replace_while_it_works(found, model(source={"uri": OTHER}))
    with pytest.raises(BurnishError):
        found.models.reconcile("team", "pages")
    assert found.status().conditions == ()
    found.settle()
    assert found.status().source_digest == found.registry.tags[OTHER]


def test_pods_of_a_job_that_had_the_name_before_say_nothing_of_this_one() -> None:
    found = Fleet(node("a", SMALL))
    found.cluster.put(model())
    found.cluster.collects = False
    found.verdict = oom
    while not found.pods():
        found.operate()
        found.control()
    [first] = found.jobs()
    while [job["metadata"]["uid"] for job in found.jobs()] == [first["metadata"]["uid"]]:
        found.operate()
    [second] = found.jobs()
    found.patch(JOB, second["metadata"], status={"conditions": [FAILED]})
    found.operate()
    [target] = found.status().targets
    assert target.last_failure is not None
    assert target.last_failure.reason == "BackoffLimitExceeded"


def test_another_build_of_what_pods_serve_is_asked_for_anew() -> None:
    """The registry lost the engine, it was built again, and was lost again: memory knows the second one."""
    found = Fleet(node("a", SMALL))
    found.cluster.put(model())
    found.settle()
    find = found.registry.find_engine
    [place] = found.registry.engines
    digest = "sha256:" + "9" * 64
    other = replace(found.registry.engines[place], reference=f"r.example/engines@{digest}", digest=digest)
    found.registry.engines.clear()

    def remembered(repository: str, key: str, *, fresh: bool = False) -> Engine | None:
        return find(repository, key, fresh=fresh) if fresh else other

    found.registry.find_engine = remembered  # type: ignore[method-assign]
    found.operate()
    [deployment] = found.cluster.of_kind(DEPLOYMENT)
    assert not deployment["spec"]["template"]["metadata"]["annotations"][ENGINE].endswith("9")


def replace_while_it_works(found: Fleet, fresh: dict[str, Any]) -> None:
    resolve = found.registry.resolve

    def resolved(uri: str) -> str:
        digest = resolve(uri)
        if found.cluster.objects["OptimizedModel", "team", "pages"]["spec"] != fresh["spec"]:
            found.cluster.remove((OPTIMIZED_MODEL.kind, "team", "pages"))
            found.cluster.put(fresh)
        return digest

    found.registry.resolve = resolved  # type: ignore[method-assign]
