"""The loop's body: gather, decide, apply, summarize. The status is always written, whatever failed."""

import logging
import time
from dataclasses import dataclass

from burnish_engine.errors import Action, BurnishError
from burnish_engine.redact import sanitized
from burnish_operator.api import ConditionType, OptimizedModel, OptimizedModelStatus
from burnish_operator.apply import Applier
from burnish_operator.decide import transitions
from burnish_operator.decide.conditions import Verdict, conditions, of_error, unknown
from burnish_operator.decide.model import Failure, decide, summarize
from burnish_operator.errors import ClusterUnavailable, PutOff
from burnish_operator.gather import Gatherer
from burnish_operator.metrics import Metrics
from burnish_operator.observed import Observed
from burnish_operator.ports import OPTIMIZED_MODEL, Clock, Cluster, Events, Object, Prometheus, Registry
from burnish_operator.settings import Settings

RESYNC_SECONDS = 300.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class World:
    """Everything outside, behind its protocols. prometheus: None where the operator was told of none."""

    cluster: Cluster
    registry: Registry
    events: Events
    clock: Clock
    prometheus: Prometheus | None = None


class ModelReconciler:
    """Brings one OptimizedModel a step further, as often as it is asked."""

    def __init__(self, world: World, settings: Settings, metrics: Metrics) -> None:
        self._cluster, self._events, self._clock = world.cluster, world.events, world.clock
        self._gatherer = Gatherer(world.cluster, world.registry, world.clock, settings, world.prometheus)
        self._applier = Applier(world.cluster, world.registry)
        self._metrics = metrics

    def reconcile(self, namespace: str, name: str) -> float | None:
        """One turn. Returns seconds until the next one is wanted; None where the model is gone.

        Raises: TransientError: the status tells of it (but of no PutOff), and the queue backs off.
        """
        started = time.monotonic()
        try:
            return self._turn(namespace, name)
        except BurnishError as error:
            self._metrics.reconcile_failed(error.reason)
            raise
        except Exception:
            self._metrics.reconcile_failed("InternalError")
            raise
        finally:
            self._metrics.reconciled(time.monotonic() - started)

    def _turn(self, namespace: str, name: str) -> float | None:
        raw = self._cluster.get(OPTIMIZED_MODEL, namespace, name)
        if raw is None or "deletionTimestamp" in raw["metadata"]:
            # Owner references clear up; engines stay in the registry, where the next model finds them.
            self._metrics.forget(namespace, name)
            return None
        try:
            model = OptimizedModel.from_dict(raw)
        except BurnishError as error:
            self._write_unreadable(raw, error)
            return RESYNC_SECONDS
        return self._advance(raw, model)

    def _advance(self, raw: Object, model: OptimizedModel) -> float:
        try:
            seen = self._gatherer.gather(model)
            decision = decide(seen)
        except (ClusterUnavailable, PutOff):
            raise
        except BurnishError as error:
            self._write(raw, model, _with_ready(model, of_error(ConditionType.READY, error), self._clock))
            raise
        except Exception as error:
            told = sanitized(
                f"{type(error).__name__}: {error}. This is a defect of Burnish: see the operator's log."
            )
            verdict = unknown(ConditionType.READY, "InternalError", told)
            self._write(raw, model, _with_ready(model, verdict, self._clock))
            raise
        done = self._applier.apply(decision.plan)
        status = summarize(seen, decision, done.failures, done.index)
        self._write(raw, model, status)
        self._metrics.observe(seen, model.status, status)
        _raise_transient(seen, done.failures)
        if decision.look_again_seconds is None:
            return RESYNC_SECONDS
        return min(RESYNC_SECONDS, decision.look_again_seconds)

    def _write(self, raw: Object, model: OptimizedModel, status: OptimizedModelStatus) -> None:
        if status == model.status:
            return
        self._cluster.apply_status(_status_object(raw, status.to_dict()))
        for event in transitions.events(model.status, status):
            _log.log(
                logging.WARNING if event.warning else logging.INFO,
                "%s/%s: %s: %s", model.namespace, model.name, event.reason, event.message,
            )  # fmt: skip
            self._events.publish(raw, event)

    def _write_unreadable(self, raw: Object, error: BurnishError) -> None:
        generation = raw["metadata"].get("generation", 0)
        verdict = of_error(ConditionType.READY, error)
        known = raw.get("status", {}).get("conditions", [{}])[0]
        if (known.get("reason"), known.get("observedGeneration")) == (verdict.reason, generation):
            return
        status = OptimizedModelStatus(
            observed_generation=generation,
            conditions=conditions([verdict], (), generation, self._clock.now()),
        )
        self._cluster.apply_status(_status_object(raw, status.to_dict()))


def _status_object(raw: Object, status: Object) -> Object:
    # With the version that was read: an object made anew under this name must not get the old one's status,
    # and what changed meanwhile is looked at first. (The API server lets a status for another uid pass.)
    metadata = {key: raw["metadata"][key] for key in ("name", "namespace", "resourceVersion")}
    return {"apiVersion": raw["apiVersion"], "kind": raw["kind"], "metadata": metadata, "status": status}


def _with_ready(model: OptimizedModel, verdict: Verdict, clock: Clock) -> OptimizedModelStatus:
    """The status as it was, with another Ready: nothing else could be judged."""
    generation = model.metadata.generation
    judged = conditions([verdict], model.status.conditions, generation, clock.now())
    others = tuple(c for c in model.status.conditions if c.type != ConditionType.READY)
    return model.status.model_copy(update={"conditions": (*judged, *others)})


def _raise_transient(seen: Observed, failures: list[Failure]) -> None:
    errors = [*seen.resolved.errors(), *(failure.error for failure in failures)]
    errors += [error for error in seen.engines.values() if isinstance(error, BurnishError)]
    errors += [error for error in (seen.classes, seen.nodes) if isinstance(error, BurnishError)]
    for error in errors:
        if error.action is not Action.STALLED:
            raise error
