"""Whenever the operator is killed, and whatever it was doing: the end is the same, with one Job an engine."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish_engine.errors import Action
from burnish_operator.ports import JOB, OPTIMIZED_MODEL
from fakes.cluster import Killed
from fakes.fleet import LARGE, SMALL, Fleet, failing, model, node, oom

EDITS = st.sampled_from(
    [
        {"precisions": ["FP32"]},
        {"precisions": ["FP32", "INT8"]},
        {"serving": {"replicas": 3}},
        {"serving": {"enabled": False}},
        {"serving": {"enabled": True}},
        {"targets": [{"acceleratorClass": "cpu-amd-25-17-small"}]},
        {"targets": []},
        {"rollout": {"strategy": "Recreate"}},
    ]
)
VERDICTS = st.sampled_from(["succeed", "oom", "stalled", "transient"])


def fleet(verdict: str = "succeed") -> Fleet:
    found = Fleet(node("a", SMALL), node("b", LARGE))
    found.verdict = {
        "succeed": found.succeed,
        "oom": oom,
        "stalled": failing("InvalidModel", Action.STALLED, 3),
        "transient": failing("RegistryUnavailable", Action.TRANSIENT, 4),
    }[verdict]
    for namespace in ("team", "other"):
        found.cluster.put(model(namespace=namespace))
    return found


def end_state(found: Fleet) -> dict[str, Any]:
    """All that a user could see, less what tells of the way there (ids, versions)."""
    kept = {}
    for place, obj in found.cluster.objects.items():
        if place[0] in ("Pod", "Job"):
            continue
        spec = {key: value for key, value in obj.items() if key in ("spec", "status")}
        kept[place] = _without_jobs(spec)
    return kept


def _without_jobs(value: Any) -> Any:
    # Which of two models with one key got the Job, and whether its words were "waits for the other's",
    # depends on who was first; what was built does not.
    if isinstance(value, dict):
        dropped = {"job", "lastTransitionTime"}
        return {key: _without_jobs(item) for key, item in value.items() if key not in dropped}
    return [_without_jobs(item) for item in value] if isinstance(value, list) else value


@settings(max_examples=40)
@given(deaths=st.lists(st.integers(0, 6), max_size=12), verdict=VERDICTS)
def test_killed_at_any_write_the_end_is_the_same(deaths: list[int], verdict: str) -> None:
    undisturbed = fleet(verdict)
    undisturbed.settle()
    killed = fleet(verdict)
    for death in deaths:
        killed.cluster.die_at = len(killed.cluster.writes) + death
        try:
            killed.operate()
        except Killed:
            killed.restart()
        killed.cluster.die_at = None
        killed.control()
    killed.settle()
    assert end_state(killed) == end_state(undisturbed)
    assert len(killed.cluster.created_jobs) == len(undisturbed.cluster.created_jobs)
    assert _running_at_once(killed) <= 1


@pytest.mark.parametrize("verdict", ["succeed", "oom", "stalled", "transient"])
def test_killed_before_any_one_write_the_end_is_the_same(verdict: str) -> None:
    undisturbed = fleet(verdict)
    undisturbed.settle()
    for death in range(len(undisturbed.cluster.writes)):
        killed = fleet(verdict)
        killed.cluster.die_at = death
        with pytest.raises(Killed):
            killed.settle()
        killed.cluster.die_at = None
        killed.restart()
        killed.settle()
        assert end_state(killed) == end_state(undisturbed), f"killed before write {death}"
        assert sorted(killed.cluster.created_jobs) == sorted(undisturbed.cluster.created_jobs)


def _running_at_once(found: Fleet) -> int:
    keys = [job["metadata"]["labels"]["burnish.dev/engine-key"] for job in found.cluster.of_kind(JOB)]
    return max((keys.count(key) for key in keys), default=0)


@settings(max_examples=40)
@given(edits=st.lists(EDITS, max_size=5), verdict=VERDICTS, work=st.booleans())
def test_at_rest_another_turn_of_another_operator_writes_nothing(
    edits: list[dict[str, Any]], verdict: str, work: bool
) -> None:
    found = fleet(verdict)
    found.operate()
    for edit in edits:
        found.control()
        found.cluster.update(OPTIMIZED_MODEL, "team", "pages", spec=edit)
        found.operate()
    found.settle(work=work)
    before = list(found.cluster.writes)
    found.restart()
    found.operate()
    assert found.cluster.writes == before


@settings(max_examples=25)
@given(edits=st.lists(EDITS, min_size=1, max_size=5))
def test_only_the_last_spec_counts_and_not_the_way_there(edits: list[dict[str, Any]]) -> None:
    walked, direct = fleet(), fleet()
    for edit in edits:
        walked.operate()
        walked.control()
        walked.cluster.update(OPTIMIZED_MODEL, "team", "pages", spec=edit)
        direct.cluster.update(OPTIMIZED_MODEL, "team", "pages", spec=edit)
    walked.settle()
    direct.settle()
    assert _deployed(walked) == _deployed(direct)
    assert _served(walked) == _served(direct)


def _deployed(found: Fleet) -> dict[Any, Any]:
    return {p: o["spec"] for p, o in found.cluster.objects.items() if p[0] in ("Deployment", "Service")}


def _served(found: Fleet) -> list[Any]:
    return [(t.name, t.state, t.engine, t.rollout) for t in found.status().targets]
