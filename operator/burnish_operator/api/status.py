"""`OptimizedModel.status`: what Burnish saw and did. Figures are numbers with the unit in the name."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from burnish_engine.request import Backend, Metric, Precision
from burnish_operator.api.base import WireModel
from burnish_operator.api.canary_status import CanaryStatus, DigestText, Hex, RejectedStatus, Time
from burnish_operator.api.common import MAX_TARGETS, Conditions, LabelValue, Message, Name, Text
from burnish_operator.api.markers import INT64, list_map

MAX_REJECTED = 16
Seconds = Annotated[float, Field(ge=0)]
Bytes = Annotated[int, Field(ge=0), INT64]


class ConditionType(StrEnum):
    """The conditions of an OptimizedModel. Ready sums up; Degraded is the only one where True is bad."""

    READY = "Ready"
    SOURCE_RESOLVED = "SourceResolved"
    TARGETS_RESOLVED = "TargetsResolved"
    OPTIMIZED = "Optimized"
    PUBLISHED = "Published"
    ROLLED_OUT = "RolledOut"
    DEGRADED = "Degraded"


class TargetState(StrEnum):
    """Where one target is on the road."""

    PENDING = "Pending"
    BUILDING = "Building"
    PUBLISHED = "Published"
    ROLLING_OUT = "RollingOut"
    SERVING = "Serving"
    FAILED = "Failed"
    SUSPENDED = "Suspended"


class EngineStatus(WireModel):
    """The engine that won."""

    key: Hex = Field(
        description="Engine key: hash of all that decides which engine comes out. Same key, same engine."
    )
    digest: DigestText = Field(description="Digest of the engine's OCI manifest, such as sha256:0a1b….")
    reference: Annotated[str, Field(max_length=2048)] = Field(
        description="What to pull, such as registry.example/burnish/engines@sha256:0a1b…."
    )
    backend: Backend = Field(description="What runs it, such as onnxruntime, openvino or tensorrt-rtx.")
    precision: Precision = Field(description="Precision that won, such as INT8.")
    recipe: Annotated[str, Field(max_length=253)] = Field(
        description=(
            "Recipe that won, such as onnxruntime-int8-qdq; `baseline` where nothing beat the original."
        )
    )


class AccuracyStatus(WireModel):
    """How the engine's answers were judged."""

    metric: Metric = Field(description="What was judged by, such as accuracy.")
    value: float = Field(description="The engine's metric, such as 0.981.")
    reference: float = Field(description="The same metric of the untouched source, such as 0.984.")
    samples: Annotated[int, Field(ge=0)] = Field(description="Samples that were judged, such as 512.")


class FigureStatus(WireModel):
    """Figures of one side, measured in one run on the target."""

    p50_seconds: Seconds = Field(description="Median latency of a request in seconds, such as 0.0042.")
    p90_seconds: Seconds = Field(description="Latency in seconds that 90 % of requests keep, such as 0.0047.")
    p99_seconds: Seconds = Field(description="Latency in seconds that 99 % of requests keep, such as 0.0061.")
    throughput_per_second: Annotated[float, Field(ge=0)] = Field(
        description="Samples a second, such as 231.5."
    )
    peak_memory_bytes: Bytes = Field(description="Peak memory of the process in bytes, such as 104857600.")
    size_bytes: Bytes = Field(description="Size of the model's files in bytes, such as 6553600.")


class SavingsStatus(WireModel):
    """Accelerators for the throughput that this target offers now, before and after."""

    accelerators_before: Annotated[float, Field(ge=0)] = Field(
        description="Accelerators that the original would need, such as 3.6."
    )
    accelerators_after: Annotated[float, Field(ge=0)] = Field(
        description="Accelerators that the engine needs, such as 2."
    )
    per_hour: float | None = Field(
        default=None,
        description="Money saved each hour, such as 1.14. Absent where the class has no pricePerHour.",
    )
    currency: Annotated[str, Field(max_length=3)] | None = Field(
        default=None, description="Currency of perHour, such as EUR."
    )


class RolloutStatus(WireModel):
    """What serves on the target."""

    deployment: Annotated[str, Field(max_length=253)] = Field(
        description="Name of the Deployment (and Service)."
    )
    replicas: Annotated[int, Field(ge=0)] = Field(default=0, description="Pods wanted, such as 2.")
    ready_replicas: Annotated[int, Field(ge=0)] = Field(default=0, description="Pods that answer, such as 2.")
    digest: DigestText | None = Field(default=None, description="Digest of the engine that is rolled out.")


