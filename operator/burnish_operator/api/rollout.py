"""`spec.rollout`: how a new engine replaces the one that serves."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from burnish_operator.api.base import WireModel
from burnish_operator.api.common import Duration, Ratio
from burnish_operator.api.duration import parse_duration
from burnish_operator.api.markers import ATOMIC, Rule, judged_by

Limit = Annotated[int, Field(ge=0, le=1000)]


class RolloutStrategy(StrEnum):
    """How a new engine replaces the one that serves."""

    CANARY = "Canary"
    IN_PLACE = "InPlace"
    RECREATE = "Recreate"


class CanaryStep(WireModel):
    """One step of a canary: how much of the traffic, and for how long."""

    # Beyond half, the canary would need more pods than what serves, which stays whole.
    weight: Annotated[int, Field(ge=1, le=50)] = Field(
        description=(
            "Share of the traffic in percent, such as 20. Pods share it evenly: the canary gets as many "
            "as stay "
            "within it, and one at least."
        )
    )
    pause: Duration = Field(
        default="5m",
        description="How long the step lasts at least, once its pods answer, such as 5m; 0s for no pause.",
    )

    @property
    def pause_seconds(self) -> int:
        """`pause` in seconds."""
        return parse_duration(self.pause)


class Analysis(WireModel):
    """What Prometheus must say of a canary, again and again, before it goes a step further."""

    interval: Annotated[
        Duration, Rule("self.matches('[1-9]')", "analyses need some time between them: 30s, 1m or 5m")
    ] = Field(
        default="1m",
        description=(
            "Time between two analyses, and what each of them looks back on, such as 1m. At least twice "
            "as long as "
            "Prometheus takes between two scrapes."
        ),
    )
    count: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=5, description="Analyses that each step must pass, such as 5."
    )
    failure_limit: Limit = Field(
        default=1, description="Failed analyses that a step may have, such as 1; one more rejects the engine."
    )
    inconclusive_limit: Limit = Field(
        default=10,
        description=(
            "Analyses of a step that may be inconclusive (a figure is missing, or requests are too few), "
            "such as 10; "
            "one more rejects the engine."
        ),
    )
    consecutive_error_limit: Limit = Field(
        default=4,
        description=(
            "Times in a row that Prometheus may give no answer, such as 4; one more rejects the engine."
        ),
    )
    max_error_rate: Ratio = Field(
        default=0.01,
        description="Requests to the canary that may fail or be refused for overload, of all, such as 0.01.",
    )
    max_latency_ratio: Annotated[float, Field(gt=0, le=1000)] = Field(
        default=1.2, description="p99 of the canary over p99 of what serves, at most, such as 1.2."
    )
    min_agreement: Ratio | None = Field(
        default=None,
        description=(
            "Agreement of the canary's answers with those of the stable pods, at least, such as 0.99. "
            "The canary "
            "then asks the stable pods every request that it answers. Absent: answers are not compared."
        ),
    )
    min_requests: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=100,
        description=(
            "Requests that each side must have answered between two analyses to be judged, such as 100."
        ),
    )

    @property
    def interval_seconds(self) -> int:
        """`interval` in seconds."""
        return parse_duration(self.interval)


Steps = Annotated[
    tuple[CanaryStep, ...],
    Field(min_length=1, max_length=16),
    ATOMIC,
    Rule(
        "self.map(s, s.weight).isSorted() && self.all(s, self.exists_one(t, t.weight == s.weight))",
        "let the weights rise from step to step, such as 10, 25, 50",
    ),
]
DEFAULT_STEPS = (CanaryStep(weight=20),)


class Rollout(WireModel):
    """How a new engine replaces the one that serves."""

    model_config = judged_by(
        Rule(
            "!has(self.steps) || self.strategy == 'Canary'",
            "steps are those of a canary: set strategy to Canary, or leave them out",
        ),
        Rule(
            "!has(self.analysis) || self.strategy == 'Canary'",
            "only a canary is analysed: set strategy to Canary, or leave analysis out",
        ),
        Rule(
            "!has(self.paused) || !self.paused || self.strategy == 'Canary'",
            "only a canary can be paused: set strategy to Canary, or paused to false",
        ),
    )

    strategy: RolloutStrategy = Field(
        default=RolloutStrategy.IN_PLACE,
        description=(
            "InPlace: new pods must be ready before old ones go. Recreate: the old ones go first, "
            "for hardware that has no room for both. Canary: the new engine gets a share of the traffic "
            "first, and "
            "replaces the old one if it does well."
        ),
    )
    steps: Steps | None = Field(
        default=None,
        description=(
            "Steps of a canary, such as [{weight: 10, pause: 5m}, {weight: 50, pause: 10m}]. Absent: one "
            "step of "
            "20 % for 5m."
        ),
    )
    paused: bool = Field(
        default=False,
        description=(
            "true: a canary stays at its step (`kubectl burnish pause NAME`); it still goes if it fails."
        ),
    )
    analysis: Analysis | None = Field(
        default=None,
        description=(
            "What Prometheus must say of a canary, such as {count: 5, maxErrorRate: 0.01}; the operator "
            "must know a "
            "Prometheus. Absent: steps last as long as their pauses, with all pods ready."
        ),
    )

    @property
    def canary_steps(self) -> tuple[CanaryStep, ...]:
        """The steps, or the default ones."""
        return self.steps or DEFAULT_STEPS
