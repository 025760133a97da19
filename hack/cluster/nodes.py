"""Configuration of a node: containerd, CNI, kubelet, kube-proxy. Pure.

All nodes share the machine, so each gets its own network namespace, cgroup, runtime and
folders; the first one lives in the cluster's own network namespace, so that the addresses of
services can be reached from there too.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from controlplane import POD_RANGE, SERVICE_RANGE
from golang import Binaries
from layout import ClusterError

NODE_NETWORK = "10.250.0"
CLUSTER_ADDRESS = f"{NODE_NETWORK}.1"  # the first node; API, registry and Prometheus listen here
API_PORT = 6443
REGISTRY_PORT = 5000
PROMETHEUS_PORT = 9090
PROXY_HEALTH_PORT = 10256
CLUSTER_DNS = "10.96.0.10"  # see refusing_dns
REGISTRY = f"{CLUSTER_ADDRESS}:{REGISTRY_PORT}"
PAUSE_REPOSITORY = "burnish/pause"
MAX_NODES = 5
CNI_PROGRAMS = "/usr/lib/cni"
NETWORK_NAMESPACES = Path("/run/netns")
# The kubelet counts the machine's CPUs by this file, gives its cgroup all of them, and v1 refuses
# more than the node's cgroup has. In a mount namespace of its own it sees the node's CPUs instead;
# /sys alone is private there, so that the volumes that it mounts still reach containerd.
ONLINE_CPUS = "/sys/devices/system/cpu/online"
SHOW_CPUS = f'mount --make-rprivate /sys && mount --bind "$0" {ONLINE_CPUS} && exec "$@"'


@dataclass(frozen=True)
class Node:
    """One node: what it is called, where it is, how much of the machine it may use."""

    name: str
    index: int
    instance_type: str
    cpus: int
    reserved_memory_mib: int

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        return cls(**fields)

    @property
    def address(self) -> str:
        return f"{NODE_NETWORK}.{self.index}"

    @property
    def pod_subnet(self) -> str:
        return f"10.244.{self.index}.0/24"

    @property
    def first(self) -> bool:
        return self.index == 1

    @property
    def socket(self) -> Path:
        """containerd's socket, in the cluster's private /run: socket paths are limited to 107 bytes."""
        return Path("/run") / self.name / "containerd.sock"

    @property
    def namespace(self) -> Path | None:
        """The network namespace to enter; the first node's is the cluster's own."""
        return None if self.first else NETWORK_NAMESPACES / self.name


def plan_nodes(count: int, cpus: int, memory_mib: int) -> tuple[Node, ...]:
    """Divide the machine: one large node, then small ones of one CPU.

    The large node may use every CPU, and half of the memory; the small ones share a quarter of
    the memory. The rest is for the control plane and for whoever builds images meanwhile.
    """
    if not 1 <= count <= MAX_NODES:
        raise ClusterError(f"{count} nodes: expected 1 to {MAX_NODES}")
    large = Node("large", 1, "burnish-demo-large", cpus, memory_mib // 2)
    share = memory_mib // 4 // max(count - 1, 1)
    small = [
        Node(
            name="small" if index == 2 else f"small-{index - 1}",
            index=index,
            instance_type="burnish-demo-small",
            cpus=1,
            reserved_memory_mib=memory_mib - share,
        )
        for index in range(2, count + 1)
    ]
    return (large, *small)


def containerd_config(node: Node, root: Path, pause: str, snapshotter: str) -> str:
    """containerd 1.6 with the CRI plugin.

    AppArmor is off because a private mount namespace sees no profiles; seccomp stays on.
    `snapshotter` is `overlayfs`, or `native`, which copies every layer and works on any disk.
    """
    quoted = json.dumps
    return f"""\
version = 2
root = {quoted(str(root / "containerd"))}
state = {quoted(str(node.socket.parent / "state"))}
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.tracing",
]
[grpc]
  address = {quoted(str(node.socket))}
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = {quoted(pause)}
  disable_apparmor = true
  restrict_oom_score_adj = true
  max_concurrent_downloads = 8
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = {quoted(CNI_PROGRAMS)}
    conf_dir = {quoted(str(root / "cni"))}
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = {quoted(str(root / "registries"))}
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = {quoted(snapshotter)}
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


def registry_hosts() -> str:
    """Tells containerd that the cluster's registry speaks plain HTTP."""
    return f"""\
server = "http://{REGISTRY}"
[host."http://{REGISTRY}"]
  capabilities = ["pull", "resolve"]
"""


