"""`OptimizedModel.spec`: what a user asks for. Every default is safe, and is shown in the stored object."""

from typing import Annotated, Literal

from pydantic import Field

from burnish_engine.layout.runtimes import ServingRuntime
from burnish_engine.request import Minimize, Precision
from burnish_operator.api.base import WireModel
from burnish_operator.api.common import (
    MAX_TARGETS,
    Duration,
    Labels,
    LabelValue,
    Name,
    ResourceRequirements,
    SecretRef,
    Tolerations,
)
from burnish_operator.api.duration import parse_duration
from burnish_operator.api.markers import ATOMIC, Rule, judged_by
from burnish_operator.api.materials import Calibration, Evaluation, Source
from burnish_operator.api.rollout import Rollout


class LatencyGoal(WireModel):
    """A candidate slower than this cannot win."""

    percentile: Literal[50, 90, 99] = Field(
        default=99, description="Which percentile is judged: 50, 90 or 99."
    )
    milliseconds: Annotated[float, Field(gt=0, le=3_600_000)] = Field(
        description=(
            "The latency that a request may have at this percentile, in milliseconds, such as 20 or 7.5."
        )
    )


class Objective(WireModel):
    """What counts as better, among the candidates whose answers hold."""

    minimize: Minimize = Field(
        default=Minimize.LATENCY,
        description=(
            "Latency: seconds a request. Cost: accelerators for the same throughput. Memory: peak "
            "bytes while serving. Size: bytes of the engine."
        ),
    )
    latency: LatencyGoal | None = Field(
        default=None,
        description="A bound that every candidate must keep, such as {percentile: 99, milliseconds: 20}.",
    )
    batch: Annotated[int, Field(ge=1, le=4096)] = Field(
        default=1, description="Samples in a request, as it is measured and tuned for, such as 1 or 8."
    )


class Target(WireModel):
    """One kind of hardware to build for: by class, or by the labels of its nodes."""

    model_config = judged_by(
        Rule(
            "has(self.acceleratorClass) != has(self.nodeSelector)",
            "give acceleratorClass (see `kubectl get ac`) or nodeSelector, exactly one of them",
        ),
        Rule(
            "has(self.name) == has(self.nodeSelector)",
            (
                "name a target that has a nodeSelector (name: my-pool); one with an acceleratorClass has "
                "its name"
            ),
        ),
    )

    name: (
        Annotated[
            LabelValue,
            Rule(
                "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
                "use lower-case letters, digits and hyphens, such as gpu-pool",
            ),
        ]
        | None
    ) = Field(
        default=None,
        description=(
            "Name of the target in status and in object names, such as gpu-pool. Only with nodeSelector."
        ),
    )
    accelerator_class: LabelValue | None = Field(
        default=None,
        description="Name of an AcceleratorClass, as `kubectl get ac` lists them, such as nvidia-l4-24gb.",
    )
    node_selector: Annotated[Labels, Field(min_length=1)] | None = Field(
        default=None,
        description=(
            "Labels of the nodes instead of a class, such as {pool: gpu}. The nodes must be of one class."
        ),
    )
    tolerations: Tolerations = Field(
        default=(),
        description="Taints that pods of this target tolerate, besides those of the class, such as "
        "[{key: dedicated, operator: Exists}].",
    )
    resources: ResourceRequirements | None = Field(
        default=None,
        description=(
            "Resources of this target's pods, in place of serving.resources and of the defaults of "
            "the class. The optimizer runs with the same, so that what is measured is what serves."
        ),
    )
    replicas: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None, description="Serving pods on this target, in place of serving.replicas, such as 3."
    )

    @property
    def effective_name(self) -> str:
        """The name of the target: its own, or that of its class."""
        return self.name or self.accelerator_class or ""


class Registry(WireModel):
    """Where engines are published."""

    repository: (
        Annotated[
            str,
            Field(max_length=512),
            Rule(
                "self.matches('^[a-zA-Z0-9.-]+(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+$')",
                "write host/path with neither scheme nor tag, such as registry.example/burnish/engines",
            ),
        ]
        | None
    ) = Field(
        default=None,
        description=(
            "Repository of the engines, such as registry.example/burnish/engines. Absent: that of "
            "the operator."
        ),
    )
    secret_ref: SecretRef | None = Field(
        default=None,
        description="Credentials to push and pull engines with. Absent: those of the operator's settings.",
    )


class Serving(WireModel):
    """The Deployment and the Service of each target."""

    model_config = judged_by(
        Rule(
            "!has(self.image) || self.runtime != 'Burnish'",
            "image is that of another runtime: set runtime to Triton or OpenVINOModelServer, or leave it out",
        ),
    )

    runtime: ServingRuntime = Field(
        default=ServingRuntime.BURNISH,
        description=(
            "What answers: Burnish's own server, or NVIDIA's Triton Inference Server or OpenVINO Model "
            "Server from the same engine, on the same ports. Only engines that it can serve are looked for."
        ),
    )
    image: (
        Annotated[
            str,
            Field(min_length=1, max_length=512),
            Rule(
                "self.matches('^[a-zA-Z0-9][a-zA-Z0-9._:/@-]*$')",
                "write an image reference, such as registry.example/tritonserver:1.0",
            ),
        ]
        | None
    ) = Field(
        default=None,
        description=(
            "Image of the runtime, such as registry.example/tritonserver@sha256:0a1b…. Absent: that of the "
            "operator's settings. Not for Burnish."
        ),
    )
    enabled: bool = Field(
        default=True, description="false: engines are built and published, and nothing is deployed."
    )
    replicas: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=1,
        description="Serving pods on each target, such as 2. `kubectl scale om NAME --replicas=2` sets it.",
    )
    resources: ResourceRequirements | None = Field(
        default=None,
        description=(
            "Resources of each serving pod, such as {limits: {cpu: 2, memory: 1Gi}}, where the "
            "target gives none. Absent: the defaults of the class. The optimizer runs with the same."
        ),
    )


