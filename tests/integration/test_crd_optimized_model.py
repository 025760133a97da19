"""What the API server itself says of OptimizedModels: defaults, refusals, columns, explain, scale."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from burnish_operator.api import OptimizedModel

pytestmark = pytest.mark.integration

DIGEST = "sha256:" + "0a" * 32
Apply = Callable[[dict[str, Any]], dict[str, Any]]
Refused = Callable[[dict[str, Any]], str]


def model(spec: dict[str, Any] | None = None, name: str = "page-orientation") -> dict[str, Any]:
    shortest = {"source": {"uri": "oci://registry.example/models/page-orientation:1"}}
    return {
        "apiVersion": "burnish.dev/v1alpha1",
        "kind": "OptimizedModel",
        "metadata": {"name": name},
        "spec": shortest | deepcopy(spec or {}),
    }


def test_the_shortest_object_is_stored_with_every_default(apply: Apply) -> None:
    spec = apply(model())["spec"]
    assert spec == {
        "source": {"uri": "oci://registry.example/models/page-orientation:1", "format": "ONNX"},
        "objective": {"minimize": "Latency", "batch": 1},
        "precisions": ["FP32", "BF16", "INT8"],
        "registry": {},
        "serving": {"runtime": "Burnish", "enabled": True, "replicas": 1},
        "rollout": {"strategy": "InPlace", "paused": False},
        "optimization": {"deadline": "1h", "ttl": "1d"},
        "suspend": False,
    }


def test_server_defaults_are_those_of_the_models(apply: Apply) -> None:
    local = OptimizedModel.from_dict(model())
    stored = OptimizedModel.from_dict(apply(model()))
    assert stored.spec == local.spec


def test_a_full_object_is_accepted_and_reads_back(apply: Apply) -> None:
    full = {
        "source": {"uri": "https://models.example/a.onnx", "digest": DIGEST, "secretRef": {"name": "pull"}},
        "calibration": {
            "uri": "oci://registry.example/data/pages:1",
            "samples": 64,
            "secretRef": {"name": "pull"},
        },
        "evaluation": {"uri": "oci://registry.example/data/l:1", "metric": "accuracy", "maxDrop": 0.01},
        "objective": {"minimize": "Cost", "latency": {"milliseconds": 7.5}, "batch": 8},
        "precisions": ["INT8", "FP32"],
        "targets": [
            {
                "acceleratorClass": "cpu-avx512",
                "replicas": 2,
                "resources": {"limits": {"cpu": 2, "memory": "1Gi"}},
            },
            {"name": "pool", "nodeSelector": {"pool": "gpu"}, "tolerations": [{"operator": "Exists"}]},
        ],
        "registry": {"repository": "registry.example:5000/burnish/engines", "secretRef": {"name": "pull"}},
        "serving": {"replicas": 3, "runtime": "Triton", "image": "registry.example/tritonserver@" + DIGEST},
        "rollout": {
            "strategy": "Canary",
            "steps": [{"weight": 10, "pause": "0s"}, {"weight": 50}],
            "paused": True,
        },
        "optimization": {"deadline": "1h30m", "ttl": "7d", "budget": "10m", "queueName": "team-a"},
        "suspend": True,
    }
    stored = OptimizedModel.from_dict(apply(model(full)))
    assert stored.spec.evaluation is not None
    assert stored.spec.evaluation.max_drop == 0.01
    assert stored.spec.objective.latency is not None
    assert (stored.spec.objective.latency.percentile, stored.spec.objective.latency.milliseconds) == (99, 7.5)
    assert [target.effective_name for target in stored.spec.targets] == ["cpu-avx512", "pool"]
    assert stored.spec.targets[0].resources is not None
    assert stored.spec.targets[0].resources.limits == {"cpu": "2", "memory": "1Gi"}
    assert stored.spec.secret_name == "pull"
    assert stored.spec.optimization.deadline_seconds == 5400
    assert [(s.weight, s.pause_seconds) for s in stored.spec.rollout.canary_steps] == [(10, 0), (50, 300)]


def test_an_analysis_is_stored_with_every_limit(apply: Apply) -> None:
    stored = apply(model({"rollout": {"strategy": "Canary", "analysis": {}}}))
    assert stored["spec"]["rollout"] == {
        "strategy": "Canary",
        "paused": False,
        "analysis": {
            "interval": "1m",
            "count": 5,
            "failureLimit": 1,
            "inconclusiveLimit": 10,
            "consecutiveErrorLimit": 4,
            "maxErrorRate": 0.01,
            "maxLatencyRatio": 1.2,
            "minRequests": 100,
        },
    }
    rollout = OptimizedModel.from_dict(stored).spec.rollout
    assert [(step.weight, step.pause) for step in rollout.canary_steps] == [(20, "5m")]


def canary(rollout: dict[str, Any]) -> dict[str, Any]:
    return {"rollout": {"strategy": "Canary", **rollout}}


BAD = {
    "scheme": ({"source": {"uri": "s3://bucket/model.onnx"}}, "begin with oci:// or https://"),
    "unpinned": ({"source": {"uri": "https://models.example/a.onnx"}}, "must be pinned: add digest: sha256:"),
    "digest": (
        {"source": {"uri": "oci://r/m", "digest": "3f78"}},
        "a digest is sha256: and 64 hexadecimal digits",
    ),
    "format": ({"source": {"uri": "oci://r/m", "format": "PyTorch"}}, 'supported values: "ONNX"'),
    "missing source": ({"source": {}}, "spec.source.uri: Required value"),
    "two limits": (
        {"evaluation": {"uri": "oci://r/d", "maxDrop": 0.01, "minimum": 0.9}},
        "give maxDrop (how far the metric may fall) or minimum (an absolute floor), not both",
    ),
    "negative share": (
        {"evaluation": {"uri": "oci://r/d", "minimum": -0.5}},
        "only cosine and entry may be negative",
    ),
    "floor above all": ({"evaluation": {"uri": "oci://r/d", "minimum": 95}}, "minimum is at most 1"),
    "floor below all": (
        {"evaluation": {"uri": "oci://r/d", "metric": "cosine", "minimum": -2}},
        "minimum of cosine is at least -1",
    ),
    "drop of two": ({"evaluation": {"uri": "oci://r/d", "maxDrop": 2}}, "maxDrop is a share, at most 1"),
    "metric": ({"evaluation": {"uri": "oci://r/d", "metric": "bleu"}}, 'supported values: "accuracy"'),
    "drop of decibels": (
        {"evaluation": {"uri": "oci://r/d", "metric": "sqnr", "maxDrop": 0.1}},
        "give minimum, in dB",
    ),
    "floor of errors": (
        {"evaluation": {"uri": "oci://r/d", "metric": "cer", "minimum": 0.1}},
        "better where they are lower",
    ),
    "error without a unit": (
        {"evaluation": {"uri": "oci://r/d", "metric": "max-error"}},
        "give maxDrop, the largest error",
    ),
    "entry without a name": (
        {"evaluation": {"uri": "oci://r/d", "metric": "entry"}},
        "entryPoint go together",
    ),
    "name without entry": (
        {"evaluation": {"uri": "oci://r/d", "entryPoint": "invoice-totals"}},
        "entryPoint go together",
    ),
    "any function of the image": (
        {"evaluation": {"uri": "oci://r/d", "metric": "entry", "entryPoint": "os:system"}},
        "spec.evaluation.entryPoint",
    ),
    "class and selector": (
        {"targets": [{"acceleratorClass": "a", "nodeSelector": {"x": "y"}, "name": "n"}]},
        "give acceleratorClass (see `kubectl get ac`) or nodeSelector, exactly one of them",
    ),
    "neither": ({"targets": [{"replicas": 1}]}, "exactly one of them"),
    "unnamed selector": (
        {"targets": [{"nodeSelector": {"x": "y"}}]},
        "name a target that has a nodeSelector",
    ),
    "named class": (
        {"targets": [{"acceleratorClass": "a", "name": "b"}]},
        "one with an acceleratorClass has its name",
    ),
    "twice": (
        {"targets": [{"acceleratorClass": "a"}, {"name": "a", "nodeSelector": {"x": "y"}}]},
        "give each target a name of its own",
    ),
    "precision": ({"precisions": ["INT4"]}, 'supported values: "FP32", "BF16", "INT8"'),
    "precision twice": ({"precisions": ["INT8", "INT8"]}, "name each precision once"),
    "no precision": ({"precisions": []}, "should have at least 1 items"),
    "repository": (
        {"registry": {"repository": "oci://r/e:1"}},
        "write host/path with neither scheme nor tag",
    ),
    "deadline": ({"optimization": {"deadline": "ten minutes"}}, "45s, 10m, 1h30m or 1d"),
    "empty deadline": ({"optimization": {"deadline": ""}}, "45s, 10m, 1h30m or 1d"),
    "quantity": ({"serving": {"resources": {"limits": {"cpu": "two"}}}}, "spec.serving.resources.limits.cpu"),
    "runtime": (
        {"serving": {"runtime": "TorchServe"}},
        'supported values: "Burnish", "Triton", "OpenVINOModelServer"',
    ),
    "image of ours": ({"serving": {"image": "r/x:1"}}, "set runtime to Triton or OpenVINOModelServer"),
    "image": (
        {"serving": {"runtime": "Triton", "image": "https://r/x:1 "}},
        "write an image reference, such as registry.example/tritonserver:1.0",
    ),
    "steps without a canary": (
        {"rollout": {"steps": [{"weight": 20}]}},
        "steps are those of a canary: set strategy to Canary",
    ),
    "analysis without a canary": (
        {"rollout": {"strategy": "Recreate", "analysis": {}}},
        "only a canary is analysed: set strategy to Canary",
    ),
    "a pause without a canary": (
        {"rollout": {"paused": True}},
        "only a canary can be paused: set strategy to Canary",
    ),
    "falling weights": (canary({"steps": [{"weight": 20}, {"weight": 10}]}), "let the weights rise"),
    "a weight twice": (canary({"steps": [{"weight": 20}, {"weight": 20}]}), "let the weights rise"),
    "more than half": (canary({"steps": [{"weight": 60}]}), "should be less than or equal to 50"),
    "no step": (canary({"steps": []}), "should have at least 1 items"),
    "a pause of words": (canary({"steps": [{"weight": 20, "pause": "soon"}]}), "45s, 10m, 1h30m or 1d"),
    "no time between": (canary({"analysis": {"interval": "0s"}}), "analyses need some time between them"),
    "rate in percent": (canary({"analysis": {"maxErrorRate": 5}}), "should be less than or equal to 1"),
    "no count": (canary({"analysis": {"count": 0}}), "should be greater than or equal to 1"),
    "metrics of another server": (
        canary({"analysis": {}}) | {"serving": {"runtime": "Triton"}},
        "analysis reads the metrics of Burnish's own server",
    ),
    "replicas": ({"serving": {"replicas": -1}}, "should be greater than or equal to 0"),
    "latency of nothing": ({"objective": {"latency": {"milliseconds": 0}}}, "should be greater than 0"),
    "percentile": (
        {"objective": {"latency": {"percentile": 95, "milliseconds": 1}}},
        'supported values: "50", "90", "99"',
    ),
    "two secrets": (
        {
            "source": {"uri": "oci://r/m", "secretRef": {"name": "a"}},
            "registry": {"secretRef": {"name": "b"}},
        },
        "all secretRefs must name the same Secret",
    ),
    "unknown field": ({"sources": {}}, "field not declared in schema"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_object_is_refused_with_what_to_do(refused: Refused, case: str) -> None:
    spec, message = BAD[case]
    told = refused(model(spec))
    assert message in told, told


@pytest.mark.parametrize("name", ["1st-model", "a.b", "m" * 64])
def test_a_name_that_cannot_be_a_service_is_refused(refused: Refused, name: str) -> None:
    assert "the name becomes that of a Service" in refused(model(name=name))


@pytest.mark.parametrize(
    "limits",
    [
        {"metric": "cosine", "minimum": -0.5},
        {"metric": "sqnr", "minimum": 35},
        {"metric": "max-error", "maxDrop": 2.5},
        {"metric": "entry", "entryPoint": "invoice-totals", "maxDrop": 12},
        {"metric": "top5-agreement"},
    ],
)
def test_limits_have_the_scale_of_their_metric(apply: Apply, limits: dict[str, Any]) -> None:
    evaluation = {"uri": "oci://r/d", **limits}
    stored = apply(model({"evaluation": evaluation}))
    assert stored["spec"]["evaluation"].items() >= evaluation.items()
    assert OptimizedModel.from_dict(stored).spec.evaluation is not None


def test_scale_sets_the_replicas_of_each_target(apply: Apply, crds: Any, namespace: str) -> None:
    apply(model())
    crds.kubectl("scale", "om/page-orientation", "--replicas=4", "-n", namespace)
    stored = json.loads(crds.kubectl("get", "om", "page-orientation", "-n", namespace, "-o", "json"))
    assert OptimizedModel.from_dict(stored).spec.serving.replicas == 4


STATUS: dict[str, Any] = {
    "observedGeneration": 1,
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Serving",
            "message": "2 of 2 targets serve.",
            "lastTransitionTime": "2026-05-04T10:00:00Z",
            "observedGeneration": 1,
        }
    ],
    "targets": [{"name": "cpu-a", "state": "Serving", "speedup": 2.0, "progress": "Serving."}],
    "replicas": 2,
    "selector": "burnish.dev/model=page-orientation",
    "summary": {"targetsReady": "2/2", "speedup": "1.8x", "precision": "INT8", "accuracy": "0.981"},
}


def test_status_is_a_subresource_and_reads_back(apply: Apply, crds: Any, namespace: str) -> None:
    apply(model() | {"status": STATUS})
    where = ("om", "page-orientation", "-n", namespace)
    assert "status" not in json.loads(crds.kubectl("get", *where, "-o", "json"))
    patch = json.dumps({"status": STATUS})
    crds.kubectl("patch", *where, "--subresource=status", "--type=merge", "-p", patch)
    stored = json.loads(crds.kubectl("get", *where, "-o", "json"))
    assert OptimizedModel.from_dict(stored).status.to_dict() == STATUS
    table = crds.kubectl("get", "om", "-n", namespace).splitlines()
    assert table[0].split() == [
        "NAME",
        "READY",
        "REASON",
        "TARGETS",
        "SPEEDUP",
        "PRECISION",
        "ACCURACY",
        "AGE",
    ]
    assert table[1].split()[:-1] == ["page-orientation", "True", "Serving", "2/2", "1.8x", "INT8", "0.981"]
    assert "page-orientation" in crds.kubectl("get", "burnish", "-n", namespace)


def test_status_items_are_merged_by_name(apply: Apply, crds: Any, namespace: str) -> None:
    apply(model())
    status = {"targets": [{"name": "a", "state": "Pending"}, {"name": "a", "state": "Failed"}]}
    with pytest.raises(Exception, match="Duplicate value"):
        crds.kubectl(
            "patch", "om", "page-orientation", "-n", namespace, "--subresource=status", "--type=merge",
            "-p", json.dumps({"status": status}),
        )  # fmt: skip


@pytest.mark.parametrize("kind", ["om", "ac"])
@pytest.mark.parametrize("part", ["spec", "status"])
def test_explain_documents_every_field(crds: Any, kind: str, part: str) -> None:
    told = crds.kubectl("explain", f"{kind}.{part}", "--recursive")
    for path in _paths(crds, kind, part):
        text = crds.kubectl("explain", f"{kind}.{path}")
        assert "<empty>" not in text.split("FIELDS:")[0], path
        assert path.rpartition(".")[2] in told


def _paths(crds: Any, kind: str, part: str) -> list[str]:
    plural = {"om": "optimizedmodels", "ac": "acceleratorclasses"}[kind]
    raw = json.loads(crds.kubectl("get", "crd", f"{plural}.burnish.dev", "-o", "json"))
    root = raw["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part]
    return [f"{part}.{name}" for name in root["properties"]]
