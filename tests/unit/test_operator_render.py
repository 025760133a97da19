"""What is rendered: the restricted standard, exact placement, no tokens, nothing that drifts."""

from typing import Any

import click
import pytest

from burnish_cli import parse
from burnish_engine.request import LatencyGoal
from burnish_operator import names
from burnish_operator.api import parse_duration
from burnish_operator.ports import DEPLOYMENT, JOB, SERVICE
from burnish_operator.render.differs import differs
from fakes.fleet import SETTINGS, SMALL, Fleet, model, node


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    settings = SETTINGS.model_copy(update={"registry_secret": "pull", "plain_http": "r.example"})
    found = Fleet(node("a", SMALL), settings=settings)
    optimization = {
        "queueName": "team-a",
        "priorityClassName": "low",
        "deadline": "30m",
        "ttl": "1h",
        "budget": "5m",
    }
    evaluation = {"uri": "oci://r.example/e:1", "metric": "accuracy", "maxDrop": 0.02}
    objective = {"latency": {"percentile": 99, "milliseconds": 7.5}, "batch": 8}
    found.registry.tags["oci://r.example/e:1"] = "sha256:" + "4" * 64
    found.cluster.put(model(optimization=optimization, evaluation=evaluation, objective=objective))
    found.settle()
    return found


def only(found: Fleet, kind: Any) -> dict[str, Any]:
    [obj] = found.cluster.of_kind(kind)
    return obj