class Optimization(WireModel):
    """The Jobs that optimize."""

    deadline: Duration = Field(
        default="1h", description="How long a Job may take in all, such as 30m or 1h30m; then it has failed."
    )
    ttl: Duration = Field(
        default="1d", description="How long a finished Job and its log are kept, such as 1h or 7d."
    )
    budget: Duration | None = Field(
        default=None,
        description=(
            "How long the search for candidates may take, such as 10m: what was found by then is "
            "chosen from. Absent: until everything was tried."
        ),
    )
    queue_name: LabelValue | None = Field(
        default=None, description="Kueue's LocalQueue that Jobs wait in, such as team-a."
    )
    priority_class_name: Name | None = Field(
        default=None, description="PriorityClass of the Jobs' pods, such as batch-low."
    )

    @property
    def deadline_seconds(self) -> int:
        """`deadline` in seconds."""
        return parse_duration(self.deadline)

    @property
    def ttl_seconds(self) -> int:
        """`ttl` in seconds."""
        return parse_duration(self.ttl)

    @property
    def budget_seconds(self) -> float | None:
        """`budget` in seconds; None: no limit but the deadline."""
        return None if self.budget is None else float(parse_duration(self.budget))


Precisions = Annotated[
    tuple[Literal[Precision.FP32, Precision.BF16, Precision.INT8], ...],
    Field(min_length=1, max_length=3),
    ATOMIC,
    Rule("self.all(p, self.exists_one(q, q == p))", "name each precision once"),
]
Targets = Annotated[
    tuple[Target, ...],
    Field(max_length=MAX_TARGETS),
    ATOMIC,
    Rule(
        (
            "self.all(t, self.exists_one(u, (has(u.name) ? u.name : (has(u.acceleratorClass) ? "
            "u.acceleratorClass : '')) == (has(t.name) ? t.name : (has(t.acceleratorClass) ? "
            "t.acceleratorClass : ''))))"
        ),
        "give each target a name of its own, and each class once",
    ),
]


class OptimizedModelSpec(WireModel):
    """What to optimize, how it is judged, for which hardware, and how it serves."""

    model_config = judged_by(
        Rule(
            "!has(self.rollout.analysis) || self.serving.runtime == 'Burnish'",
            "analysis reads the metrics of Burnish's own server: leave rollout.analysis out, or set "
            "serving.runtime to Burnish",
        ),
    )

    source: Source = Field(
        description="The model, such as {uri: oci://registry.example/models/page-orientation:1}."
    )
    calibration: Calibration | None = Field(
        default=None,
        description="Inputs like those of production, which quantization takes its ranges from, such as "
        "{uri: oci://registry.example/data/pages:1}. Absent: only recipes that need none are tried.",
    )
    evaluation: Evaluation | None = Field(
        default=None,
        description=(
            "How answers are judged, such as {uri: oci://registry.example/data/pages-labelled:1, "
            "metric: accuracy, maxDrop: 0.01}. Absent: agreement with the source on the calibration "
            "inputs."
        ),
    )
    objective: Objective = Field(
        default=Objective(), description="What counts as better, such as {minimize: Latency, batch: 8}."
    )
    precisions: Precisions = Field(
        default=(Precision.FP32, Precision.BF16, Precision.INT8),
        description="Precisions that may win, in the order they are tried, such as [FP32, INT8].",
    )
    targets: Targets = Field(
        default=(),
        description=(
            "The hardware to build for, such as [{acceleratorClass: nvidia-l4-24gb}]. Absent or "
            "empty: every accelerator class that the cluster has, now and later."
        ),
    )
    registry: Registry = Field(
        default=Registry(),
        description="Where engines are published, such as {repository: registry.example/burnish/engines}.",
    )
    serving: Serving = Field(default=Serving(), description="The pods that answer, such as {replicas: 2}.")
    rollout: Rollout = Field(
        default=Rollout(), description="How a new engine replaces the old one, such as {strategy: InPlace}."
    )
    optimization: Optimization = Field(
        default=Optimization(), description="The Jobs that optimize, such as {deadline: 30m, ttl: 1h}."
    )
    suspend: bool = Field(
        default=False,
        description="true: start nothing new; what serves keeps serving, and running Jobs are stopped.",
    )

    @property
    def discovers_targets(self) -> bool:
        """True where every class of the cluster is a target."""
        return not self.targets

    @property
    def secret_name(self) -> str | None:
        """The one Secret with registry credentials that the object names, or None."""
        parts = (self.source, self.calibration, self.evaluation, self.registry)
        return next((part.secret_ref.name for part in parts if part and part.secret_ref), None)
