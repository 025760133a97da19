"""From an engine's record, the settings and the processors of the pod to how requests are scheduled. Pure."""

import math
from dataclasses import dataclass, field

from burnish_engine.descriptor import EngineDescriptor
from burnish_engine.request import Backend
from burnish_runtime.dtypes import BFLOAT16
from burnish_runtime.load import warm_up_shapes
from burnish_serving.scheduling.concurrency import Concurrency, concurrency
from burnish_serving.scheduling.groups import Profile
from burnish_serving.scheduling.policy import Policy, preferred_sizes
from burnish_serving.scheduling.tolerance import Tolerance
from burnish_serving.settings import ServeSettings

CPU_BACKENDS = frozenset({Backend.ONNXRUNTIME, Backend.OPENVINO})


@dataclass(frozen=True)
class Schedule:
    """All that a runner needs to know.

    profile: measured seconds by rows.   tolerance: of a row in a batch from that row alone.
    audit_every: so many batches, one is also run alone and compared; 0: none.
    """

    policy: Policy = field(default_factory=Policy)
    profile: Profile = field(default_factory=Profile)
    tolerance: Tolerance = field(default_factory=Tolerance)
    audit_every: int = 0


@dataclass(frozen=True)
class Recorded:
    """What the engine's report tells.

    goal_seconds: that it was chosen for.   run_seconds: median of the measured request.
    """

    goal_seconds: float | None = None
    run_seconds: float | None = None


def schedule(
    descriptor: EngineDescriptor,
    settings: ServeSettings,
    *,
    instances: int = 1,
    recorded: Recorded = Recorded(),
) -> Schedule:
    """The schedule of an engine.

    Requests share a run where the engine's record says that rows are independent, in batches as large as were
    tried.
    """
    batching, goal = descriptor.batching, seconds(settings.latency_goal_ms)
    allowed = batching.max_rows if batching else 1
    max_rows = min(settings.max_batch or allowed, allowed)
    return Schedule(
        policy=Policy(
            max_rows=max_rows,
            sizes=preferred_sizes(tuple(batching.seconds) if batching else (), max_rows),
            instances=instances,
            goal_seconds=recorded.goal_seconds if goal is None else goal,
            max_delay_seconds=seconds(settings.max_queue_delay_ms),
        ),
        profile=profile(descriptor, recorded) if max_rows == 1 else rows_profile(descriptor),
        tolerance=Tolerance(
            relative=batching.deviation if batching else 0.0,
            bfloat16=frozenset(spec.name for spec in descriptor.outputs if spec.dtype == BFLOAT16),
        ),
        audit_every=round(1 / settings.batch_audit_share) if settings.batch_audit_share else 0,
    )


def profile(descriptor: EngineDescriptor, recorded: Recorded) -> Profile:
    """Of an engine whose requests run alone: the request that was measured."""
    measured = {} if recorded.run_seconds is None else {1: recorded.run_seconds}
    return Profile(measured, elements(descriptor))


def rows_profile(descriptor: EngineDescriptor) -> Profile:
    """Of an engine whose requests share runs."""
    measured = descriptor.batching.seconds if descriptor.batching else {}
    return Profile(measured, elements(descriptor, rows=True))


def concurrency_of(descriptor: EngineDescriptor, settings: ServeSettings, cpus: float) -> Concurrency:
    """Instances and threads of an engine on so many processors."""
    return concurrency(
        cpus,
        measured_threads=descriptor.options.threads,
        threads=settings.threads,
        instances=settings.instances,
        on_cpu=descriptor.backend in CPU_BACKENDS,
    )


def elements(descriptor: EngineDescriptor, *, rows: bool = False) -> int:
    """Elements of all inputs together in the shapes that were measured. `rows`: of one row of them."""
    shapes = warm_up_shapes(descriptor)[0].values()
    return max(1, sum(math.prod(shape[1:] if rows else shape) for shape in shapes))


def seconds(milliseconds: float | None) -> float | None:
    """A setting in milliseconds, where it is set."""
    return None if milliseconds is None else milliseconds / 1000
