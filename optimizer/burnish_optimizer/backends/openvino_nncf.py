"""INT8 by NNCF, for OpenVINO: quantized once for a run, and any layer can be given its precision back.

Settings: `keep`: names of layers that are not quantized, as a JSON list; they compute in the precision that
the plugin is asked for. `static`: see `backends.openvino`.
Source: NNCF, "Post-training Quantization" (min-max ranges, SmoothQuant, fast bias correction).
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from burnish_engine.errors import one_line
from burnish_optimizer.backends.openvino import MODEL, read_model, run_options
from burnish_optimizer.backends.openvino_ir import WEIGHTED
from burnish_optimizer.errors import Declined
from burnish_optimizer.ingest.feeds import Feeds
from burnish_optimizer.ingest.samples import open_samples
from burnish_optimizer.precision.shared import calibration_feeds, made_once
from burnish_optimizer.targets.implications import saturates_u8s8
from burnish_optimizer.tasks import BuildResult, BuildTask

QUANTIZE = "FakeQuantize"
ATTENTION_MATMULS = 4


def build(task: BuildTask) -> BuildResult:
    """The quantized model with some layers given back.

    Raises: Declined: no calibration samples, or a model that OpenVINO or NNCF does not take.
    """
    import openvino  # noqa: PLC0415 - only these builds need it

    options = run_options(task)
    quantized = openvino.Core().read_model(str(_quantized(task)))
    kept = set(json.loads(task.settings.get("keep", "[]")))
    if kept:
        _give_back(quantized, read_model(Path(task.model)), kept)
    openvino.save_model(quantized, str(Path(task.folder) / MODEL), compress_to_fp16=False)
    return BuildResult(model=MODEL, options=options)


def _quantized(task: BuildTask) -> Path:
    """The model with every layer quantized that NNCF would, made by the first recipe that asks."""
    import openvino  # noqa: PLC0415

    def make(folder: Path) -> None:
        openvino.save_model(_quantize(task), str(folder / MODEL), compress_to_fp16=False)

    return made_once(task, "nncf", make) / MODEL


def _quantize(task: BuildTask) -> Any:
    if task.calibration is None:
        raise Declined("INT8 by NNCF needs calibration samples, and none were given")
    # NNCF counts its runs at its makers' where this can be imported; without it, it does not.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import nncf  # noqa: PLC0415 - only these builds need it

    model = read_model(Path(task.model))
    kinds = [node.get_type_name() for node in model.get_ops()]
    attends = "Softmax" in kinds and kinds.count("MatMul") >= ATTENTION_MATMULS
    samples = len(open_samples(task.calibration, task.inputs))
    # Seven bits for weights, in every layer or in none: NNCF would take the first layer, whatever runs it.
    halves = nncf.OverflowFix.ENABLE if saturates_u8s8(task.facts) else nncf.OverflowFix.DISABLE
    try:
        return nncf.quantize(
            model,
            nncf.Dataset(_Again(task)),
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER if attends else None,
            subset_size=samples,
            advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=halves),
        )
    except Exception as error:
        raise Declined(f"NNCF does not quantize the model: {one_line(error)}") from error


class _Again:
    """Feeds of the calibration samples: NNCF goes through them several times."""

    def __init__(self, task: BuildTask) -> None:
        self._task = task

    def __iter__(self) -> Iterator[Feeds]:
        return calibration_feeds(self._task)


def _give_back(quantized: Any, exact: Any, kept: set[str]) -> None:
    """Undo the quantization of layers, in place: their inputs, their weights, and their corrected biases."""
    originals = {node.get_friendly_name(): node for node in exact.get_ops()}
    for node in quantized.get_ops():
        if node.get_friendly_name() not in kept:
            continue
        original = originals.get(node.get_friendly_name())
        for index, port in enumerate(node.inputs()):
            source = port.get_source_output().get_node()
            if original is not None and _is_changed_constant(node, original.input(index)):
                port.replace_source_output(_constant(original.input(index)).output(0))
            elif source.get_type_name() == QUANTIZE:
                port.replace_source_output(source.input_value(0))


def _is_changed_constant(node: Any, original: Any) -> bool:
    """Weights are stored in eight bits, and biases are corrected for what that loses."""
    return _is_constant(original) and node.get_type_name() in (*WEIGHTED, "Add")


def _is_constant(port: Any) -> bool:
    return bool(port.get_source_output().get_node().get_type_name() == "Constant")


def _constant(port: Any) -> Any:
    import openvino  # noqa: PLC0415

    found = port.get_source_output().get_node()
    made = openvino.op.Constant(found.get_element_type(), found.get_output_shape(0), found.data.ravel())
    made.set_friendly_name(found.get_friendly_name())
    return made
