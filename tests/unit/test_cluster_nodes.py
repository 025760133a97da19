"""The embedded cluster's nodes: their labels, budgets, network and configuration."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "hack" / "cluster"))

import cpulabels
import monitoring
import nodes
from discovery import target, targets
from golang import Binaries
from layout import ClusterError

ROOT = Path("/state/nodes/small")
EPYC = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC
siblings\t: 2
cpu cores\t: 2
flags\t\t: fpu sse2 avx avx2 fma f16c avx512f avx512_bf16 avx512_vnni bmi1 sha_ni aes

processor\t: 1
vendor_id\t: AuthenticAMD
flags\t\t: fpu amx_bf16
"""
SAPPHIRE = """\
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 143
siblings\t: 4
cpu cores\t: 2
flags\t\t: avx512_fp16 amx_bf16 amx_tile amx_int8 avx_vnni
"""


def features(cpuinfo: str) -> set[str]:
    prefix = "feature.node.kubernetes.io/cpu-cpuid."
    return {key.removeprefix(prefix) for key in cpulabels.cpu_labels(cpuinfo) if key.startswith(prefix)}


def test_features_have_the_names_of_node_feature_discovery() -> None:
    assert features(EPYC) == {"AVX", "AVX2", "FMA3", "AVX512F", "AVX512BF16", "AVX512VNNI", "SHA", "AESNI"}
    assert features(SAPPHIRE) == {"AVX512FP16", "AMXBF16", "AMXTILE", "AMXINT8", "AVXVNNI"}


def test_a_model_is_told_by_vendor_family_and_id() -> None:
    labels = cpulabels.cpu_labels(EPYC)
    model = {key.rpartition(".")[2]: value for key, value in labels.items() if "cpu-model" in key}
    assert model == {"vendor_id": "AMD", "family": "25", "id": "17"}
    assert labels["feature.node.kubernetes.io/cpu-hardware_multithreading"] == "false"
    assert cpulabels.cpu_labels(SAPPHIRE)[f"{cpulabels.PREFIX}/cpu-hardware_multithreading"] == "true"


def test_arm_features_are_upper_case() -> None:
    assert features("processor\t: 0\nFeatures\t: fp asimd asimddp\n") == {"FP", "ASIMD", "ASIMDDP"}


def test_this_machine_has_valid_labels() -> None:
    labels = cpulabels.cpu_labels(Path("/proc/cpuinfo").read_text())
    assert labels
    assert all(len(key.split("/")[1]) <= 63 and len(value) <= 63 for key, value in labels.items())


def test_two_nodes_differ_in_class_and_share_no_address() -> None:
    large, small = nodes.plan_nodes(2, cpus=8, memory_mib=16384)
    assert (large.cpus, small.cpus) == (8, 1)
    assert large.instance_type != small.instance_type
    assert large.namespace is None
    assert small.namespace == Path("/run/netns/small")
    assert len({large.address, small.address, large.pod_subnet, small.pod_subnet}) == 4


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_nodes_never_promise_more_memory_than_there_is(count: int) -> None:
    plan = nodes.plan_nodes(count, cpus=2, memory_mib=8192)
    assert len({node.name for node in plan}) == count
    assert sum(8192 - node.reserved_memory_mib for node in plan) <= 8192


@pytest.mark.parametrize("count", [0, 6])
def test_an_absurd_number_of_nodes_is_refused(count: int) -> None:
    with pytest.raises(ClusterError, match="expected 1 to 5"):
        nodes.plan_nodes(count, 2, 8192)


def test_socket_paths_fit_into_the_kernels_limit() -> None:
    assert all(len(str(node.socket)) < 100 for node in nodes.plan_nodes(5, 2, 8192))


def test_a_kubelet_works_in_its_own_cgroup_and_reserves_memory() -> None:
    small = nodes.plan_nodes(2, 2, 8192)[1]
    config = json.loads(nodes.kubelet_config(small, ROOT, "/burnish-demo/small", Path("/ca.crt")))
    assert config["cgroupRoot"] == "/burnish-demo/small"
    assert config["systemReserved"] == {"memory": "6144Mi"}
    assert config["authentication"]["anonymous"] == {"enabled": False}
    assert "localStorageCapacityIsolation" not in config  # off, it would end eviction and statistics


def test_a_kubelet_claims_its_labels_in_its_own_namespace() -> None:
    large, small = nodes.plan_nodes(2, 2, 8192)
    binaries = Binaries(Path("/built"))
    argv = nodes.kubelet(small, ROOT, binaries, Path("/k"), {"b": "2", "a": "1"})
    assert argv[:3] == ["nsenter", "--net=/run/netns/small", "--"]
    assert "--node-labels=a=1,b=2" in argv
    assert nodes.kubelet(large, ROOT, binaries, Path("/k"), {})[0] == "unshare"


def test_containerd_reads_the_registry_over_plain_http() -> None:
    large = nodes.plan_nodes(1, 2, 8192)[0]
    config = nodes.containerd_config(large, ROOT, "r/pause:1", "native")
    assert f'config_path = "{ROOT}/registries"' in config
    assert 'snapshotter = "native"' in config
    assert f'server = "http://{nodes.REGISTRY}"' in nodes.registry_hosts()


def test_every_further_node_is_routed() -> None:
    commands = nodes.network_commands(nodes.plan_nodes(3, 2, 8192))
    assert ["ip", "route", "add", "10.244.3.0/24", "via", "10.250.0.3"] in commands
    assert not any("default" in command and "-n" not in command for command in commands)


def pod(name: str, uid: str, **status: str) -> dict[str, object]:
    return {
        "metadata": {
            "name": name,
            "namespace": "models",
            "uid": uid,
            "labels": {"burnish.dev/model": "m"},
            "annotations": {"prometheus.io/scrape": "true"},
        },
        "spec": {"nodeName": "large", "containers": [{"ports": [{"containerPort": 8080}]}]},
        "status": {"phase": "Running", **status},
    }


def test_discovery_speaks_prometheus_meta_labels() -> None:
    found = target(pod("web", "1", podIP="10.244.1.2"))
    assert found["targets"] == ["10.244.1.2:8080"]
    assert found["labels"]["__meta_kubernetes_pod_annotation_prometheus_io_scrape"] == "true"
    assert found["labels"]["__meta_kubernetes_pod_label_burnish_dev_model"] == "m"


def test_pods_without_an_address_are_left_out_and_the_order_is_stable() -> None:
    placed = [pod("a", "1", podIP="10.244.1.2"), pod("b", "2", podIP="10.244.1.3")]
    assert targets([*placed, pod("c", "3")]) == targets(reversed(placed))


def test_prometheus_keeps_annotated_pods_alone() -> None:
    config = json.loads(monitoring.config(Path("/targets.json"), Path("/rules")))
    (pods,) = config["scrape_configs"]
    assert config["global"]["scrape_interval"] == "5s"
    assert pods["relabel_configs"][0]["action"] == "keep"
    kept = {rule.get("target_label") for rule in pods["relabel_configs"]}
    assert {"namespace", "pod", "node", "__address__", "__metrics_path__"} <= kept
