"""From a spec and a target to the request and the engine key."""

import burnish_engine
from burnish_engine.key import KeyInputs, engine_key
from burnish_engine.layout.runtimes import backends_to_try
from burnish_engine.request import LatencyGoal, Metric, OptimizationRequest
from burnish_operator.api import Evaluation, Objective, OptimizedModelSpec
from burnish_operator.decide.source import digest_or_none
from burnish_operator.decide.targets import ResolvedTarget
from burnish_operator.observed import Observed, Resolved


def request_of(spec: OptimizedModelSpec, target: ResolvedTarget) -> OptimizationRequest:
    """What the optimizer is asked, in the engine's own words.

    Where another runtime is asked for, only what it can serve may win.
    """
    evaluation, calibration = spec.evaluation, spec.calibration
    return OptimizationRequest(
        metric=evaluation.metric if evaluation else Metric.AGREEMENT,
        metric_entry=(evaluation.entry_point or "") if evaluation else "",
        max_drop=_max_drop(evaluation),
        minimum=evaluation.minimum if evaluation else None,
        minimize=spec.objective.minimize,
        latency=_latency(spec.objective),
        batch=spec.objective.batch,
        precisions=spec.precisions,
        backends=backends_to_try(spec.serving.runtime, target.facts),
        calibration_samples=calibration.samples if calibration else None,
        budget_seconds=spec.optimization.budget_seconds,
    )


def _max_drop(evaluation: Evaluation | None) -> float | None:
    return evaluation.max_drop if evaluation else None


def _latency(objective: Objective) -> LatencyGoal | None:
    goal = objective.latency
    return LatencyGoal(percentile=goal.percentile, seconds=goal.milliseconds / 1000) if goal else None


def target_facts(target: ResolvedTarget) -> dict[str, str]:
    """The hardware as an optimizer pod meets it: the class's facts and the share that the pod may use."""
    return target.facts | {f"limits.{name}": value for name, value in sorted(target.resources.limits.items())}


def key_of(seen: Observed, target: ResolvedTarget) -> str | None:
    """The engine key, or None while a digest is missing."""
    resolved: Resolved = seen.resolved
    if not isinstance(resolved.source, str) or resolved.errors():
        return None
    inputs = KeyInputs(
        source=resolved.source,
        calibration=digest_or_none(resolved.calibration),
        evaluation=digest_or_none(resolved.evaluation),
        request=request_of(seen.model.spec, target),
        target=target_facts(target),
        toolchain={"optimizer": seen.settings.optimizer_image, "burnish": burnish_engine.__version__},
    )
    return engine_key(inputs)
