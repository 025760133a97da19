"""INT8 models through ONNX Runtime's quantizer, with ranges from our own calibration.

Static: weights s8 per channel, activations u8, biases s32, as QuantizeLinear and DequantizeLinear pairs.
Dynamic: activations are ranged anew in every request; needs no calibration.

Settings: `method`: how ranges are chosen (see `calibration.Method`).   `ops`: "all" that the quantizer knows,
or those with weights alone.   `smooth`: SmoothQuant's α, empty: not smoothed.
`keep`: names of nodes that are not quantized, as a JSON list.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from burnish_engine.errors import one_line
from burnish_optimizer.errors import Declined
from burnish_optimizer.precision.calibration.calibration import Calibration
from burnish_optimizer.precision.calibration.records import Method
from burnish_optimizer.precision.prepared import WEIGHTED, Prepared, prepare, prepared
from burnish_optimizer.targets.implications import saturates_u8s8
from burnish_optimizer.tasks import BuildResult, BuildTask

MODEL = "model.onnx"


def build_static(task: BuildTask) -> BuildResult:
    """Quantize with ranges from the calibration samples.

    Raises: Declined: no calibration samples, nothing to quantize, or an opset that cannot be raised.
    """
    from onnxruntime.quantization import QuantType  # noqa: PLC0415 - only INT8 builds need it
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer  # noqa: PLC0415

    found = prepared(task)
    op_types = list(WEIGHTED) if task.settings.get("ops") == "weighted" else quantizable()
    method = Method(task.settings.get("method", Method.MINMAX))
    quantizer = QDQQuantizer(
        onnx.load(str(found.model)),
        per_channel=True,
        reduce_range=saturates_u8s8(task.facts),
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=_ranges(found, method),
        nodes_to_quantize=[],
        nodes_to_exclude=json.loads(task.settings.get("keep", "[]")),
        op_types_to_quantize=op_types,
        extra_options={},
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    return _save(quantizer.model.model, task)


def build_dynamic(task: BuildTask) -> BuildResult:
    """Quantize weights; activations are quantized at run time.

    Raises: Declined: nothing to quantize, or an opset that cannot be raised.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415 - only INT8 builds need it

    folder = Path(task.folder)
    source, target = folder / "prepared.onnx", folder / MODEL
    prepare(task, source)
    quantize_dynamic(
        str(source),
        str(target),
        per_channel=True,
        reduce_range=saturates_u8s8(task.facts),
        weight_type=QuantType.QInt8,
    )
    source.unlink()
    _check(target)
    return BuildResult(model=MODEL)


def quantizable() -> list[str]:
    """Operators that ONNX Runtime's quantizer knows."""
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry  # noqa: PLC0415

    return sorted({*QDQRegistry, *QLinearOpsRegistry})


def _ranges(found: Prepared, method: Method) -> Any:
    """Every collected tensor's range in ONNX Runtime's words; what was never finite has none."""
    from onnxruntime.quantization.calibrate import (  # noqa: PLC0415
        CalibrationMethod,
        TensorData,
        TensorsData,
    )

    calibration = found.calibration
    told: Mapping[str, TensorData] = {
        name: TensorData(lowest=low, highest=high)
        for name in calibration.histograms
        if calibration.count(name)
        for low, high in [_range(calibration, name, method)]
    }
    return TensorsData(CalibrationMethod.MinMax, told)


def _range(calibration: Calibration, name: str, method: Method) -> tuple[Any, Any]:
    found = calibration.range(name, method)
    return np.array(found.low, np.float32), np.array(found.high, np.float32)


def _save(model: onnx.ModelProto, task: BuildTask) -> BuildResult:
    path = Path(task.folder) / MODEL
    onnx.save(model, str(path))
    _check(path)
    return BuildResult(model=MODEL)


def _check(path: Path) -> None:
    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        raise Declined(f"the quantizer made an invalid graph: {one_line(error)}") from error
