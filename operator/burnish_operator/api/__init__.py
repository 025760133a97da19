"""The API, `burnish.dev/v1alpha1`, as typed models: the CRDs are generated from them.

The only place where raw dicts are read: `OptimizedModel.from_dict(raw)`, `AcceleratorClass.from_dict(raw)`.
The way back is `to_dict()`, of any part: camelCase, absent instead of null.
"""

from burnish_engine.layout.runtimes import ServingRuntime
from burnish_operator.api.accelerator_class import (
    AcceleratorClass,
    AcceleratorClassSpec,
    AcceleratorClassStatus,
    ClassDefaults,
    Match,
    Price,
)
from burnish_operator.api.base import (
    API_VERSION,
    GROUP,
    VERSION,
    InvalidObject,
    Metadata,
    Resource,
    WireModel,
)
from burnish_operator.api.canary_status import (
    AnalysisCounts,
    CanaryPhase,
    CanaryStatus,
    RejectedStatus,
)
from burnish_operator.api.common import (
    Condition,
    ConditionStatus,
    ResourceRequirements,
    SecretRef,
    TaintEffect,
    Toleration,
    TolerationOperator,
)
from burnish_operator.api.duration import InvalidDuration, format_duration, parse_duration
from burnish_operator.api.materials import Calibration, Evaluation, Source, SourceFormat
from burnish_operator.api.optimized_model import OptimizedModel
from burnish_operator.api.quantity import InvalidQuantity, parse_quantity
from burnish_operator.api.rollout import Analysis, CanaryStep, Rollout, RolloutStrategy
from burnish_operator.api.spec import (
    LatencyGoal,
    Objective,
    Optimization,
    OptimizedModelSpec,
    Registry,
    Serving,
    Target,
)
from burnish_operator.api.status import (
    MAX_REJECTED,
    AccuracyStatus,
    ConditionType,
    EngineStatus,
    FailureStatus,
    FigureStatus,
    OptimizedModelStatus,
    RolloutStatus,
    SavingsStatus,
    SummaryStatus,
    TargetState,
    TargetStatus,
)

__all__ = [
    "API_VERSION",
    "GROUP",
    "MAX_REJECTED",
    "VERSION",
    "AcceleratorClass",
    "AcceleratorClassSpec",
    "AcceleratorClassStatus",
    "AccuracyStatus",
    "Analysis",
    "AnalysisCounts",
    "Calibration",
    "CanaryPhase",
    "CanaryStatus",
    "CanaryStep",
    "ClassDefaults",
    "Condition",
    "ConditionStatus",
    "ConditionType",
    "EngineStatus",
    "Evaluation",
    "FailureStatus",
    "FigureStatus",
    "InvalidDuration",
    "InvalidObject",
    "InvalidQuantity",
    "LatencyGoal",
    "Match",
    "Metadata",
    "Objective",
    "Optimization",
    "OptimizedModel",
    "OptimizedModelSpec",
    "OptimizedModelStatus",
    "Price",
    "Registry",
    "RejectedStatus",
    "Resource",
    "ResourceRequirements",
    "Rollout",
    "RolloutStatus",
    "RolloutStrategy",
    "SavingsStatus",
    "SecretRef",
    "Serving",
    "ServingRuntime",
    "Source",
    "SourceFormat",
    "SummaryStatus",
    "TaintEffect",
    "Target",
    "TargetState",
    "TargetStatus",
    "Toleration",
    "TolerationOperator",
    "WireModel",
    "format_duration",
    "parse_duration",
    "parse_quantity",
]
