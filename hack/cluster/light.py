"""A control plane without nodes, for tests: etcd, API server, registry, in about 4 s.

    from light import ControlPlane

    with ControlPlane.start(tmp_path / "cp", controller_manager=True) as plane:
        plane.kubeconfig      # Path, administrator
        plane.server          # "https://127.0.0.1:41935"
        plane.registry        # "127.0.0.1:38211", plain HTTP, deletes allowed
        plane.kubectl("get", "namespaces")

It needs neither root nor namespaces: every port is a free one on loopback. Without the
controller manager nothing is garbage collected, no ServiceAccounts appear and Deployments
make no pods, but the start is a second faster. Pods are stored and never run: no node exists,
unless the caller plays some; then it wants the scheduler too.

The children are told by the kernel to die with the thread that started them, so a test
runner that is killed leaves no API server behind.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import controlplane
from certificates import ADMIN, CONTROLLERS, KUBELET_CLIENT, SCHEDULER
from commands import output_of, tail
from controlplane import SERVICE_API, Plane
from golang import binaries
from layout import Cache, ClusterError
from ports import LOOPBACK, free_ports
from probes import Api, NotReadyError, answers, wait_until

START_SECONDS = 60.0
DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")


@dataclass
class ControlPlane:
    """A running control plane; `start` makes one, `stop` or the end of `with` ends it."""

    root: Path
    server: str
    registry: str
    kubeconfig: Path
    binaries: Path
    audit_log: Path
    _children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict, repr=False)

    @classmethod
    def start(
        cls,
        state_dir: Path,
        *,
        controller_manager: bool = False,
        scheduler: bool = False,
        audited: str = "",
        cache: Cache | None = None,
    ) -> Self:
        """Start everything in `state_dir`, which must not exist or be empty, and wait until it answers.

        audited: a group of users whose requests are written to `audit_log`.

        Raises: ClusterError with the tail of the log of whatever did not come up.
        """
        api, client, peer, images = free_ports(4)
        root = state_dir.resolve()
        (root / "logs").mkdir(parents=True, exist_ok=True)
        built = binaries(cache)
        plane = Plane(
            *(built, root, LOOPBACK, LOOPBACK, api, client, peer),
            service_accounts=controller_manager,
            audited=audited,
        )
        registry, kubeconfig = f"{LOOPBACK}:{images}", root / "kubeconfig"
        self = cls(root, plane.server, registry, kubeconfig, built.links, plane.audit_log)
        try:
            self._start_all(plane, images, controller_manager=controller_manager)
            if scheduler:
                self._spawn("scheduler", controlplane.scheduler(plane))
        except BaseException:
            self.stop()
            raise
        return self

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Output of kubectl as administrator; raises ClusterError with its message if it fails."""
        return output_of(
            [self.binaries / "kubectl", f"--kubeconfig={self.kubeconfig}", *arguments], stdin=stdin
        )

    def define(self, crds: Sequence[Mapping[str, Any]]) -> None:
        """Apply CRDs, and wait until their objects can be listed.

        The first list of a new kind starts its watch cache and is told 429 until that is ready: `kubectl`
        waits and asks again, so that nobody else has to.
        """
        for crd in crds:
            self.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(crd))
        self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        self.kubectl("get", ",".join(crd["metadata"]["name"] for crd in crds), "--all-namespaces")

    def pid(self, component: str) -> int:
        """The process of `etcd`, `apiserver`, `controller-manager`, `scheduler` or `registry`."""
        return self._children[component].pid

    def spawn(self, name: str, argv: Sequence[str]) -> None:
        """One more program that lives as long as the control plane; its output is in `logs`."""
        self._spawn(name, argv)

    def stop(self) -> None:
        """End the children, last started first; nothing here is worth a graceful end."""
        for child in reversed(self._children.values()):
            child.kill()
            child.wait()
        self._children.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start_all(self, plane: Plane, registry_port: int, *, controller_manager: bool) -> None:
        self._spawn("etcd", controlplane.etcd(plane))
        self._start_registry(registry_port)
        plane.authority.create([LOOPBACK, SERVICE_API], [ADMIN, CONTROLLERS, KUBELET_CLIENT, SCHEDULER])
        controlplane.write_kubeconfigs(plane)
        controlplane.write_audit_policy(plane)
        plane.authority.write_kubeconfig(ADMIN, plane.server, self.kubeconfig)
        self._spawn("apiserver", controlplane.apiserver(plane))
        api = Api(plane.root / "pki", LOOPBACK, plane.api_port)
        self._await("apiserver", api.ready)
        if controller_manager:  # only now: it exits for good when it meets an API without RBAC
            self._spawn("controller-manager", controlplane.controller_manager(plane))
            self._await("controller-manager", api.has_default_account)
        self._await("registry", lambda: answers(LOOPBACK, registry_port, "/v2/"))

    def _start_registry(self, port: int) -> None:
        config = self.root / "registry.json"
        config.write_text(controlplane.registry_config(self.root / "registry", f"{LOOPBACK}:{port}"))
        if shutil.which("docker-registry") is None:
            raise ClusterError("docker-registry is not installed: run `python3 hack/cluster install` first")
        self._spawn("registry", controlplane.registry(config))

    def _spawn(self, name: str, argv: Sequence[str]) -> None:
        with (self.root / "logs" / f"{name}.log").open("wb") as log:
            self._children[name] = subprocess.Popen(
                [*DIE_WITH_PARENT, *argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _await(self, what: str, ready: Callable[[], bool]) -> None:
        try:
            wait_until(what, ready, START_SECONDS, self._check_children)
        except NotReadyError as error:
            raise ClusterError(f"{error}\n{tail(self.root / 'logs' / f'{what}.log')}") from None

    def _check_children(self) -> None:
        for name, child in self._children.items():
            if child.poll() is not None:
                log = self.root / "logs" / f"{name}.log"
                raise ClusterError(f"{name} ended with status {child.returncode}\n{tail(log)}\n  log: {log}")


def run(state_dir: Path, *, controller_manager: bool) -> None:
    """Run one until Ctrl-C, for work by hand."""
    began = time.monotonic()
    with ControlPlane.start(state_dir, controller_manager=controller_manager) as plane:
        print(f"control plane ready in {time.monotonic() - began:.1f} s; Ctrl-C ends it")
        print(f"  export KUBECONFIG={plane.kubeconfig} PATH={plane.binaries}:$PATH")
        print(f"  registry {plane.registry}", flush=True)
        try:
            while True:
                time.sleep(1)
        except KeyboardInterrupt:
            print()
