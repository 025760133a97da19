"""Builders of graphs in narrower floats, for recipes."""

from contextlib import suppress
from pathlib import Path

import onnx_ir as ir

from burnish_engine.conversion import FloatConversion
from burnish_engine.request import Precision
from burnish_optimizer.errors import Declined
from burnish_optimizer.precision.calibration.collect import collect
from burnish_optimizer.precision.calibration.records import Method
from burnish_optimizer.precision.conversions import floats
from burnish_optimizer.precision.floats.bf16 import to_bf16
from burnish_optimizer.precision.floats.fp8 import to_fp8
from burnish_optimizer.precision.floats.fp16 import Check, checked_fp16
from burnish_optimizer.precision.large import Opened, opened, write
from burnish_optimizer.precision.shared import calibration_feeds
from burnish_optimizer.precision.weight_only.plan import left_alone
from burnish_optimizer.rewrite.opset_upgrade import raise_to
from burnish_optimizer.rewrite.shapes import infer
from burnish_optimizer.rewrite.values import dtype, tensor
from burnish_optimizer.tasks import BuildResult, BuildTask
from burnish_runtime import cpu

# QuantizeLinear makes FP8 from opset 19 on; 20 is what rewriting raises models to. Conv has BF16 from 22 on.
FP8_OPSET, BF16_OPSET = 20, 22


def build_fp16(task: BuildTask) -> BuildResult:
    """FP16 with FP32 where ranges demand it, checked on the calibration samples.

    Settings: keep, exclude: nodes or values that stay (see `weight_only.plan.left_alone`).
    Raises: Declined: no calibration samples; nothing can be FP16; it overflows whatever stays.
    """
    _need_samples(task, "FP16 is checked for overflows on")
    with opened(task) as made:
        ranges = _ranges(task, made.model)
        check = Check(lambda: calibration_feeds(task), made.weights.path, _threads(task))
        model, report = checked_fp16(made.model, ranges, left_alone(task.settings), check, made.weights.spill)
        told = floats(
            Precision.FP16, made.model, ranges, report.kept, nodes=report.narrow, casts=report.casts
        )
        return _written(made, model, task, told)


def build_bf16(task: BuildTask) -> BuildResult:
    """BF16 wherever the operators of the model's opset have it. Calibration samples help, and are not needed.

    Settings: keep, exclude.   Raises: Declined: no operator of the model has it.
    """
    with opened(task) as made:
        ranges = _ranges(task, made.model) if task.calibration else {}
        with suppress(Declined):  # then fewer operators can be BF16
            raise_to(made.model, BF16_OPSET)
            infer(made.model)
        model, report = to_bf16(made.model, ranges, left_alone(task.settings))
        if not report.narrow:
            raise Declined(f"nothing can be BF16: {next(iter(report.kept.values()), 'no FP32 in it')}")
        told = floats(
            Precision.BF16, made.model, ranges, report.kept, nodes=report.narrow, casts=report.casts
        )
        return _written(made, model, task, told)


def build_fp8(task: BuildTask) -> BuildResult:
    """FP8 around products and convolutions.

    Settings: keep, exclude.
    Raises: Declined: no calibration samples; an older opset that cannot be raised; no layer for it.
    """
    _need_samples(task, "FP8 takes its scales from")
    with opened(task) as made:
        ranges = _ranges(task, made.model)  # of values as the file names them: raising an opset makes others
        raise_to(made.model, FP8_OPSET)
        infer(made.model)
        model, report = to_fp8(made.model, ranges, left_alone(task.settings), made.store)
        if not report.done:
            raise Declined(f"nothing can be FP8: {next(iter(report.kept.values()), 'no layer for it')}")
        told = floats(Precision.FP8, made.model, {}, report.kept, nodes=len(report.done))
        return _written(made, model, task, told)


def _need_samples(task: BuildTask, what: str) -> None:
    if task.calibration is None:
        raise Declined(f"{what} calibration samples, and none were given")


def _ranges(task: BuildTask, model: ir.Model) -> dict[str, tuple[float, float]]:
    """Lowest and highest number of every FP32 value of the main graph, over the calibration samples."""
    makers = (value for node in model.graph for value in node.outputs)
    names = [
        value.name
        for value in (*model.graph.inputs, *makers)
        if value.name and dtype(value) == ir.DataType.FLOAT and tensor(value) is None
    ]
    told = collect(Path(task.model), names, calibration_feeds(task), threads=_threads(task))
    found: dict[str, tuple[float, float]] = {}
    for name in names:
        if told.count(name):
            one = told.range(name, Method.MINMAX, zero=False)
            found[name] = (one.low, one.high)
    return found


def _written(made: Opened, model: ir.Model, task: BuildTask, told: FloatConversion) -> BuildResult:
    return write(Opened(model, made.weights), Path(task.folder), told)


def _threads(task: BuildTask) -> int:
    return task.threads or cpu.default_threads()
