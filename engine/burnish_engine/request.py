"""What is asked of the optimizer: everything that changes which engine wins, and nothing else."""

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from burnish_engine.base import Record


class Precision(StrEnum):
    """Number formats that a candidate may compute in."""

    FP32 = "FP32"
    BF16 = "BF16"
    FP16 = "FP16"
    FP8 = "FP8"
    INT8 = "INT8"
    INT4 = "INT4"


class Backend(StrEnum):
    """Libraries that run a model."""

    ONNXRUNTIME = "onnxruntime"
    OPENVINO = "openvino"


class Minimize(StrEnum):
    """What the search makes small, among the candidates that pass every gate."""

    LATENCY = "Latency"
    COST = "Cost"
    MEMORY = "Memory"
    SIZE = "Size"


class Metric(StrEnum):
    """How answers are judged.

    ACCURACY: share of samples whose arg-max is the label.  AGREEMENT: share of samples whose
    arg-max is the reference's (needs no labels).  COSINE: mean cosine similarity to the reference.
    """

    ACCURACY = "accuracy"
    AGREEMENT = "agreement"
    COSINE = "cosine"


class LatencyGoal(Record):
    """A candidate slower than this at this percentile cannot win."""

    percentile: float = Field(gt=0, lt=100)
    seconds: float = Field(gt=0)


class OptimizationRequest(Record):
    """One optimization, as asked.

    `max_drop` is how far the metric may fall below the reference's own value; `minimum` is an
    absolute floor. At most one of them is set; neither means `max_drop` = 0.01. `max_memory_bytes` bounds
    the peak of the engine's process, `latency` its latency.
    """

    metric: Metric = Metric.AGREEMENT
    max_drop: float | None = Field(default=None, ge=0, le=1)
    minimum: float | None = Field(default=None, ge=-1, le=1)
    minimize: Minimize = Minimize.LATENCY
    latency: LatencyGoal | None = None
    max_memory_bytes: int | None = Field(default=None, ge=1)
    batch: int = Field(default=1, ge=1, le=4096)
    precisions: tuple[Precision, ...] = (Precision.FP32, Precision.BF16, Precision.INT8)
    backends: tuple[Backend, ...] = (Backend.ONNXRUNTIME, Backend.OPENVINO)
    calibration_samples: int | None = Field(default=None, ge=1)
    threads: int | None = Field(default=None, ge=1, le=1024)
    budget_seconds: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if self.max_drop is not None and self.minimum is not None:
            raise ValueError("max_drop and minimum exclude each other: found both, expected one")
        return self

    @property
    def allowed_drop(self) -> float | None:
        """The drop that the accuracy gate allows, or None where `minimum` judges."""
        return None if self.minimum is not None else (0.01 if self.max_drop is None else self.max_drop)
