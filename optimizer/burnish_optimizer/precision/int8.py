"""INT8 models through ONNX Runtime's quantizer.

Static: weights s8 per channel, activations u8 from calibrated ranges, as QuantizeLinear and
DequantizeLinear pairs. Dynamic: activations are ranged anew in every request; needs no calibration.
"""

from collections.abc import Iterator
from pathlib import Path

import onnx

from burnish_engine.errors import one_line
from burnish_optimizer.errors import Declined
from burnish_optimizer.ingest.feeds import Feeds, to_feeds
from burnish_optimizer.ingest.samples import open_samples
from burnish_optimizer.rewrite.fused import save_fused
from burnish_optimizer.rewrite.opset import raise_opset
from burnish_optimizer.targets.implications import saturates_u8s8
from burnish_optimizer.tasks import BuildResult, BuildTask

MODEL = "model.onnx"
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def build_static(task: BuildTask) -> BuildResult:
    """Quantize with ranges from the calibration samples.

    Raises: Declined: no calibration samples, nothing to quantize, or an opset that cannot be raised.
    """
    from onnxruntime.quantization import QuantType  # noqa: PLC0415 - only INT8 builds need it
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer  # noqa: PLC0415
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry  # noqa: PLC0415

    from burnish_optimizer.precision.ranges import minmax_ranges  # noqa: PLC0415

    if task.calibration is None:
        raise Declined("static INT8 needs calibration samples, and none were given")
    folder = Path(task.folder)
    prepared = prepare(task)
    op_types = sorted({*QDQRegistry, *QLinearOpsRegistry})
    ranges = minmax_ranges(prepared, op_types, _feeds(task), task.threads)
    quantizer = QDQQuantizer(
        onnx.load(str(prepared)),
        per_channel=True,
        reduce_range=saturates_u8s8(task.facts),
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=ranges,
        nodes_to_quantize=[],
        nodes_to_exclude=[],
        op_types_to_quantize=op_types,
        extra_options={},
    )
    quantizer.quantize_model()
    quantizer.model.save_model_to_file(str(folder / MODEL))
    prepared.unlink()
    _check(folder / MODEL)
    return BuildResult(model=MODEL)


def build_dynamic(task: BuildTask) -> BuildResult:
    """Quantize weights; activations are quantized at run time.

    Raises: Declined: nothing to quantize, or an opset that cannot be raised.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415 - only INT8 builds need it

    folder = Path(task.folder)
    prepared = prepare(task)
    quantize_dynamic(
        str(prepared),
        str(folder / MODEL),
        per_channel=True,
        reduce_range=saturates_u8s8(task.facts),
        weight_type=QuantType.QInt8,
    )
    prepared.unlink()
    _check(folder / MODEL)
    return BuildResult(model=MODEL)


def prepare(task: BuildTask) -> Path:
    """The model as quantizers need it: opset 13, batch norms folded into convolutions, shapes inferred.

    Symbolic shape inference, which ONNX Runtime's own preparation runs, gives up on models with free
    height and width; plain inference names types, and types are what the quantizer asks for.
    """
    folder = Path(task.folder)
    raised, prepared = folder / "raised.onnx", folder / "prepared.onnx"
    onnx.save(raise_opset(onnx.load(task.model)), str(raised))
    model = save_fused(raised, prepared, task.threads)
    raised.unlink()
    if not any(node.op_type in WEIGHTED for node in model.graph.node):
        raise Declined(f"the graph has none of {', '.join(WEIGHTED)}: nothing to gain from INT8")
    return prepared


def _feeds(task: BuildTask) -> Iterator[Feeds]:
    if task.calibration is None:
        return
    for sample in open_samples(task.calibration, task.inputs):
        yield to_feeds(sample.arrays, task.inputs)


def _check(path: Path) -> None:
    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        raise Declined(f"the quantizer made an invalid graph: {one_line(error)}") from error
