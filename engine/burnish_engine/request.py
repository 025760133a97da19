"""What is asked of the optimizer: everything that changes which engine wins, and nothing else."""

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from burnish_engine.base import Record
from burnish_engine.metric import Metric, wrong_entry, wrong_limits

__all__ = ["Backend", "LatencyGoal", "Metric", "Minimize", "OptimizationRequest", "Precision"]

DEFAULT_MAX_DROP = 0.01
# Noise of a hundredth of the signal's power: what a drop of 0.01 is to other metrics.
DEFAULT_MINIMUM_SQNR_DB = 20.0


class Precision(StrEnum):
    """Number formats that a candidate may compute in."""

    FP32 = "FP32"
    BF16 = "BF16"
    FP16 = "FP16"
    FP8 = "FP8"
    INT8 = "INT8"
    INT4 = "INT4"


class Backend(StrEnum):
    """What runs a model: a library, and of ONNX Runtime the execution provider (the CPU's if none is named).

    TENSORRT_RTX: plans of TensorRT for RTX, built ahead of time.
    """

    ONNXRUNTIME = "onnxruntime"
    OPENVINO = "openvino"
    ONNXRUNTIME_CUDA = "onnxruntime-cuda"
    ONNXRUNTIME_TENSORRT = "onnxruntime-tensorrt"
    TENSORRT_RTX = "tensorrt-rtx"


class Minimize(StrEnum):
    """What the search makes small, among the candidates that pass every gate."""

    LATENCY = "Latency"
    COST = "Cost"
    MEMORY = "Memory"
    SIZE = "Size"


class LatencyGoal(Record):
    """A candidate slower than this at this percentile cannot win."""

    percentile: float = Field(gt=0, lt=100)
    seconds: float = Field(gt=0)


class OptimizationRequest(Record):
    """One optimization, as asked.

    `max_drop` is how far the metric may fall below the reference's own value (rise above it, where lower
    is better); `minimum` is an absolute floor. At most one of them is set; neither means `max_drop` = 0.01,
    for sqnr `minimum` = 20 dB.
    `metric_entry`: the function of metric entry, `package.module:function` or an installed name.
    `max_memory_bytes` bounds the peak of the engine's process, `latency` its latency.
    `backends`: None: all that the target has.   `allow_fallback`: nodes may run elsewhere than asked (counted
    all the same).   `allow_unmeasured`: what was built for hardware that is not here may be chosen, where
    nothing that was measured beats the baseline.
    """

    metric: Metric = Metric.AGREEMENT
    metric_entry: str = ""
    max_drop: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    minimum: float | None = Field(default=None, allow_inf_nan=False)
    minimize: Minimize = Minimize.LATENCY
    latency: LatencyGoal | None = None
    max_memory_bytes: int | None = Field(default=None, ge=1)
    batch: int = Field(default=1, ge=1, le=4096)
    precisions: tuple[Precision, ...] = (Precision.FP32, Precision.BF16, Precision.INT8)
    backends: tuple[Backend, ...] | None = None
    allow_fallback: bool = False
    allow_unmeasured: bool = False
    calibration_samples: int | None = Field(default=None, ge=1)
    threads: int | None = Field(default=None, ge=1, le=1024)
    budget_seconds: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        wrong = wrong_limits(self.metric, self.max_drop, self.minimum) or wrong_entry(
            self.metric, self.metric_entry
        )
        if wrong:
            raise ValueError(wrong)
        return self

    @property
    def allowed_drop(self) -> float | None:
        """The drop that the accuracy gate allows, or None where a floor judges."""
        if self.minimum is not None or self.metric is Metric.SQNR:
            return None
        return DEFAULT_MAX_DROP if self.max_drop is None else self.max_drop

    @property
    def floor(self) -> float | None:
        """The least value that the accuracy gate allows, or None where a drop is judged."""
        if self.metric is Metric.SQNR and self.minimum is None:
            return DEFAULT_MINIMUM_SQNR_DB
        return self.minimum