class FailureStatus(WireModel):
    """The last thing that went wrong on the target, and whether it is tried again before its key changes."""

    time: Time = Field(description="When it failed, such as 2026-05-04T10:00:00Z.")
    reason: Annotated[str, Field(max_length=128)] = Field(
        description="One CamelCase word, such as AccuracyGate."
    )
    message: Message = Field(description="What was found, what was expected, and what to do.")
    key: Hex | None = Field(default=None, description="Key of the engine that could not be built.")
    attempts: Annotated[int, Field(ge=1)] = Field(
        default=1, description="How often this key was tried and failed, such as 1."
    )
    retry_at: Time | None = Field(
        default=None,
        description=(
            "When it is tried again by itself. Absent: only once the spec (hence the key) changes, or "
            "you annotate the object with burnish.dev/retry=<a time after the failure>."
        ),
    )


class TargetStatus(WireModel):
    """One target: its engine, its figures, its rollout."""

    name: LabelValue = Field(
        description="Name of the target: that of its class, or of the entry in spec.targets."
    )
    accelerator_class: LabelValue | None = Field(default=None, description="AcceleratorClass of its nodes.")
    state: TargetState = Field(
        description="Pending, Building, Published, RollingOut, Serving, Failed or Suspended."
    )
    job: Name | None = Field(
        default=None, description="The Job that optimizes, such as burnish-0a1b2c3d4e5f6071."
    )
    engine: EngineStatus | None = Field(
        default=None, description="The engine that was published for this target."
    )
    accuracy: AccuracyStatus | None = Field(default=None, description="How the engine's answers were judged.")
    baseline: FigureStatus | None = Field(
        default=None, description="The source in its runtime's defaults on this target."
    )
    optimized: FigureStatus | None = Field(
        default=None, description="The engine on this target, measured in the same run."
    )
    speedup: Annotated[float, Field(ge=0)] | None = Field(
        default=None,
        description=(
            "Baseline p50 over optimized p50, measured in turns, such as 1.82; 1 where the original serves."
        ),
    )
    savings: SavingsStatus | None = Field(default=None, description="Accelerators before and after.")
    rollout: RolloutStatus | None = Field(default=None, description="What serves on this target.")
    canary: CanaryStatus | None = Field(
        default=None,
        description="The engine that proves itself beside the one that serves, while there is one.",
    )
    rejected: (
        Annotated[tuple[RejectedStatus, ...], Field(max_length=MAX_REJECTED), list_map("digest")] | None
    ) = Field(default=None, description="Engines that are not rolled out, the latest last, and why.")
    progress: Text | None = Field(
        default=None, description="What is going on, for people, such as `Job is running (2m)`."
    )
    last_failure: FailureStatus | None = Field(
        default=None, description="The last failure, until it is overcome."
    )


class SummaryStatus(WireModel):
    """What the columns of `kubectl get om` show."""

    targets_ready: Annotated[str, Field(max_length=16)] | None = Field(
        default=None, description="Targets that have what the spec asks for, of all, such as 2/2."
    )
    speedup: Annotated[str, Field(max_length=32)] | None = Field(
        default=None, description="Speedup of the targets, smallest to largest, such as 1.8x or 1.4x-2.1x."
    )
    precision: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="Precisions that won, such as INT8 or BF16,INT8."
    )
    accuracy: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="Worst metric among the targets, such as 0.981."
    )
    savings: Annotated[str, Field(max_length=64)] | None = Field(
        default=None,
        description="What is saved over all targets, such as `1.6 accelerators` or `1.14 EUR/h`.",
    )


class OptimizedModelStatus(WireModel):
    """What Burnish saw and did, written whole on each turn of the loop."""

    observed_generation: int = Field(
        default=0, description="The metadata.generation that this status tells of."
    )
    conditions: Conditions = Field(
        default=(),
        description="Ready, SourceResolved, TargetsResolved, Optimized, Published, RolledOut, Degraded.",
    )
    source_digest: DigestText | None = Field(default=None, description="What spec.source resolved to.")
    calibration_digest: DigestText | None = Field(
        default=None, description="What spec.calibration resolved to."
    )
    evaluation_digest: DigestText | None = Field(
        default=None, description="What spec.evaluation resolved to."
    )
    targets: Annotated[tuple[TargetStatus, ...], Field(max_length=MAX_TARGETS), list_map("name")] = Field(
        default=(), description="One entry a target."
    )
    index: Annotated[str, Field(max_length=2048)] | None = Field(
        default=None, description="OCI index of this revision's engines, one for each target, by digest."
    )
    replicas: Annotated[int, Field(ge=0)] = Field(
        default=0,
        description="Serving pods that answer on each target (the fewest), as spec.serving.replicas counts.",
    )
    selector: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None,
        description="Label selector of the serving pods, such as burnish.dev/model=page-orientation.",
    )
    summary: SummaryStatus | None = Field(default=None, description="Short texts for `kubectl get om`.")

    def target(self, name: str) -> TargetStatus | None:
        """The entry of one target, or None where it has none yet."""
        return next((entry for entry in self.targets if entry.name == name), None)
