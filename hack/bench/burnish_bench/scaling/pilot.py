"""Engines for every class: Jobs of one model ask for them, kwok ends them, this pushes what they would."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from burnish_bench.scaling.api import Object
from burnish_bench.scaling.burst import model_is_ready
from burnish_bench.scaling.objects import MODELS, NAMESPACE, PILOT, model
from burnish_bench.scaling.plane import Place
from burnish_engine import store
from burnish_engine.oci.artifact import push_files
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import Reference
from support import engines

JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
CLASSES = "/apis/burnish.dev/v1alpha1/acceleratorclasses"
PATIENCE_SECONDS = 180.0


def source(place: Place) -> str:
    """Push a model; returns its URI."""
    uri = f"oci://{place.plane.registry}/models/bench:1"
    with tempfile.TemporaryDirectory() as scratch, RegistryClient() as client:
        (Path(scratch) / "model.onnx").write_text("a model")
        push_files(client, Reference.parse(uri), Path(scratch), ["model.onnx"])
    return uri


def classes(place: Place, count: int) -> list[str]:
    """Names of the classes, once the operator has found all of them."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(found := place.api.get(CLASSES)["items"]) < count:
        _check(deadline, f"{count} classes, found {len(found)}")
    return sorted(each["metadata"]["name"] for each in found)


def build(place: Place, uri: str, found: Sequence[str]) -> Object:
    """Have an engine for each class in the registry; returns the pod template of one that served."""
    place.api.create(MODELS, [model(PILOT, uri, found)])
    pushed: set[str] = set()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not model_is_ready(place.api.get(f"{MODELS}/{PILOT}")):
        for job in place.api.get(JOBS)["items"]:
            if job["metadata"]["name"] not in pushed:
                _push(job)
                pushed.add(job["metadata"]["name"])
        _check(deadline, "the pilot to be Ready")
    template: Object = place.api.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments")["items"][0]["spec"]
    place.api.delete(f"{MODELS}/{PILOT}")
    while place.api.get(f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]:
        _check(deadline, "the pilot's pods to go")
    return dict(template["template"])


def _push(job: Object) -> None:
    args = job["spec"]["template"]["spec"]["containers"][0]["args"]
    flags = dict(zip(args[2::2], args[3::2], strict=True))
    with tempfile.TemporaryDirectory() as scratch, RegistryClient() as client:
        folder = engines.write_engine(Path(scratch) / "engine", flags["--key"])
        store.push_engine(client, Reference.parse(flags["--push"]), folder)


def _check(deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise TimeoutError(f"waited {PATIENCE_SECONDS:.0f} s in vain for {what}")
    time.sleep(0.2)