def cni_config(node: Node, leases: Path) -> str:
    """Point-to-point links instead of a bridge.

    On a bridge, answers between two pods of one node skip the routing layer, and with it the
    translation of service addresses, unless the kernel has br_netfilter. Routed links need no module.
    """
    ranges = [[{"subnet": node.pod_subnet}]]
    ipam = {"type": "host-local", "dataDir": str(leases), "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]}
    plugins = [
        {"type": "ptp", "ipMasq": False, "ipam": ipam},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return json.dumps({"cniVersion": "0.4.0", "name": "pods", "plugins": plugins}, indent=1) + "\n"


def kubelet_config(node: Node, root: Path, cgroup: str, client_ca: Path) -> str:
    """The kubelet's configuration; JSON is YAML."""
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(client_ca)},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "clusterDNS": [CLUSTER_DNS],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{node.socket}",
        # What a pod may use is what the node's cgroup allows; the kubelet's own enforcement would
        # want the system's processes in cgroups of its making.
        "enforceNodeAllocatable": [],
        "eventRecordQPS": 0,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "500Mi",
            "imagefs.available": "500Mi",
        },
        "failCgroupV1": False,
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,  # the disk is the machine's own: its fill is not our doing
        "makeIPTablesUtilChains": False,
        "nodeStatusUpdateFrequency": "5s",
        "podLogsDir": str(root / "logs"),
        "registryPullQPS": 0,
        "resolvConf": "",
        "serializeImagePulls": False,
        "systemReserved": {"memory": f"{node.reserved_memory_mib}Mi"},
        "volumePluginDir": str(root / "volume-plugins"),
    }
    return json.dumps(config, indent=1) + "\n"


def in_namespace(node: Node, argv: list[str]) -> list[str]:
    """The same command in the node's network namespace.

    nsenter, because `ip netns exec` also makes a mount namespace: volumes would not propagate.
    """
    return argv if node.namespace is None else ["nsenter", f"--net={node.namespace}", "--", *argv]


def containerd(node: Node, root: Path) -> list[str]:
    return in_namespace(node, ["containerd", f"--config={root / 'containerd.toml'}"])


def kubelet(
    node: Node, root: Path, binaries: Binaries, kubeconfig: Path, labels: Mapping[str, str]
) -> list[str]:
    given = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    argv = [
        str(binaries.program("kubelet")),
        f"--config={root / 'kubelet.json'}",
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
        f"--node-labels={given}",
        f"--root-dir={root / 'kubelet'}",
        f"--cert-dir={root / 'kubelet-pki'}",
    ]
    own_mounts = ["unshare", "--mount", "--propagation=unchanged", "sh", "-c", SHOW_CPUS]
    return in_namespace(node, [*own_mounts, str(root / "cpus"), *argv])


def kube_proxy(node: Node, binaries: Binaries, kubeconfig: Path) -> list[str]:
    """kube-proxy without conntrack tuning: those settings belong to the machine, not to a namespace."""
    argv = [
        str(binaries.program("kube-proxy")),
        f"--kubeconfig={kubeconfig}",
        "--proxy-mode=nftables",
        f"--cluster-cidr={POD_RANGE}",
        f"--hostname-override={node.name}",
        f"--bind-address={node.address}",
        f"--healthz-bind-address={node.address}:{PROXY_HEALTH_PORT}",
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    ]
    return in_namespace(node, argv)


def refusing_dns() -> dict[str, Any]:
    """A name service without endpoints: kube-proxy refuses its packets, so that a look-up fails at once.

    Nothing of ours needs names. Without this Service the packets would be dropped, and every
    program that tries a name would hang for ten seconds.
    """
    ports = [
        {"name": protocol.lower(), "protocol": protocol, "port": 53, "targetPort": 53}
        for protocol in ("UDP", "TCP")
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"clusterIP": CLUSTER_DNS, "ports": ports},
    }


def network_commands(nodes: tuple[Node, ...]) -> list[list[str]]:
    """Commands that wire the nodes together, to run in the cluster's network namespace.

    The nodes hang on one bridge; the first one routes to every node's pods. There is no default
    route: the cluster has no way out, and a pod that tries learns so at once instead of waiting.
    """
    ip = "ip link set lo up; ip link add nodes type bridge; ip addr add {}/24 dev nodes; ip link set nodes up"
    lines = ip.format(CLUSTER_ADDRESS).split("; ")
    # Translation to a pod's address happens after routing: without a route there is nothing to translate.
    lines.append(f"ip route add {SERVICE_RANGE} dev nodes")
    for node in nodes[1:]:
        link = f"node{node.index}"
        lines += [
            f"ip netns add {node.name}",
            f"ip link add {link} type veth peer name eth0 netns {node.name}",
            f"ip link set {link} master nodes up",
            f"ip -n {node.name} link set lo up",
            f"ip -n {node.name} addr add {node.address}/24 dev eth0",
            f"ip -n {node.name} link set eth0 up",
            f"ip -n {node.name} route add default via {CLUSTER_ADDRESS}",
            f"ip route add {node.pod_subnet} via {node.address}",
        ]
    return [shlex.split(line) for line in lines]
