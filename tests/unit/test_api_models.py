"""The typed models: what is read, what is refused, what is written."""

from typing import Any

import pytest
from pydantic import ValidationError

from burnish_engine.errors import Action
from burnish_engine.request import Metric, Precision
from burnish_operator.api import (
    AcceleratorClass,
    Condition,
    ConditionStatus,
    InvalidObject,
    OptimizedModel,
    OptimizedModelStatus,
    RolloutStrategy,
    TargetState,
    TargetStatus,
)


def stored(spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "burnish.dev/v1alpha1",
        "kind": "OptimizedModel",
        "metadata": {"name": "pages", "namespace": "team-a", "uid": "u", "generation": 3, "managedFields": []}
        | metadata,
        "spec": {"source": {"uri": "oci://registry.example/models/pages:1"}} | (spec or {}),
    }


def test_the_shortest_object_has_every_default() -> None:
    spec = OptimizedModel.from_dict(stored()).spec
    assert spec.precisions == (Precision.FP32, Precision.BF16, Precision.INT8)
    assert spec.discovers_targets
    assert (spec.serving.enabled, spec.serving.replicas) == (True, 1)
    assert spec.rollout.strategy is RolloutStrategy.IN_PLACE
    assert (spec.optimization.deadline_seconds, spec.optimization.ttl_seconds) == (3600, 86400)
    assert spec.optimization.budget_seconds is None
    assert spec.secret_name is None


def test_fields_of_a_newer_version_are_ignored() -> None:
    raw = stored({"quantum": {"qubits": 8}, "serving": {"replicas": 2, "warp": True}})
    assert OptimizedModel.from_dict(raw).spec.serving.replicas == 2


def test_camel_case_outside_and_snake_case_inside() -> None:
    raw = stored(
        {"evaluation": {"uri": "oci://r/d", "metric": "accuracy", "maxDrop": 0.01}},
        deletionTimestamp="2026-05-04T10:00:00Z",
    )
    model = OptimizedModel.from_dict(raw)
    assert model.spec.evaluation is not None
    assert model.spec.evaluation.max_drop == 0.01
    assert model.spec.evaluation.metric is Metric.ACCURACY
    assert model.is_deleting
    assert model.spec.evaluation.to_dict() == raw["spec"]["evaluation"]


def test_whole_numbers_are_read_where_fractions_may_stand() -> None:
    raw = {
        "metadata": {"name": "a"},
        "spec": {"match": {"matchLabels": {"a": "b"}}, "pricePerHour": {"amount": 1}},
    }
    price = AcceleratorClass.from_dict(raw).spec.price_per_hour
    assert price is not None
    assert (price.amount, price.currency) == (1.0, "USD")


def test_a_numeric_quantity_reads_as_text() -> None:
    resources = OptimizedModel.from_dict(
        stored({"serving": {"resources": {"limits": {"cpu": 2}}}})
    ).spec.serving.resources
    assert resources is not None
    assert resources.limits == {"cpu": "2"}


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (
            stored({"precisions": ["FP7"]}),
            "OptimizedModel team-a/pages: found spec.precisions.0: input should be",
        ),
        (stored({"source": {}}), "spec.source.uri: field required"),
        ({"metadata": {"name": "pages"}}, "OptimizedModel pages: found spec: field required"),
        ({}, "OptimizedModel without a name: found metadata: field required"),
    ],
)
def test_what_cannot_be_read_is_named(raw: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidObject) as refusal:
        OptimizedModel.from_dict(raw)
    assert told in str(refusal.value)
    assert refusal.value.action is Action.STALLED


def test_objects_do_not_change() -> None:
    model = OptimizedModel.from_dict(stored())
    with pytest.raises(ValidationError, match="frozen"):
        model.spec.suspend = True  # type: ignore[misc]


def test_targets_are_called_by_their_class_or_their_own_name() -> None:
    targets = [{"acceleratorClass": "cpu-a"}, {"name": "pool", "nodeSelector": {"pool": "gpu"}}]
    spec = OptimizedModel.from_dict(stored({"targets": targets})).spec
    assert [target.effective_name for target in spec.targets] == ["cpu-a", "pool"]
    assert not spec.discovers_targets


@pytest.mark.parametrize("part", ["source", "calibration", "evaluation", "registry"])
def test_the_secret_may_be_named_anywhere(part: str) -> None:
    spec = {part: {"secretRef": {"name": "pull"}} | ({} if part == "registry" else {"uri": "oci://r/x"})}
    assert OptimizedModel.from_dict(stored(spec)).spec.secret_name == "pull"


def test_a_status_is_written_without_what_is_absent() -> None:
    condition = Condition(
        type="Ready",
        status=ConditionStatus.FALSE,
        reason="Building",
        message="1 of 2 targets is being built.",
        last_transition_time="2026-05-04T10:00:00Z",
        observed_generation=3,
    )
    target = TargetStatus(name="cpu-a", state=TargetState.BUILDING, job="burnish-0a1b2c3d4e5f6071")
    status = OptimizedModelStatus(observed_generation=3, conditions=(condition,), targets=(target,))
    assert status.to_dict() == {
        "observedGeneration": 3,
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "Building",
                "message": "1 of 2 targets is being built.",
                "lastTransitionTime": "2026-05-04T10:00:00Z",
                "observedGeneration": 3,
            }
        ],
        "targets": [{"name": "cpu-a", "state": "Building", "job": "burnish-0a1b2c3d4e5f6071"}],
        "replicas": 0,
    }
    assert status.target("cpu-a") == target
    assert status.target("cpu-b") is None
