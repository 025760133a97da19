"""Process 1 of a cluster: starts the components, restarts those that end, and is their end.

It is the init of its own PID namespace. When it dies, however it dies, the kernel kills every
process of the cluster, and with the last one the network and all mounts are gone. That is the
whole of `down`, and the reason why a crash leaves nothing that runs.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TextIO

import cgroups
import controlplane
import imagepush
import monitoring
import nodes
from certificates import (
    ADMIN,
    CONTROLLERS,
    KUBELET_CLIENT,
    PROMETHEUS,
    PROXY,
    SCHEDULER,
    node_identity,
)
from commands import output_of, tail
from controlplane import SERVICE_API, Plane
from cpulabels import cpu_labels
from golang import Binaries
from isolation import isolate_mounts, overlay_works
from layout import SOURCE, ClusterError, State
from nodes import CLUSTER_ADDRESS, REGISTRY, Node
from ports import LOOPBACK
from probes import Api, NotReadyError, answers, wait_until
from progress import Progress
from spec import SERVICES, Spec

STEPS = 7
START_SECONDS = 60.0
RESTART_SECONDS = 1.0
OPEN_FILES = 65536


class Supervisor:
    """Owns the processes of one cluster. One thread: reaping and starting never race."""

    def __init__(self, state: State, spec: Spec, sockets: Sequence[int]) -> None:
        self._state = state
        self._spec = spec
        self._sockets = sockets
        self._binaries = Binaries(Path(spec.binaries))
        self._commands: dict[str, tuple[Sequence[str], Sequence[int]]] = {}
        self._pids: dict[int, str] = {}
        self._plane = Plane(
            self._binaries, state.root, "0.0.0.0", CLUSTER_ADDRESS, nodes.API_PORT, 2379, 2380
        )
        self._starting = True

    def start(self, out: TextIO) -> None:
        """Bring everything up in order, shown on `out`.

        Raises: ClusterError that names the component and shows its log's tail.
        """
        with Progress(STEPS, out) as progress:
            for title, work in (
                ("namespaces and networks", self._isolate),
                ("certificates", self._certify),
                ("etcd and API server", self._start_api),
                ("controllers, scheduler, registry", self._start_controllers),
                ("nodes' runtimes", self._start_runtimes),
                ("nodes ready", self._start_nodes),
                ("service network and metrics", self._finish),
            ):
                with progress.step(title):
                    work()
        self._starting = False
        self._note("ready")

    def run(self) -> None:
        """Reap for ever; a component that ends is started again."""
        while True:
            pid, status = os.waitpid(-1, 0)
            self._ended(pid, status)

    def _isolate(self) -> None:
        isolate_mounts([self._state.root, Path(self._spec.registry_storage)])
        self._snapshotter = "overlayfs" if overlay_works(self._state.root / "snapshots") else "native"
        for command in nodes.network_commands(self._spec.nodes):
            output_of(command)
        for node in self._spec.nodes:
            switch_on = "echo 1 > /proc/sys/net/ipv4/ip_forward"
            output_of(nodes.in_namespace(node, ["sh", "-c", switch_on]))
            cpus = cgroups.create(cgroups.node_cgroup(self._spec.name, node.name), node.cpus)
            folder = self._state.node(node.name)
            folder.mkdir(parents=True)
            (folder / "cpus").write_text(f"{cpus}\n")

    def _certify(self) -> None:
        config = self._state.root / "registry.json"
        config.write_text(
            controlplane.registry_config(Path(self._spec.registry_storage), f":{nodes.REGISTRY_PORT}")
        )
        self._spawn("etcd", controlplane.etcd(self._plane))  # takes longer than the certificates
        self._spawn("registry", controlplane.registry(config))
        known = [ADMIN, CONTROLLERS, KUBELET_CLIENT, PROMETHEUS, PROXY, SCHEDULER]
        members = [node_identity(node.name) for node in self._spec.nodes]
        authority = self._plane.authority
        authority.create([LOOPBACK, CLUSTER_ADDRESS, SERVICE_API], [*known, *members])
        controlplane.write_kubeconfigs(self._plane)
        for identity in (PROXY, *members):
            authority.write_kubeconfig(identity, self._plane.server, self._plane.kubeconfig(identity.file))
        authority.write_kubeconfig(ADMIN, self._plane.server, self._state.kubeconfig_inside)
        host = f"https://{LOOPBACK}:{self._spec.host_ports['api']}"
        authority.write_kubeconfig(ADMIN, host, self._state.kubeconfig)

    def _start_api(self) -> None:
        self._spawn("apiserver", controlplane.apiserver(self._plane))
        self._start_forwarder()
        self._api = Api(self._state.pki, CLUSTER_ADDRESS, nodes.API_PORT)
        self._await("apiserver", self._api.ready)

    def _start_forwarder(self) -> None:
        pairs = zip(self._sockets, SERVICES.values(), strict=True)
        routes = [f"{descriptor}={CLUSTER_ADDRESS}:{port}" for descriptor, port in pairs]
        self._spawn("forwarder", [sys.executable, str(SOURCE), "_forward", *routes], self._sockets)

    def _start_controllers(self) -> None:
        """Only now: both exit for good when they meet an API server without its RBAC roles."""
        self._spawn("controllers", controlplane.controller_manager(self._plane))
        self._spawn("scheduler", controlplane.scheduler(self._plane))
        self._await("registry", lambda: answers(CLUSTER_ADDRESS, nodes.REGISTRY_PORT, "/v2/"))
        layer = imagepush.pack_program(self._binaries.pause, self._state.root / "pause.tar.gz")
        imagepush.push(REGISTRY, nodes.PAUSE_REPOSITORY, "1", layer, {"Entrypoint": ["/pause"]})

    def _start_runtimes(self) -> None:
        for node in self._spec.nodes:
            root = self._state.node(node.name)
            self._write_node_files(node, root)
            self._spawn(f"{node.name}-containerd", nodes.containerd(node, root))
        for node in self._spec.nodes:
            self._await(f"{node.name}-containerd", node.socket.exists)

    def _write_node_files(self, node: Node, root: Path) -> None:
        cgroup = f"/{cgroups.node_cgroup(self._spec.name, node.name)}"
        pause = f"{REGISTRY}/{nodes.PAUSE_REPOSITORY}:1"
        client_ca = self._plane.authority.certificate("ca")
        contents = {
            "containerd.toml": nodes.containerd_config(node, root, pause, self._snapshotter),
            f"registries/{REGISTRY}/hosts.toml": nodes.registry_hosts(),
            "cni/10-pods.conflist": nodes.cni_config(node, root / "leases"),
            "kubelet.json": nodes.kubelet_config(node, root, cgroup, client_ca),
        }
        for name, content in contents.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content)
        node.socket.parent.mkdir(parents=True)

    def _start_nodes(self) -> None:
        labels = cpu_labels(Path("/proc/cpuinfo").read_text())
        for node in self._spec.nodes:
            root = self._state.node(node.name)
            kubeconfig = self._plane.kubeconfig(node_identity(node.name).file)
            known = {**labels, "node.kubernetes.io/instance-type": node.instance_type}
            self._spawn(f"{node.name}-kubelet", nodes.kubelet(node, root, self._binaries, kubeconfig, known))
            proxy = nodes.kube_proxy(node, self._binaries, self._plane.kubeconfig(PROXY.file))
            self._spawn(f"{node.name}-proxy", proxy)
        wanted = {node.name for node in self._spec.nodes}
        self._await(f"{self._spec.nodes[-1].name}-kubelet", lambda: self._api.ready_nodes() == wanted)

    def _finish(self) -> None:
        self._await("apiserver", lambda: self._api.get("/api/v1/namespaces/kube-system") is not None)
        self._api.create("/api/v1/namespaces/kube-system/services", nodes.refusing_dns())
        self._start_prometheus()
        self._await("controllers", self._api.has_default_account)
        for node in self._spec.nodes:
            self._await(f"{node.name}-proxy", partial(proxy_is_healthy, node))
        self._await("prometheus", lambda: answers(CLUSTER_ADDRESS, nodes.PROMETHEUS_PORT, "/-/ready"))

    def _start_prometheus(self) -> None:
        self._state.rules.mkdir(parents=True)
        self._api.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", monitoring.access())
        folder = self._state.rules.parent
        config = folder / "prometheus.json"
        targets = folder / "targets.json"
        config.write_text(monitoring.config(targets, self._state.rules))
        ours = [sys.executable, str(SOURCE), "_discover"]
        self._spawn("discovery", [*ours, self._plane.server, str(self._state.pki), str(targets)])
        self._spawn("prometheus", monitoring.command(config, folder / "data"))

    def _spawn(self, name: str, argv: Sequence[str], descriptors: Sequence[int] = ()) -> None:
        self._commands[name] = (argv, descriptors)
        with (self._state.logs / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=descriptors,
                cwd="/",
                env=environment(),
            )
        child.returncode = 0  # reaped by `run`, together with the orphans of others
        self._pids[child.pid] = name
        self._note("starting" if self._starting else "ready")

    def _await(self, name: str, ready: Callable[[], bool]) -> None:
        try:
            wait_until(name, ready, START_SECONDS, self._reap)
        except NotReadyError as error:
            log = self._state.logs / f"{name}.log"
            raise ClusterError(f"{error}\n{tail(log)}\n  log: {log}") from None

    def _reap(self) -> None:
        while self._pids:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._ended(pid, status)

    def _ended(self, pid: int, status: int) -> None:
        name = self._pids.pop(pid, None)
        if name is None:
            return  # an orphan that was handed to process 1
        code = os.waitstatus_to_exitcode(status)
        if self._starting:
            log = self._state.logs / f"{name}.log"
            raise ClusterError(f"{name} ended with status {code} during the start\n{tail(log)}\n  log: {log}")
        print(f"{name} ended with status {code}, starting it again", flush=True)
        time.sleep(RESTART_SECONDS)
        self._spawn(name, *self._commands[name])

    def _note(self, phase: str) -> None:
        components = {name: pid for pid, name in self._pids.items()}
        write_atomically(self._state.processes, {"phase": phase, "components": components})


def proxy_is_healthy(node: Node) -> bool:
    """kube-proxy answers 200 once it has programmed the rules for the services that it knows."""
    return answers(node.address, nodes.PROXY_HEALTH_PORT, "/healthz")


def environment() -> Mapping[str, str]:
    """A clean environment: a proxy or a KUBECONFIG of the user's must not reach the components."""
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}


def write_atomically(path: Path, content: object) -> None:
    written = path.with_suffix(".partial")
    written.write_text(json.dumps(content, indent=1) + "\n")
    written.replace(path)


def main(state: State, events: int, sockets: Sequence[int]) -> None:
    """Entry point in the new namespaces; `events` is the pipe that `up` shows to its user."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, hard), hard))
    os.set_inheritable(events, False)
    supervisor = Supervisor(state, Spec.load(state), sockets)
    with os.fdopen(events, "w") as out:
        try:
            supervisor.start(out)
        except (ClusterError, OSError) as error:
            write_atomically(state.processes, {"phase": "failed", "error": str(error)})
            sys.exit(1)
    supervisor.run()
