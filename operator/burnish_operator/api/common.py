"""Types that both kinds use; every bound keeps the cost of CEL rules within the API server's budget."""

from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field

from burnish_operator.api import duration
from burnish_operator.api.base import WireModel
from burnish_operator.api.markers import ATOMIC, DATE_TIME, Extension, Rule, judged_by, list_map

MAX_TARGETS = 64

Name = Annotated[str, Field(min_length=1, max_length=253)]
LabelValue = Annotated[str, Field(max_length=63)]
Labels = Annotated[dict[str, LabelValue], Field(max_length=32)]
Message = Annotated[str, Field(max_length=32768)]
Text = Annotated[str, Field(max_length=1024)]

Uri = Annotated[
    str,
    Field(max_length=2048),
    Rule(
        "self.matches('^(oci|https?)://[^ ]+$')",
        "begin with oci:// or https://, such as oci://registry.example/models/page-orientation:1",
    ),
]
Digest = Annotated[
    str,
    Field(max_length=71),
    Rule(
        "self.matches('^sha256:[0-9a-f]{64}$')",
        "a digest is sha256: and 64 hexadecimal digits; `sha256sum FILE` prints that of a file",
    ),
]
Duration = Annotated[
    str,
    Field(max_length=32),
    Rule(
        f"self.matches('{duration.PATTERN}') && size(self) > 0",
        "write days, hours, minutes and seconds: 45s, 10m, 1h30m or 1d",
    ),
]
Ratio = Annotated[float, Field(ge=0, le=1)]
_QUANTITY = Extension(
    {
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "pattern": r"^[+-]?([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+|[KMGTPE]i|[numkMGTPE])?$",
        "x-kubernetes-int-or-string": True,
    }
)
Quantity = Annotated[str, BeforeValidator(str), Field(max_length=32), _QUANTITY]
Quantities = Annotated[dict[str, Quantity], Field(max_length=16)]


class SecretRef(WireModel):
    """A Secret in the namespace of the object."""

    name: Name = Field(
        description="Name of a Secret of type kubernetes.io/dockerconfigjson in this namespace, as made by "
        "`kubectl create secret docker-registry pull --docker-server=registry.example …`.",
    )


class ResourceRequirements(WireModel):
    """Requests and limits of one container."""

    requests: Quantities = Field(
        default_factory=dict, description="What the scheduler sets aside, such as {cpu: 500m, memory: 1Gi}."
    )
    limits: Quantities = Field(
        default_factory=dict,
        description="What the container may use at most, such as {cpu: 2, nvidia.com/gpu: 1}.",
    )

    @property
    def is_empty(self) -> bool:
        """True where neither requests nor limits are given."""
        return not self.requests and not self.limits


class TolerationOperator(StrEnum):
    """How a toleration compares."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    """What a taint does to pods that do not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(WireModel):
    """As in a pod: lets pods of this target onto tainted nodes."""

    model_config = judged_by(
        Rule(
            "has(self.key) || (has(self.operator) && self.operator == 'Exists')",
            "a toleration without a key tolerates everything: say so with operator: Exists",
        )
    )

    key: Annotated[str, Field(max_length=316)] | None = Field(
        default=None, description="Key of the taint, such as nvidia.com/gpu. Absent: every taint."
    )
    operator: TolerationOperator | None = Field(
        default=None, description="Exists (whatever the value) or Equal (the default of Kubernetes)."
    )
    value: LabelValue | None = Field(default=None, description="Value of the taint, where operator is Equal.")
    effect: TaintEffect | None = Field(
        default=None, description="Effect of the taint, such as NoSchedule. Absent: every effect."
    )
    toleration_seconds: Annotated[int, Field(ge=0)] | None = Field(
        default=None,
        description="With effect NoExecute: how long a pod stays once the taint appears, in seconds.",
    )


Tolerations = Annotated[tuple[Toleration, ...], Field(max_length=32), ATOMIC]


class ConditionStatus(StrEnum):
    """Unknown is said out loud: it is neither yes nor no."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(WireModel):
    """The standard condition of Kubernetes."""

    type: Annotated[str, Field(max_length=63)] = Field(description="What is judged, such as Ready.")
    status: ConditionStatus = Field(description="True, False or Unknown.")
    reason: Annotated[str, Field(max_length=128)] = Field(
        description="Why, in one CamelCase word for machines, such as NoSuchTarget."
    )
    message: Message = Field(default="", description="Why, for people, and what to do.")
    last_transition_time: Annotated[str, DATE_TIME] = Field(
        description="When `status` last changed, such as 2026-05-04T10:00:00Z."
    )
    observed_generation: int = Field(
        default=0,
        description="The metadata.generation that was judged. Older than the object's: not judged yet.",
    )


Conditions = Annotated[tuple[Condition, ...], Field(max_length=16), list_map("type")]
