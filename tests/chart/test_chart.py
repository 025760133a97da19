"""What the chart renders: rights, security, settings, CRDs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from burnish_operator.__main__ import parse
from burnish_operator.api.crds import definitions
from burnish_operator.settings import OPENVINO_MODEL_SERVER_IMAGE, TRITON_IMAGE, from_environment

CHART = Path(__file__).resolve().parents[2] / "charts" / "burnish"
Render = Callable[..., list[dict[str, Any]]]


def of_kind(manifests: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def pod(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    (deployment,) = of_kind(manifests, "Deployment")
    found: dict[str, Any] = deployment["spec"]["template"]
    return found


def environment(manifests: list[dict[str, Any]]) -> dict[str, str]:
    (container,) = pod(manifests)["spec"]["containers"]
    return {variable["name"]: variable["value"] for variable in container["env"]}


def test_lint_is_content(helm: Callable[..., str]) -> None:
    assert "0 chart(s) failed" in helm(
        "lint", "--strict", str(CHART), "--set", "images.registry=registry.example/b"
    )


def test_images_must_be_named(render: Render) -> None:
    with pytest.raises(Exception, match=r"Set images\.registry to where hack/images/build pushed"):
        render(images=False)


def test_whole_references_need_no_registry(render: Render) -> None:
    digest = "r.example/b@sha256:" + "0a" * 32
    manifests = render(
        *(f"images.{name}={digest}" for name in ("operator", "optimizer", "serving")), images=False
    )
    assert pod(manifests)["spec"]["containers"][0]["image"] == digest


def test_images_default_to_the_version_of_the_chart(render: Render) -> None:
    assert pod(render())["spec"]["containers"][0]["image"] == "registry.example/burnish/operator:0.1.0"


def test_the_operator_passes_the_restricted_standard(render: Render) -> None:
    spec = pod(render())["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def spec(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    (deployment,) = of_kind(manifests, "Deployment")
    found: dict[str, Any] = deployment["spec"]
    return found


def arguments(manifests: list[dict[str, Any]]) -> list[str]:
    (container,) = pod(manifests)["spec"]["containers"]
    found: list[str] = container["args"]
    return found


def test_a_new_operator_stands_by_before_the_old_one_goes(render: Render) -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert (spec(render())["replicas"], spec(render())["strategy"]) == (1, rolling)


def test_without_an_election_only_one_operator_runs_at_a_time(render: Render) -> None:
    alone = render("leaderElection.enabled=false")
    assert (spec(alone)["replicas"], spec(alone)["strategy"]) == (1, {"type": "Recreate"})
    assert "--no-leader-elect" in arguments(alone)
    assert not of_kind(alone, "Role")
    with pytest.raises(Exception, match=r"replicas is 2 and leaderElection\.enabled is false"):
        render("leaderElection.enabled=false", "replicas=2")


def test_the_operator_asks_for_the_lease_that_it_has_the_right_to(render: Render) -> None:
    manifests = render("leaderElection.leaseSeconds=30", "rbac.inventory=false", "watchNamespaces={team-a}")
    settings = from_environment(environment(manifests), parse(arguments(manifests)))
    assert (settings.leader_elect, settings.lease_seconds) == (True, 30)
    (role,) = [role for role in of_kind(manifests, "Role") if role["metadata"]["name"].endswith("-leader")]
    assert role["metadata"]["namespace"] == settings.lease_namespace == "burnish-system"
    assert [rule.get("resourceNames") for rule in role["rules"]] == [[settings.lease_name], None]
    assert {resource for rule in role["rules"] for resource in rule["resources"]} == {"leases"}


def test_several_operators_are_kept_apart_and_leave_one_by_one(render: Render) -> None:
    several = render("replicas=2")
    (budget,) = of_kind(several, "PodDisruptionBudget")
    labels = pod(several)["metadata"]["labels"]
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
    affinity = pod(several)["spec"]["affinity"]["podAntiAffinity"]
    (preferred,) = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
    assert preferred["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    alone = render()
    assert not of_kind(alone, "PodDisruptionBudget")
    assert "affinity" not in pod(alone)["spec"]
    assert not of_kind(render("replicas=2", "podDisruptionBudget.enabled=false"), "PodDisruptionBudget")


def test_probes_ask_what_the_operator_answers(render: Render) -> None:
    (container,) = pod(render())["spec"]["containers"]
    paths = {
        name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")
    }
    assert paths == {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}


def test_the_operator_reads_what_the_chart_sets(render: Render) -> None:
    manifests = render(
        "engines.repository=registry.example/burnish/engines",
        "engines.plainHTTP={127.0.0.1:5000,registry:5000}",
        "engines.secretName=pull",
        "engines.maxJobs=4",
        "watchNamespaces={team-a,team-b}",
        "logFormat=text",
        "prometheus.url=http://prometheus.monitoring:9090",
        "images.triton=registry.example/tritonserver:2",
    )
    settings = from_environment(environment(manifests), parse(arguments(manifests)))
    assert settings.optimizer_image == "registry.example/burnish/optimizer:0.1.0"
    assert settings.serving_image == "registry.example/burnish/serving:0.1.0"
    assert settings.repository == "registry.example/burnish/engines"
    assert settings.plain_http == "127.0.0.1:5000,registry:5000"
    assert settings.registry_secret == "pull"
    assert settings.max_jobs == 4
    assert settings.watch_namespaces == ("team-a", "team-b")
    assert settings.log_format == "text"
    assert settings.prometheus_url == "http://prometheus.monitoring:9090"
    assert settings.triton_image == "registry.example/tritonserver:2"
    assert settings.openvino_model_server_image == OPENVINO_MODEL_SERVER_IMAGE


def test_images_of_other_runtimes_default_to_those_of_the_operator(render: Render) -> None:
    assert environment(render())["BURNISH_TRITON_IMAGE"] == TRITON_IMAGE


def test_credentials_of_the_operator_are_mounted_where_docker_config_points(render: Render) -> None:
    manifests = render("engines.operatorSecretName=own")
    spec = pod(manifests)["spec"]
    mounts = {mount["name"]: mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert environment(manifests)["DOCKER_CONFIG"] == mounts["credentials"]
    assert volumes["credentials"]["secret"]["items"] == [{"key": ".dockerconfigjson", "path": "config.json"}]


def test_cluster_wide_rights_are_one_cluster_role(render: Render) -> None:
    manifests = render("rbac.aggregate=false")
    (role,) = of_kind(manifests, "ClusterRole")
    resources = {resource for rule in role["rules"] for resource in rule["resources"]}
    assert {"nodes", "acceleratorclasses", "jobs", "deployments", "optimizedmodels/status"} <= resources
    assert [role["metadata"]["name"] for role in of_kind(manifests, "Role")] == ["burnish-leader"]


def test_with_namespaces_only_the_inventory_is_cluster_wide(render: Render) -> None:
    manifests = render("rbac.aggregate=false", "watchNamespaces={team-a,team-b}")
    (role,) = of_kind(manifests, "ClusterRole")
    resources = {resource for rule in role["rules"] for resource in rule["resources"]}
    inventory = {"nodes", "acceleratorclasses", "acceleratorclasses/status"}
    assert resources == inventory | {"namespaces", "customresourcedefinitions"}
    roles = [role for role in of_kind(manifests, "Role") if role["metadata"]["name"] == "burnish"]
    assert [role["metadata"]["namespace"] for role in roles] == ["team-a", "team-b"]


def test_without_inventory_no_cluster_role_is_left(render: Render) -> None:
    manifests = render("rbac.aggregate=false", "rbac.inventory=false", "watchNamespaces={team-a}")
    assert not of_kind(manifests, "ClusterRole")
    assert not of_kind(manifests, "ClusterRoleBinding")


@pytest.mark.parametrize("values", [(), ("watchNamespaces={team-a}",)])
def test_no_right_is_a_wildcard_or_touches_secrets(render: Render, values: tuple[str, ...]) -> None:
    manifests = render(*values)
    for role in of_kind(manifests, "ClusterRole") + of_kind(manifests, "Role"):
        for rule in role["rules"]:
            assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
            assert "secrets" not in rule["resources"]


def test_the_crds_are_those_of_the_models(render: Render) -> None:
    rendered = {crd["metadata"]["name"]: crd for crd in of_kind(render(), "CustomResourceDefinition")}
    for definition in definitions():
        crd = rendered[definition["metadata"]["name"]]
        assert crd["spec"] == definition["spec"]
        assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_the_crds_can_be_left_out_and_let_go(render: Render) -> None:
    assert not of_kind(render("crds.install=false"), "CustomResourceDefinition")
    let_go = of_kind(render("crds.keep=false"), "CustomResourceDefinition")
    assert all("annotations" not in crd["metadata"] for crd in let_go)


def test_metrics_can_be_found(render: Render) -> None:
    manifests = render("metrics.podMonitor.enabled=true")
    (container,) = pod(manifests)["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"health": 8080, "metrics": 9090}
    assert pod(manifests)["metadata"]["annotations"]["prometheus.io/port"] == str(ports["metrics"])
    labels = pod(manifests)["metadata"]["labels"]
    (service,) = of_kind(manifests, "Service")
    (monitor,) = of_kind(manifests, "PodMonitor")
    assert service["spec"]["selector"].items() <= labels.items()
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert {
        service["spec"]["ports"][0]["targetPort"],
        monitor["spec"]["podMetricsEndpoints"][0]["port"],
    } <= set(ports)


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("engines.repository=oci://registry.example/engines", "/engines/repository"),
        ("workers=0", "/workers"),
        ("leaderElection.leaseSeconds=1", "/leaderElection/leaseSeconds"),
        ("prometheus.url=prometheus:9090", "/prometheus/url"),
        ("logFormat=xml", "/logFormat"),
        ("watchNamespaces={Team_A}", "/watchNamespaces/0"),
        ("engine.repository=registry.example/engines", "'engine'"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_is_sent(render: Render, value: str, field: str) -> None:
    with pytest.raises(Exception, match="don't meet the specifications of the schema") as refusal:
        render(value)
    assert field in str(refusal.value)


def test_whatever_the_schema_allows_is_in_the_values() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    assert missing(schema, values) == ["global"]


def missing(schema: dict[str, Any], values: Any, path: str = "") -> list[str]:
    found = []
    for name, part in schema.get("properties", {}).items():
        if name not in values:
            found.append(f"{path}{name}")
        elif isinstance(values[name], dict):
            found += missing(part, values[name], f"{path}{name}.")
    return found
