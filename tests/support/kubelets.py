"""Nodes without machines: a thread that answers for the kubelets against a real API server.

The real controllers make pods of Jobs and Deployments; this thread gives those pods the statuses that
a kubelet would, and for a successful optimizer pushes a real engine into the real registry.
"""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kubernetes import config
from kubernetes.client import CoreV1Api
from kubernetes.client.exceptions import ApiException

from burnish_engine import outcome as outcomes
from burnish_engine import store
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import Reference
from support import engines

Terminated = dict[str, Any]
Optimizer = Callable[[dict[str, str]], Terminated]
NFD = "feature.node.kubernetes.io"


def cpu_labels(instance_type: str) -> dict[str, str]:
    """Labels of a node as NFD and a cloud provider set them."""
    return {
        "kubernetes.io/arch": "amd64",
        "node.kubernetes.io/instance-type": instance_type,
        f"{NFD}/cpu-model.vendor_id": "AMD",
        f"{NFD}/cpu-model.family": "25",
        f"{NFD}/cpu-model.id": "17",
        f"{NFD}/cpu-cpuid.AVX2": "true",
    }


def arguments_of(pod: Any) -> dict[str, str]:
    """The flags of a pod's `burnish` command."""
    args = pod.spec.containers[0].args
    return dict(zip(args[2::2], args[3::2], strict=True))


def optimize(flags: dict[str, str]) -> Terminated:
    """What the optimizer does in the end: push an engine, say so."""
    with TemporaryDirectory() as scratch, RegistryClient() as client:
        folder = engines.write_engine(Path(scratch) / "engine", flags["--key"])
        pushed = store.push_engine(client, Reference.parse(flags["--push"]), folder)
    said = outcomes.of_report(engines.report(flags["--key"]), pushed.digest, "Twice as fast.")
    return {"exitCode": 0, "reason": "Completed", "message": said.to_termination_message().decode()}


class Kubelets:
    """Runs while it is entered as a context. `holding` keeps optimizers running for ever."""

    def __init__(self, kubeconfig: Path, optimizer: Optimizer = optimize) -> None:
        # The generated types make every field optional; what was read has them.
        self._api: Any = CoreV1Api(config.new_client_from_config(str(kubeconfig)))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._nodes: dict[str, dict[str, str]] = {}
        self.optimizer = optimizer
        self.holding = False
        self.optimized: list[str] = []

    def __enter__(self) -> "Kubelets":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for name in self._nodes:
            self._api.delete_node(name)
        self._api.api_client.rest_client.pool_manager.clear()

    def add_node(self, name: str, labels: dict[str, str]) -> None:
        """A new node, Ready with the next turn."""
        metadata = {"name": name, "labels": labels}
        self._api.create_node({"apiVersion": "v1", "kind": "Node", "metadata": metadata})
        self._nodes[name] = labels

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            try:
                self._turn()
            except ApiException as error:
                if error.status not in (404, 409):
                    raise

    def _turn(self) -> None:
        for name in list(self._nodes):
            self._heartbeat(name)
        for pod in self._api.list_pod_for_all_namespaces(
            label_selector="app.kubernetes.io/managed-by=burnish"
        ).items:
            if pod.metadata.deletion_timestamp is not None or pod.status.phase in ("Succeeded", "Failed"):
                continue
            if pod.spec.containers[0].name == "server":
                self._serve(pod)
            elif not self.holding:
                self._optimize(pod)

    def _heartbeat(self, name: str) -> None:
        now = datetime.now(UTC).isoformat()
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now}
        status = {"conditions": [ready], "allocatable": {"cpu": "4"}, "capacity": {"cpu": "4"}}
        self._api.patch_node_status(name, {"status": status})

    def _optimize(self, pod: Any) -> None:
        flags = arguments_of(pod)
        terminated = self.optimizer(flags)
        self.optimized.append(flags["--key"])
        now = datetime.now(UTC).isoformat()
        state = {"terminated": {"startedAt": now, "finishedAt": now, **terminated}}
        self._patch(pod, "Succeeded" if terminated["exitCode"] == 0 else "Failed", state, ready=False)

    def _serve(self, pod: Any) -> None:
        if pod.status.phase != "Running":
            now = datetime.now(UTC).isoformat()
            self._patch(pod, "Running", {"running": {"startedAt": now}}, ready=True)

    def _patch(self, pod: Any, phase: str, state: dict[str, Any], *, ready: bool) -> None:
        container = pod.spec.containers[0]
        told = {"name": container.name, "image": container.image, "imageID": "", "ready": ready}
        now = datetime.now(UTC).isoformat()
        flag = "True" if ready else "False"
        conditions = [
            {"type": kind, "status": flag, "lastTransitionTime": now} for kind in ("Ready", "ContainersReady")
        ]
        statuses = [{**told, "restartCount": 0, "state": state}]
        body = {"status": {"phase": phase, "conditions": conditions, "containerStatuses": statuses}}
        self._api.patch_namespaced_pod_status(pod.metadata.name, pod.metadata.namespace, body)


def stalled(reason: str) -> Optimizer:
    """An optimizer that refuses the model."""

    def optimizer(flags: dict[str, str]) -> Terminated:
        said = {
            "succeeded": False,
            "key": flags["--key"],
            "reason": reason,
            "message": f"{flags['--source-digest']}: found no ONNX, expected ONNX.",
            "action": "Stalled",
        }
        return {"exitCode": 3, "reason": "Error", "message": json.dumps(said)}

    return optimizer
