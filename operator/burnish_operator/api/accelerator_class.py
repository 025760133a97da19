"""AcceleratorClass: one kind of hardware. Burnish creates one for each kind it sees; people add the price."""

from typing import Annotated, ClassVar

from pydantic import Field

from burnish_operator.api.base import Resource, WireModel
from burnish_operator.api.common import Conditions, Labels, Quantity, ResourceRequirements, Tolerations
from burnish_operator.api.markers import ATOMIC, Rule, judged_by

DriverVersion = Annotated[str, Field(max_length=63)]
Fact = Annotated[str, Field(max_length=4096)]


class Match(WireModel):
    """Which nodes are of this class."""

    match_labels: Annotated[Labels, Field(min_length=1)] = Field(
        description=(
            "Labels that a node must carry, all of them and exactly, such as "
            "{nvidia.com/gpu.product: NVIDIA-L4}. Never a family, never a part of a name."
        )
    )


class Price(WireModel):
    """What one accelerator costs."""

    amount: Annotated[float, Field(ge=0, le=1_000_000)] = Field(
        description="Price of one accelerator (of one node, where it has none) for an hour, such as 0.71."
    )
    currency: Annotated[
        str,
        Field(max_length=3),
        Rule("self.matches('^[A-Z]{3}$')", "use a code of three letters, such as EUR or USD"),
    ] = Field(default="USD", description="ISO 4217 code, such as EUR.")


class ClassDefaults(WireModel):
    """What pods on this class get unless the model says otherwise."""

    tolerations: Tolerations = Field(
        default=(), description="Taints of the nodes, such as [{key: nvidia.com/gpu, operator: Exists}]."
    )
    resources: ResourceRequirements | None = Field(
        default=None, description="Resources of a pod, such as {limits: {nvidia.com/gpu: 1}}."
    )


class AcceleratorClassSpec(WireModel):
    """Which nodes, what they are, and what they cost."""

    match: Match = Field(description="Which nodes are of this class, by exact labels.")
    facts: Annotated[dict[str, Fact], Field(max_length=64)] = Field(
        default_factory=dict,
        description=(
            "What the hardware is, such as {product: NVIDIA-L4, memory: 24Gi, driver: '570'}. Facts "
            "are part of the engine key: another fact is another engine."
        ),
    )
    price_per_hour: Price | None = Field(
        default=None,
        description=(
            "What one accelerator costs, such as {amount: 0.71, currency: EUR}. Absent: savings are "
            "told in accelerators alone. Burnish never writes it."
        ),
    )
    resource_name: Annotated[str, Field(max_length=316)] | None = Field(
        default=None,
        description="Extended resource that a pod asks for, such as nvidia.com/gpu. Absent: a CPU class.",
    )
    # Without a default: the API server would write it in our name, and people could not set it without force.
    scales_from_zero: bool | None = Field(
        default=None,
        description=(
            "True: there may be no node, and an autoscaler brings one for a pod that waits. Burnish then "
            "makes pods for this class all the same. Absent or false: nothing is started without a node."
        ),
    )
    max_jobs: Annotated[int, Field(ge=0, le=10_000)] | None = Field(
        default=None,
        description=(
            "How many Jobs may build engines on this class at once, such as 2; the next ones wait. 0: none "
            "for now. Absent: as many as there are engines to build."
        ),
    )
    defaults: ClassDefaults = Field(
        default=ClassDefaults(), description="What pods on this class get unless the model says otherwise."
    )


class AcceleratorClassStatus(WireModel):
    """What of it the cluster has now."""

    observed_generation: int = Field(
        default=0, description="The metadata.generation that this status tells of."
    )
    nodes: Annotated[int, Field(ge=0)] = Field(default=0, description="Ready nodes of this class, such as 4.")
    allocatable: Quantity | None = Field(
        default=None,
        description="Accelerators that pods can ask for on these nodes (CPU cores, where it is a CPU class).",
    )
    driver_versions: Annotated[tuple[DriverVersion, ...], Field(max_length=16), ATOMIC] = Field(
        default=(), description="Versions of the accelerators' driver on these nodes, such as 570.86.15."
    )
    conditions: Conditions = Field(default=(), description="Ready: at least one node of this class is there.")


class AcceleratorClass(Resource):
    """One kind of hardware."""

    model_config = judged_by(
        Rule(
            "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 63",
            "name it in at most 63 lower-case letters, digits and hyphens: the name becomes a label",
        )
    )

    kind: ClassVar[str] = "AcceleratorClass"
    plural: ClassVar[str] = "acceleratorclasses"
    spec: AcceleratorClassSpec = Field(description="Which nodes, what they are, and what they cost.")
    status: AcceleratorClassStatus = Field(
        default=AcceleratorClassStatus(), description="What of it the cluster has now, as Burnish saw it."
    )
