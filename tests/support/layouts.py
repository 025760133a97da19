"""Engines with every digest, in ONNX and in OpenVINO's own format, for servers of other people's."""

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from burnish_engine import digest
from burnish_engine.descriptor import ENGINE_FILE, Batching, EngineDescriptor, RunOptions, TensorSpec
from burnish_engine.request import Backend
from burnish_engine.store import read_engine
from support.engines import descriptor
from support.onnx_models import model_of, write_running_engine

WEIGHTS = np.arange(12, dtype=np.float32).reshape(4, 3) / 8
X = TensorSpec(name="x", dtype="float32", shape=(None, 4))
Y = TensorSpec(name="y", dtype="float32", shape=(None, 3))
# A processor that is known, and computes nothing in BF16.
PLAIN_CPU = {"name": "cpu-test", "features": "AVX,AVX2,FMA3"}


def linear() -> onnx.ModelProto:
    """`y = x @ WEIGHTS`: rows are independent."""
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    return model_of([node], [X], [Y], [numpy_helper.from_array(WEIGHTS, "w")])


def told(**changes: object) -> EngineDescriptor:
    """The record of such an engine, in ONNX Runtime, without files."""
    plain = {
        "backend": Backend.ONNXRUNTIME,
        "model": "model/model.onnx",
        "inputs": (X,),
        "outputs": (Y,),
        "target": PLAIN_CPU,
        "options": RunOptions(threads=1),
        "files": {},
    }
    return descriptor().model_copy(update=plain | changes)


def write_linear(folder: Path, *, rows: int = 0, **changes: object) -> Path:
    """An engine folder of `linear` in ONNX. rows: the largest batch that was tried; 0: none."""
    batching = Batching(max_rows=rows, deviation=0.0, seconds={1: 0.001}) if rows else None
    write_running_engine(folder, linear(), (X,), (Y,), batching=batching, target=PLAIN_CPU, **changes)
    return seal(folder)


def write_linear_ir(folder: Path) -> Path:
    """The same in OpenVINO's format."""
    import openvino

    write_running_engine(folder, linear(), (X,), (Y,), backend=Backend.OPENVINO, target=PLAIN_CPU)
    model = openvino.convert_model(folder / "model/model.onnx")
    openvino.save_model(model, folder / "model/model.xml", compress_to_fp16=False)
    (folder / "model/model.onnx").unlink()
    return seal(folder, model="model/model.xml")


def seal(folder: Path, **changes: object) -> Path:
    """Write down the digest of every file."""
    files = {
        p.relative_to(folder).as_posix(): digest.of_file(p)
        for p in (folder / "model").rglob("*")
        if p.is_file()
    }
    record = EngineDescriptor.model_validate_json((folder / ENGINE_FILE).read_bytes())
    (folder / ENGINE_FILE).write_text(record.model_copy(update={"files": files, **changes}).model_dump_json())
    read_engine(folder)
    return folder