@pytest.mark.parametrize("kind", [JOB, DEPLOYMENT])
def test_every_pod_keeps_the_restricted_standard(fleet: Fleet, kind: Any) -> None:
    pod = only(fleet, kind)["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all("sizeLimit" in v["emptyDir"] for v in pod["volumes"] if "emptyDir" in v)
    assert {"name": "DOCKER_CONFIG", "value": "/etc/burnish/docker"} in container["env"]
    assert {"name": "BURNISH_PLAIN_HTTP", "value": "r.example"} in container["env"]


@pytest.mark.parametrize("kind", [JOB, DEPLOYMENT])
def test_the_credentials_pull_the_pods_images_too(fleet: Fleet, kind: Any) -> None:
    assert only(fleet, kind)["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "pull"}]
    plain = Fleet(node("a", SMALL))
    plain.cluster.put(model())
    plain.settle()
    assert "imagePullSecrets" not in only(plain, kind)["spec"]["template"]["spec"]


@pytest.mark.parametrize("kind", [JOB, DEPLOYMENT, SERVICE])
def test_every_object_is_labelled_and_owned(fleet: Fleet, kind: Any) -> None:
    metadata = only(fleet, kind)["metadata"]
    assert names.labels("pages", "cpu-amd-25-17-small").items() <= metadata["labels"].items()
    assert metadata["ownerReferences"][0]["kind"] == "OptimizedModel"
    assert "finalizers" not in metadata


def test_the_job_measures_under_the_limits_that_serve(fleet: Fleet) -> None:
    resources = [
        only(fleet, kind)["spec"]["template"]["spec"]["containers"][0]["resources"]
        for kind in (JOB, DEPLOYMENT)
    ]
    assert resources[0] == resources[1]


def test_the_job_asks_as_the_contract_says(fleet: Fleet) -> None:
    job = only(fleet, JOB)
    spec, args = job["spec"], job["spec"]["template"]["spec"]["containers"][0]["args"]
    pairs = dict(zip(args[2::2], args[3::2], strict=True))
    assert (pairs["--metric"], pairs["--max-drop"], pairs["--latency"]) == ("accuracy", "0.02", "p99=0.0075s")
    assert (pairs["--objective"], pairs["--batch"], pairs["--budget"]) == ("latency", "8", "300s")
    assert (spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"]) == (1800, 3600)
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
    assert spec["template"]["spec"]["priorityClassName"] == "low"
    fail = spec["podFailurePolicy"]["rules"][1]
    assert (fail["action"], fail["onExitCodes"]["values"]) == ("FailJob", [2, 3, 137])


def test_a_function_of_the_users_is_asked_for_by_its_installed_name() -> None:
    found = Fleet(node("a", SMALL))
    uri = "oci://r.example/e:1"
    found.registry.tags[uri] = "sha256:" + "4" * 64
    found.cluster.put(model(evaluation={"uri": uri, "metric": "entry", "entryPoint": "invoice-totals"}))
    found.settle()
    args = only(found, JOB)["spec"]["template"]["spec"]["containers"][0]["args"]
    assert args[args.index("--metric") + 1] == "entry:invoice-totals"


def test_the_arguments_are_those_of_the_command_line(fleet: Fleet) -> None:
    """The other side of the seam: click itself reads what we render."""
    from burnish_cli.main import cli

    for kind in (JOB, DEPLOYMENT):
        args = only(fleet, kind)["spec"]["template"]["spec"]["containers"][0]["args"]
        command = cli.get_command(click.Context(cli), args[0])
        assert command is not None
        assert command.make_context(args[0], list(args[1:])).params


def test_a_rollout_never_goes_below_what_serves(fleet: Fleet) -> None:
    spec = only(fleet, DEPLOYMENT)["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    container = spec["template"]["spec"]["containers"][0]
    assert container["args"][1].startswith("oci://r.example/engines@sha256:")
    assert container["readinessProbe"]["httpGet"]["path"] == "/v2/health/ready"
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > 25


def test_both_protocols_are_reached_through_the_service(fleet: Fleet) -> None:
    [container] = only(fleet, DEPLOYMENT)["spec"]["template"]["spec"]["containers"]
    listening = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert listening == {"http": 8080, "grpc": 8081, "metrics": 9090}
    args = container["args"]
    assert all(args[args.index(f"--{name}-port") + 1] == str(port) for name, port in listening.items())
    ports = {port["name"]: port for port in only(fleet, SERVICE)["spec"]["ports"]}
    assert {name: port["port"] for name, port in ports.items()} == {"http": 8080, "grpc": 8081}
    assert all(port["targetPort"] == name for name, port in ports.items())
    assert ports["grpc"]["appProtocol"] == "kubernetes.io/h2c"


def test_long_names_are_cut_and_stay_apart() -> None:
    one = names.workload_name("m" * 60, "nvidia-h100-80gb-hbm3")
    other = names.workload_name("m" * 60, "nvidia-h100-80gb-hbm2")
    assert len(one) <= 63
    assert one != other
    assert names.workload_name("9lives", "a.b")[0].isalpha()


@pytest.mark.parametrize(
    ("wanted", "stored", "expected"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": {"b": 1}}, {"a": {}}, True),
        ({"a": [1, 2]}, {"a": [1]}, True),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, False),
        ({"limits": {"cpu": "1000m"}}, {"limits": {"cpu": "1"}}, False),
        ({"limits": {"memory": "1024Mi"}}, {"limits": {"memory": "1Gi"}}, False),
        ({"limits": {"cpu": "2"}}, {"limits": {"cpu": "1"}}, True),
        ({"a": "x"}, None, True),
    ],
)
def test_only_what_we_want_is_compared(wanted: Any, stored: Any, expected: bool) -> None:
    assert differs(wanted, stored) is expected


@pytest.mark.parametrize(
    ("milliseconds", "budget"), [(3_600_000, "400h"), (0.00005, "1s"), (12.3456789, "7m")]
)
def test_the_optimizer_reads_exactly_the_figures_that_the_key_was_made_of(
    milliseconds: float, budget: str
) -> None:
    objective = {"latency": {"percentile": 90, "milliseconds": milliseconds}}
    found = Fleet(node("a", SMALL))
    found.cluster.put(model(objective=objective, optimization={"budget": budget, "deadline": "500h"}))
    found.settle()
    args = only(found, JOB)["spec"]["template"]["spec"]["containers"][0]["args"]
    pairs = dict(zip(args[2::2], args[3::2], strict=True))
    assert parse.Latency().convert(pairs["--latency"], None, None) == LatencyGoal(
        percentile=90, seconds=milliseconds / 1000
    )
    assert parse.seconds(pairs["--budget"]) == parse_duration(budget)
