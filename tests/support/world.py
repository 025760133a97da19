"""What the end-to-end tests do to a cluster: push small models, apply OptimizedModels, wait, look."""

import json
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from burnish_demo import samples
from burnish_demo.explain import condition_lines, event_lines
from burnish_demo.kube import Kube, Object
from burnish_demo.place import Place
from burnish_demo.watch import MODEL_LABEL, condition, is_ready
from burnish_engine.oci.artifact import push_files
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import Reference

FEATURES, CLASSES, SAMPLES = 16, 4, 32
POLL_SECONDS = 0.5
# The registry outlives the cluster: models of another run would find their engines there, and start no Job.
RUN_SEED = int(os.environ.get("BURNISH_E2E_SEED") or secrets.randbits(32))
# Several of them must fit onto a node of one processor.
MODEST: Object = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}


@dataclass(frozen=True)
class World:
    """One namespace of one cluster."""

    place: Place
    client: RegistryClient
    namespace: str
    scratch: Path

    @property
    def kube(self) -> Kube:
        return Kube(self.place.kubectl)

    def create(self) -> None:
        """The namespace, with `restricted` enforced."""
        self.kube.namespace(self.namespace)

    def remove(self) -> None:
        """Everything in it goes with it; not waited for."""
        self.kube.run("delete", "namespace", self.namespace, "--wait=false")

    def push(self, repository: str, name: str, content: bytes) -> str:
        """One file as an artifact of this test's own; returns its URI as pods write it."""
        folder = self.scratch / repository.replace("/", "-")
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
        path = f"{self.namespace}/{repository}:1"
        push_files(self.client, Reference.parse(f"{self.place.push_to}/{path}"), folder, [name])
        return f"oci://{self.place.registry}/{path}"

    def push_samples(self, repository: str, arrays: samples.Samples) -> str:
        """A data set as an artifact."""
        file = self.scratch / "samples.npz"
        samples.write(file, arrays)
        return self.push(repository, "samples.npz", file.read_bytes())

    def quick_model(self, seed: int = 0) -> Object:
        """`spec` of a model that is optimized in seconds: one linear layer and its labels.

        The same seed gives the same model within a run, and another one in another run.
        """
        random = np.random.default_rng([RUN_SEED, seed])
        weights = random.normal(size=(FEATURES, CLASSES)).astype(np.float32)
        x = random.normal(size=(SAMPLES, FEATURES)).astype(np.float32)
        labels = (x @ weights).argmax(1)
        return {
            "source": {"uri": self.push(f"model-{seed}", "model.onnx", linear_model(weights))},
            "calibration": {"uri": self.push_samples(f"calibration-{seed}", {"x": x})},
            "evaluation": {
                "uri": self.push_samples(f"evaluation-{seed}", {"x": x, "label": labels}),
                "metric": "accuracy",
                "maxDrop": 0.1,
            },
            "precisions": ["FP32"],
            "serving": {"resources": MODEST},
        }

    def apply(self, name: str, spec: Object) -> None:
        """Apply an OptimizedModel in this namespace."""
        manifest = {
            "apiVersion": "burnish.dev/v1alpha1",
            "kind": "OptimizedModel",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        }
        self.kube.run("apply", "-f", "-", stdin=json.dumps(manifest))

    def model(self, name: str) -> Object:
        """The object as it is now."""
        found = self.kube.find("optimizedmodel", self.namespace, name)
        assert found is not None, f"OptimizedModel {self.namespace}/{name} is gone"
        return found

    def owned(self, kind: str, name: str) -> list[Object]:
        """Objects of a kind that Burnish made for a model."""
        return self.kube.list(kind, self.namespace, {MODEL_LABEL: name})

    def wait(self, what: str, holds: Callable[[], Any], seconds: float) -> Any:
        """The first truthy value; fails with all that explains when there is none in time."""
        ends = time.monotonic() + seconds
        while True:
            found = holds()
            if found:
                return found
            assert time.monotonic() < ends, f"{what}: not after {seconds:.0f} s\n{self.story()}"
            time.sleep(POLL_SECONDS)

    def wait_ready(self, name: str, seconds: float = 240.0) -> Object:
        """The object once it is Ready."""
        found: Object = self.wait(
            f"{name} Ready", lambda: (m := self.model(name)) and is_ready(m) and m, seconds
        )
        return found

    def wait_reason(self, name: str, *reasons: str, seconds: float = 120.0) -> Object:
        """The condition Ready once it is not True for one of these reasons."""

        def reached() -> Object | None:
            ready = condition(self.model(name), "Ready")
            return ready if ready.get("status") != "True" and ready.get("reason") in reasons else None

        found: Object = self.wait(f"{name} not Ready because of {' or '.join(reasons)}", reached, seconds)
        return found

    def events(self, name: str) -> list[Object]:
        """Events about the OptimizedModel."""
        return [
            event
            for event in self.kube.list("event", self.namespace)
            if event["involvedObject"].get("kind") == "OptimizedModel"
            and event["involvedObject"]["name"] == name
        ]

    def story(self) -> str:
        """Conditions and Events, for the message of a failed assertion."""
        models = self.kube.list("optimizedmodel", self.namespace)
        lines = [line for model in models for line in condition_lines(model)]
        lines.append(f"BURNISH_E2E_SEED={RUN_SEED}")
        return "\n".join([*lines, *event_lines(self.kube.list("event", self.namespace))[-30:]])


def linear_model(weights: np.ndarray[Any, np.dtype[np.float32]]) -> bytes:
    """`y = x @ weights`: x float32 [N, features], y float32 [N, classes]."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", weights.shape[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", weights.shape[1]])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content
