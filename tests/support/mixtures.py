"""A recipe that is told layer by layer: weights in half the bytes, and one of them badly off."""

from collections.abc import Sequence
from json import loads
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from burnish_engine.request import Backend, Precision
from burnish_optimizer.backends.recipes import Recipe
from burnish_optimizer.ingest.feeds import Feeds
from burnish_optimizer.precision.parts import Part
from burnish_optimizer.tasks import BuildResult, BuildTask

LOUD = "conv_w"
WEIGHTS = ("conv_w", "hidden_w", "last_w")
BUILDS = "builds.log"


def mixable(name: str = "halved", **fields: object) -> Recipe:
    """`build_halved` with its parts."""
    return Recipe.model_validate(
        {
            "name": name,
            "backend": Backend.ONNXRUNTIME,
            "precision": Precision.INT8,
            "build": "support.mixtures:build_halved",
            "parts": "support.mixtures:parts",
            **fields,
        }
    )


def parts(task: BuildTask, _feeds: Sequence[Feeds]) -> tuple[Part, ...]:
    """Each weight; none saves time."""
    return tuple(Part(names=(name,), seconds_saved=0.0) for name in WEIGHTS)


def build_halved(task: BuildTask) -> BuildResult:
    """Weights that are not kept are held in 16 bits; the loud one is negated as well."""
    keep = loads(task.settings.get("keep", "[]"))
    model = onnx.load(task.model)
    for tensor in model.graph.initializer:
        if tensor.name in WEIGHTS and tensor.name not in keep:
            _halve(model.graph, tensor)
    onnx.save(model, str(Path(task.folder) / "model.onnx"))
    with (Path(task.shared).parent / BUILDS).open("a", encoding="utf-8") as log:
        log.write(f"{sorted(keep)}\n")
    return BuildResult(model="model.onnx")


def _halve(graph: onnx.GraphProto, tensor: onnx.TensorProto) -> None:
    array = numpy_helper.to_array(tensor) * (-1 if tensor.name == LOUD else 1)
    name = tensor.name
    tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float16), f"{name}/half"))
    graph.node.insert(0, helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
