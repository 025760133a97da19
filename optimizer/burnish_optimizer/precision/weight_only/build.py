"""The builder of weight-only recipes."""

from pathlib import Path

from burnish_engine.conversion import LayerBits
from burnish_optimizer.errors import Declined
from burnish_optimizer.precision.conversions import weights
from burnish_optimizer.precision.large import opened, write
from burnish_optimizer.precision.shared import calibration_feeds
from burnish_optimizer.precision.subnormal import clear
from burnish_optimizer.precision.weight_only.moments import Samples
from burnish_optimizer.precision.weight_only.plan import Method, plan_of
from burnish_optimizer.precision.weight_only.quantize import WeightReport, quantize_weights
from burnish_optimizer.tasks import BuildResult, BuildTask
from burnish_runtime import cpu


def build(task: BuildTask) -> BuildResult:
    """MatMulNBits where weights are constant, as the recipe's settings tell (see `plan.plan_of`).

    Raises: Declined: nothing to quantize, or GPTQ without calibration samples. InvalidJob: bad settings.
    """
    plan = plan_of(task.settings, task.facts)
    if plan.method is Method.GPTQ and task.calibration is None:
        raise Declined("GPTQ needs calibration samples, and none were given")
    with opened(task) as made:
        threads = task.threads or cpu.default_threads()
        samples = Samples(lambda: calibration_feeds(task), made.weights.path, threads)
        report = quantize_weights(made.model, plan, samples, made.store)
        if not report.done and not plan.kept:  # of a search that gave everything back
            raise Declined(_why_none(report))
        cleared = clear(made.model, made.store)  # of what stays in FP32
        built = write(made, Path(task.folder), weights(_layers(report), report.kept))
        return built.model_copy(update={"notes": cleared.notes})


def _layers(report: WeightReport) -> list[LayerBits]:
    return [
        LayerBits(
            name=name,
            bits=done.grid.bits,
            block=done.grid.block,
            method=done.method.value,
            error=done.error,
            bytes_before=done.bytes_before,
            bytes_after=done.bytes_after,
            note=done.note,
        )
        for name, done in (*report.done.items(), *report.tables.items())
    ]


def _why_none(report: WeightReport) -> str:
    if not report.kept:
        return "no MatMul or Gemm has a constant weight: nothing to gain from fewer bits of weights"
    name, reason = next(iter(report.kept.items()))
    return f"none of {len(report.kept)} products with constants can have fewer bits ({name}: {reason})"
