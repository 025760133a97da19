"""Candidates that OpenVINO runs: converted once, so that loading needs no ONNX importer."""

from pathlib import Path

from burnish_engine.errors import one_line
from burnish_optimizer.errors import Declined
from burnish_optimizer.precision.int8 import build_static
from burnish_optimizer.tasks import BuildResult, BuildTask

MODEL = "model.xml"


def build_fp32(task: BuildTask) -> BuildResult:
    """Convert with weights left in FP32; the precision of computing is a run option.

    Raises: Declined: an operator that OpenVINO does not have.
    """
    _convert(Path(task.model), Path(task.folder))
    return BuildResult(model=MODEL)


def build_int8(task: BuildTask) -> BuildResult:
    """The statically quantized model, converted: OpenVINO reads QuantizeLinear pairs as its own.

    Raises: Declined.
    """
    quantized = Path(task.folder) / build_static(task).model
    _convert(quantized, Path(task.folder))
    quantized.unlink()
    return BuildResult(model=MODEL)


def _convert(source: Path, folder: Path) -> None:
    import openvino  # noqa: PLC0415 - only these builds need it

    try:
        # Not `convert_model`: that pulls in a tool set which calls home.
        model = openvino.Core().read_model(str(source))
    except RuntimeError as error:
        raise Declined(f"OpenVINO cannot read the model: {one_line(error)}") from error
    openvino.save_model(model, str(folder / MODEL), compress_to_fp16=False)
