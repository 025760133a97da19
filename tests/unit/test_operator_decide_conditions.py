"""Conditions, source, index, events: what the user reads."""

from datetime import timedelta
from typing import Any

import pytest

from burnish_engine.redact import sanitized
from burnish_operator.api import Condition, ConditionStatus, ConditionType
from burnish_operator.decide.conditions import ROAD, Verdict, conditions, fails, holds, ready
from burnish_operator.errors import Forbidden
from burnish_operator.ports import OPTIMIZED_MODEL
from fakes.cluster import FakeClock
from fakes.fleet import SMALL, SOURCE, Fleet, model, node

NOW = FakeClock().now()


def fleet(**spec: Any) -> Fleet:
    found = Fleet(node("a", SMALL))
    found.cluster.put(model(**spec))
    return found


@pytest.mark.parametrize("failing", ROAD)
def test_ready_takes_its_reason_from_the_first_step_that_does_not_hold(failing: ConditionType) -> None:
    position = ROAD.index(failing)
    verdicts = [holds(k, "Fine", "") for k in ROAD[:position]] + [
        fails(k, f"{k}Bad", "") for k in ROAD[position:]
    ]
    overall = ready(verdicts, suspended=False)
    assert (overall.status, overall.reason) == (ConditionStatus.FALSE, f"{failing}Bad")
    assert ready(verdicts, suspended=True).reason == "Suspended"


def test_ready_holds_where_every_step_does() -> None:
    assert ready([holds(k, "Fine", "") for k in ROAD], suspended=True).status is ConditionStatus.TRUE


def test_the_transition_time_moves_only_with_the_status() -> None:
    def judged(status: ConditionStatus, old: tuple[Condition, ...], minutes: int) -> tuple[Condition, ...]:
        verdict = Verdict("Ready", status, f"R{minutes}", "m")
        return conditions([verdict], old, 3, NOW + timedelta(minutes=minutes))

    first = judged(ConditionStatus.FALSE, (), 0)
    second = judged(ConditionStatus.FALSE, first, 1)
    third = judged(ConditionStatus.TRUE, second, 2)
    times = [c[0].last_transition_time for c in (first, second, third)]
    assert times == ["2026-05-04T10:00:00Z", "2026-05-04T10:00:00Z", "2026-05-04T10:02:00Z"]
    assert second[0].reason == "R1"


def test_a_source_that_is_not_there_is_told_and_looked_for_again() -> None:
    found = fleet(source={"uri": "oci://r.example/models/typo:1"})
    found.settle()
    assert found.condition("SourceResolved") == ("False", "NotFound")
    assert found.condition("Ready") == ("False", "NotFound")
    assert found.jobs() == []
    assert found.models.reconcile("team", "pages") == 60.0
    assert "SourceNotResolved" in found.events.reasons()


def test_a_tag_is_pinned_until_the_spec_changes() -> None:
    found = fleet()
    found.settle()
    first = found.status().source_digest
    found.registry.tags[SOURCE] = "sha256:" + "9" * 64
    found.restart()
    found.settle()
    assert found.status().source_digest == first
    found.cluster.update(OPTIMIZED_MODEL, "team", "pages", spec={"serving": {"replicas": 2}})
    found.settle()
    assert found.status().source_digest == "sha256:" + "9" * 64


def test_the_index_is_pushed_once_for_the_same_engines() -> None:
    found = fleet()
    found.settle()
    assert len([q for q in found.registry.asked if q.startswith("index")]) == 1
    assert len(found.registry.indexes) == 1
    found.restart()
    found.settle()
    assert len([q for q in found.registry.asked if q.startswith("index")]) == 1


def test_an_object_that_cannot_be_read_is_told() -> None:
    found = fleet(source={"uri": 5})
    found.operate()
    found.operate()
    raw = found.cluster.get(OPTIMIZED_MODEL, "team", "pages")
    assert raw is not None
    [told] = raw["status"]["conditions"]
    assert (told["status"], told["reason"]) == ("False", "InvalidObject")
    assert "spec.source.uri" in told["message"]


def test_a_right_that_is_missing_is_told_in_the_status() -> None:
    found = fleet()
    found.settle()
    found.cluster.unreadable.add("Job")
    with pytest.raises(Forbidden):
        found.models.reconcile("team", "pages")
    assert found.condition("Ready") == ("False", "Forbidden")
    found.cluster.unreadable.clear()
    found.settle()
    assert found.condition("Ready") == ("True", "Ready")


def test_a_defect_is_told_in_the_status_too(monkeypatch: pytest.MonkeyPatch) -> None:
    found = fleet()
    found.operate()

    def broken(_: object) -> None:
        raise ZeroDivisionError("at https://me:pw@r.example/x?sig=1")

    monkeypatch.setattr("burnish_operator.reconcile.decide", broken)
    with pytest.raises(ZeroDivisionError):
        found.models.reconcile("team", "pages")
    told = next(c for c in found.status().conditions if c.type == "Ready")
    assert (told.status, told.reason) == ("Unknown", "InternalError")
    assert "pw" not in told.message
    assert "sig" not in told.message


def test_at_rest_nothing_is_said_twice() -> None:
    found = fleet()
    found.settle()
    said = list(found.events.published)
    found.restart()
    found.settle()
    assert found.events.published == said
    assert found.events.reasons()[-1] == "Ready"


def test_a_deleted_model_takes_its_series_along() -> None:
    found = fleet()
    found.settle()
    labels = {"namespace": "team", "model": "pages", "target": "cpu-amd-25-17-small"}
    assert found.metrics.registry.get_sample_value("burnish_accelerators_saved", labels) == 1
    found.cluster.remove(("OptimizedModel", "team", "pages"))
    found.models.reconcile("team", "pages")
    assert found.metrics.registry.get_sample_value("burnish_accelerators_saved", labels) is None


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("GET https://u:p@h/x?X-Amz-Signature=1 failed", "GET https://h/x?… failed"),
        ("Authorization: Bearer abcdefghijklmnop", "Authorization: Bearer …"),
        ("oci://r.example/m:1", "oci://r.example/m:1"),
    ],
)
def test_messages_keep_no_secret(text: str, clean: str) -> None:
    assert sanitized(text) == clean
