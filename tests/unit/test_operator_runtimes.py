"""Other servers: what is rendered for them, and what is never rolled out."""

import click
import pytest

from burnish_engine.errors import RegistryUnavailable
from burnish_operator import names
from burnish_operator.ports import DEPLOYMENT, JOB, SERVICE
from burnish_operator.settings import OPENVINO_MODEL_SERVER_IMAGE, TRITON_IMAGE
from fakes.fleet import SETTINGS
from support.layouts import told
from support.runtimes import ENGINES, OTHERS, asks, fleet, makes, only, pod


@pytest.mark.parametrize("runtime", OTHERS)
def test_the_restricted_standard_holds_for_every_container(runtime: str) -> None:
    found = fleet(runtime)
    found.settle()
    spec = pod(found)["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert all("sizeLimit" in v["emptyDir"] for v in spec["volumes"] if "emptyDir" in v)
    for container in (*spec["initContainers"], *spec["containers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize("runtime", OTHERS)
def test_the_server_sees_a_verified_engine_and_no_credentials(runtime: str) -> None:
    found = fleet(runtime)
    found.settle()
    [layout], [server] = pod(found)["spec"]["initContainers"], pod(found)["spec"]["containers"]
    assert layout["image"] == SETTINGS.serving_image
    assert "credentials" in {mount["name"] for mount in layout["volumeMounts"]}
    mounts = {mount["name"]: mount for mount in server["volumeMounts"]}
    assert set(mounts) == {"work", "engine"}
    assert mounts["engine"]["readOnly"] is True
    assert {variable["name"] for variable in server["env"]} == {"HOME", "TMPDIR"}


@pytest.mark.parametrize("runtime", OTHERS)
def test_click_reads_what_the_init_container_is_told(runtime: str) -> None:
    from burnish_cli.engine import layout

    found = fleet(runtime)
    found.settle()
    [container] = pod(found)["spec"]["initContainers"]
    assert container["args"][:2] == ["engine", "layout"]
    params = layout.make_context("layout", list(container["args"][2:])).params
    assert (params["runtime"], params["model_name"]) == (runtime, "pages")
    assert params["engine"] == pod(found)["metadata"]["annotations"][names.ENGINE]
    [server] = pod(found)["spec"]["containers"]
    assert any(str(params["out"]) in argument for argument in server["args"])


@pytest.mark.parametrize("runtime", OTHERS)
def test_clients_find_the_ports_that_they_know(runtime: str) -> None:
    found, ours = fleet(runtime), fleet("Burnish")
    for each in (found, ours):
        each.settle()
    [server] = pod(found)["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}
    assert (ports["http"], ports["grpc"]) == (8080, 8081)
    theirs = {port["name"]: port for port in only(found, SERVICE)["spec"]["ports"]}
    for port in only(ours, SERVICE)["spec"]["ports"]:
        assert theirs[port["name"]] == port
    assert theirs["grpc"]["targetPort"] == "grpc"
    assert server["readinessProbe"]["httpGet"] == {"path": "/v2/models/pages/ready", "port": "http"}


@pytest.mark.parametrize(
    ("runtime", "port"), [("Burnish", 9090), ("Triton", 9090), ("OpenVINOModelServer", 8080)]
)
def test_prometheus_is_sent_to_where_the_metrics_are(runtime: str, port: int) -> None:
    found = fleet(runtime)
    found.settle()
    annotations = pod(found)["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(port)
    numbers = {one["containerPort"] for one in pod(found)["spec"]["containers"][0]["ports"]}
    assert port in numbers


def test_images_come_from_the_spec_and_else_from_the_settings() -> None:
    for runtime, image in (("Triton", TRITON_IMAGE), ("OpenVINOModelServer", OPENVINO_MODEL_SERVER_IMAGE)):
        plain, own = fleet(runtime), fleet(runtime, image="r.example/own:1")
        for found, expected in ((plain, image), (own, "r.example/own:1")):
            found.settle()
            assert pod(found)["spec"]["containers"][0]["image"] == expected


def test_burnish_is_the_default_and_nothing_of_it_changes() -> None:
    plain, named = fleet(), fleet("Burnish")
    for found in (plain, named):
        makes(found, "Burnish")
        found.settle()
    assert only(plain, DEPLOYMENT)["spec"] == only(named, DEPLOYMENT)["spec"]
    assert "initContainers" not in pod(plain)["spec"]
    assert names.RUNTIME not in pod(plain)["metadata"]["annotations"]
    assert "--backends" not in only(plain, JOB)["spec"]["template"]["spec"]["containers"][0]["args"]


@pytest.mark.parametrize(
    ("runtime", "backends"),
    [
        ("Triton", "onnxruntime,onnxruntime-cuda,onnxruntime-tensorrt,openvino"),
        ("OpenVINOModelServer", "openvino"),
    ],
)
def test_only_what_can_be_served_is_looked_for(runtime: str, backends: str) -> None:
    from burnish_cli.main import cli

    found = fleet(runtime)
    found.settle()
    args = only(found, JOB)["spec"]["template"]["spec"]["containers"][0]["args"]
    assert args[args.index("--backends") + 1] == backends
    command = cli.get_command(click.Context(cli), args[0])
    assert command is not None
    assert command.make_context(args[0], list(args[1:])).params["backends"]


def test_an_engine_that_cannot_be_served_is_told_and_never_rolled_out() -> None:
    found = fleet("OpenVINOModelServer")
    makes(found, "Burnish")
    found.settle()
    assert found.cluster.of_kind(DEPLOYMENT) == []
    assert found.condition("RolledOut") == ("False", "EngineNotServable")
    assert found.condition("Degraded") == ("True", "EngineNotServable")
    assert found.condition("Ready")[0] == "False"
    [target] = found.status().targets
    assert target.state.value == "Failed"
    assert target.engine is not None


def test_it_is_told_where_nothing_beat_the_original() -> None:
    found = fleet("OpenVINOModelServer")
    found.registry.describe = lambda key: told(key=key, recipe="baseline")
    found.settle()
    [message] = [c.message for c in found.status().conditions if c.type == "RolledOut"]
    assert "an engine of onnxruntime" in message
    assert message.endswith("Nothing beat the original on this target.")


def test_the_records_of_an_engine_count_and_not_its_backend_alone() -> None:
    found = fleet("Triton")
    scalar = ENGINES["Triton"].inputs[0].model_copy(update={"shape": ()})
    found.registry.describe = lambda key: told(key=key, inputs=(scalar,))
    found.settle()
    assert found.cluster.of_kind(DEPLOYMENT) == []
    assert found.condition("RolledOut") == ("False", "EngineNotServable")


def test_what_serves_goes_on_when_another_server_cannot_take_over() -> None:
    found = fleet("Triton")
    found.settle()
    before = only(found, DEPLOYMENT)["spec"]
    asks(found, runtime="OpenVINOModelServer")
    found.settle()
    assert only(found, DEPLOYMENT)["spec"] == before
    assert found.condition("RolledOut") == ("False", "EngineNotServable")
    [target] = found.status().targets
    assert target.rollout is not None
    assert target.rollout.ready_replicas == 1


def test_the_old_engine_keeps_its_server_until_the_new_one_is_built() -> None:
    found = fleet("Burnish")
    found.settle()
    before = only(found, DEPLOYMENT)["spec"]
    asks(found, runtime="Triton", image="r.example/triton:1")
    found.settle(work=False)
    assert only(found, DEPLOYMENT)["spec"] == before
    assert found.condition("RolledOut")[0] == "False"
    found.settle()
    assert pod(found)["metadata"]["annotations"][names.RUNTIME] == "Triton"
    assert found.condition("Ready") == ("True", "Ready")


def test_back_to_burnish_nothing_of_the_other_server_is_left() -> None:
    found, plain = fleet("Triton"), fleet("Burnish")
    for each in (found, plain):
        each.settle()
    asks(found, runtime="Burnish")
    found.settle()
    assert found.condition("Ready") == ("True", "Ready")
    assert "initContainers" not in pod(found)["spec"]
    assert [p["name"] for p in only(found, SERVICE)["spec"]["ports"]] == [
        p["name"] for p in only(plain, SERVICE)["spec"]["ports"]
    ]


def test_without_the_registry_nothing_new_is_rolled_out_and_what_serves_stays() -> None:
    found = fleet("Triton")
    found.settle()
    found.registry.error = RegistryUnavailable("r.example", found="no answer", expected="one")
    found.restart()
    before = only(found, DEPLOYMENT)["spec"]
    found.settle()
    assert only(found, DEPLOYMENT)["spec"] == before
    assert found.condition("RolledOut") == ("True", "RolledOut")
    found.cluster.delete(
        DEPLOYMENT, "team", *(only(found, DEPLOYMENT)["metadata"][k] for k in ("name", "uid"))
    )
    found.settle()
    assert found.cluster.of_kind(DEPLOYMENT) == []
    assert found.condition("RolledOut") == ("False", "WaitingForRegistry")
