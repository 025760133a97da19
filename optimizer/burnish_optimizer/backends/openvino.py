"""Candidates that OpenVINO runs: converted once, so that loading needs no ONNX importer.

Settings of a build: `static`: for how many sets of common shapes the model is also compiled alone.
`keep`: names of layers that keep FP32, as a JSON list.
"""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from burnish_engine.coverage import Coverage, Elsewhere
from burnish_engine.descriptor import RunOptions
from burnish_engine.errors import one_line
from burnish_optimizer.backends.openvino_ir import keep_float32
from burnish_optimizer.errors import Declined
from burnish_optimizer.ingest.common_shapes import common_shapes, has_free_axes
from burnish_optimizer.precision.int8 import build_static
from burnish_optimizer.tasks import BuildResult, BuildTask
from burnish_runtime.openvino_backend import DEVICE, compile_properties
from burnish_runtime.openvino_formats import coverage as executed

MODEL = "model.xml"


def build(task: BuildTask) -> BuildResult:
    """Convert with weights left in FP32; the precision of computing is a run option.

    Raises: Declined: an operator that OpenVINO does not have, or nothing to compile for alone.
    """
    options = run_options(task)
    _convert(Path(task.model), task)
    return BuildResult(model=MODEL, options=options)


def build_int8(task: BuildTask) -> BuildResult:
    """The statically quantized model, converted: OpenVINO reads QuantizeLinear pairs as its own.

    Raises: Declined.
    """
    options = run_options(task)
    quantized = Path(task.folder) / build_static(task).model
    _convert(quantized, task)
    quantized.unlink()
    return BuildResult(model=MODEL, options=options)


def cover(model: Path, facts: Mapping[str, str]) -> Coverage:
    """See `backends.protocol.BuildSide`: operators that the CPU plugin lacks, else the formats of its layers.

    Raises: Declined: it cannot even be read.
    """
    import openvino  # noqa: PLC0415 - only these builds need it

    core, network = openvino.Core(), read_model(model)
    known = core.query_model(network, DEVICE)
    nodes = network.get_ops()
    unknown = Counter(op.get_type_name() for op in nodes if op.get_friendly_name() not in known)
    if not unknown:
        options = compile_properties(RunOptions(threads=1))
        return executed(core.compile_model(network, DEVICE, options).get_runtime_model())
    reason = "the CPU plugin has no such layer"
    elsewhere = tuple(Elsewhere(op=op, nodes=count, reason=reason) for op, count in unknown.most_common())
    return Coverage(nodes=len(nodes), elsewhere=elsewhere)


def run_options(task: BuildTask) -> RunOptions:
    """What it is run with: as was asked, and with the shapes that requests come in."""
    most = int(task.settings.get("static", "0"))
    if not most or task.judged is None:
        return task.options
    if not has_free_axes(task.inputs):
        raise Declined("every axis is fixed: there is nothing to compile for alone")
    shapes = common_shapes(task.judged, task.inputs, task.batch, most)
    return task.options.model_copy(update={"static_shapes": shapes})


def read_model(source: Path) -> Any:
    """An ONNX model as OpenVINO's. Not by `convert_model`: that pulls in a tool set which calls home.

    Raises: Declined: an operator that OpenVINO does not have.
    """
    import openvino  # noqa: PLC0415 - only these builds need it

    try:
        return openvino.Core().read_model(str(source))
    except RuntimeError as error:
        raise Declined(f"OpenVINO cannot read the model: {one_line(error)}") from error


def _convert(source: Path, task: BuildTask) -> None:
    import openvino  # noqa: PLC0415

    target = Path(task.folder) / MODEL
    openvino.save_model(read_model(source), str(target), compress_to_fp16=False)
    keep_float32(target, set(json.loads(task.settings.get("keep", "[]"))))
