"""The part of a target's status that a canary lives in: whoever goes on with it needs to know no more."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from burnish_operator.api.base import WireModel
from burnish_operator.api.common import Message
from burnish_operator.api.markers import DATE_TIME

Time = Annotated[str, DATE_TIME]
Hex = Annotated[str, Field(max_length=64)]
DigestText = Annotated[str, Field(max_length=71)]
ReferenceText = Annotated[str, Field(max_length=2048)]
Count = Annotated[int, Field(ge=0)]


class CanaryPhase(StrEnum):
    """Whether the engine still has to prove itself."""

    STEPPING = "Stepping"
    PROMOTING = "Promoting"


class AnalysisCounts(WireModel):
    """Analyses of the present step."""

    passed: Count = Field(default=0, description="Analyses that all limits held in, such as 3.")
    failed: Count = Field(default=0, description="Analyses in which a limit did not hold, such as 1.")
    inconclusive: Count = Field(
        default=0, description="Analyses without a figure, or with too few requests, such as 0."
    )
    errors: Count = Field(default=0, description="Times in a row that Prometheus gave no answer, such as 0.")
    time: Time | None = Field(
        default=None, description="When the last one was, such as 2026-05-04T10:00:00Z."
    )
    message: Message | None = Field(
        default=None, description="What the last one found, such as `passed: 0.1 % of 420 requests failed`."
    )


class CanaryStatus(WireModel):
    """The engine that proves itself beside the one that serves."""

    digest: DigestText = Field(description="Digest of the canary's engine, such as sha256:0a1b….")
    reference: ReferenceText = Field(
        description="What the canary pulls, such as registry.example/engines@sha256:0a1b…."
    )
    key: Hex = Field(description="Key of the canary's engine.")
    stable: ReferenceText = Field(
        description="The engine that it is compared with, and that stays if it fails."
    )
    phase: CanaryPhase = Field(
        default=CanaryPhase.STEPPING,
        description="Stepping: a share of the traffic. Promoting: the stable pods get the engine.",
    )
    began: Time = Field(
        description="When the canary began. `burnish.dev/promote` and `abort` count from then."
    )
    step: Annotated[int, Field(ge=1)] = Field(default=1, description="The present step, from 1.")
    since: Time | None = Field(
        default=None, description="When all pods of the step answered first: its pause counts from then."
    )
    unready_since: Time | None = Field(
        default=None, description="Since when not all of its pods answer. Absent while all do."
    )
    in_place: bool = Field(
        default=False,
        description="Whether its pods take the places of stable ones, because there was no room beside them.",
    )
    weight: Annotated[int, Field(ge=0, le=100)] = Field(
        default=0, description="Percent of the pods that answer which are the canary's, such as 20."
    )
    analyses: AnalysisCounts = Field(
        default=AnalysisCounts(), description="What Prometheus said in the present step."
    )


class RejectedStatus(WireModel):
    """An engine that is not rolled out again until its key changes, or a person asks for it."""

    digest: DigestText = Field(description="Digest of the engine, such as sha256:0a1b….")
    key: Hex = Field(description="Its key.")
    reason: Annotated[str, Field(max_length=128)] = Field(
        description="One CamelCase word, such as AnalysisFailed or Aborted."
    )
    message: Message = Field(description="What was found, what was expected, and what to do.")
    time: Time = Field(description="When it was rejected. `burnish.dev/retry` and `promote` count from then.")
    stable: ReferenceText = Field(description="The engine that serves in its place.")
