"""What wins. Pure: gates and figures in, one name and a reason for everyone out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from burnish_engine.report import Estimate, GateResult, Measurement
from burnish_engine.request import LatencyGoal, Minimize, OptimizationRequest, Precision

# Resident memory differs by this much between two runs of the same thing (page cache, allocator, threads).
MEMORY_NOISE = 0.02
_EXACTNESS = (Precision.FP32, Precision.BF16, Precision.FP16, Precision.FP8, Precision.INT8, Precision.INT4)


@dataclass(frozen=True)
class Figures:
    """What was measured of one candidate.

    baseline: the baseline's figures, taken in turns with the candidate's.
    p50_ratio, mean_ratio: candidate over baseline, measured in turns (below 1 is faster).
    goal_seconds: latency at the goal's percentile, None where the request has no goal.
    """

    measurement: Measurement
    baseline: Measurement
    p50_ratio: Estimate
    mean_ratio: Estimate
    goal_seconds: float | None = None


@dataclass(frozen=True)
class Contender:
    """A candidate that was built. `figures` None: not measured, hence never chosen, but for `unmeasured`.

    unmeasured: why it could not be run here.
    """

    recipe: str
    precision: Precision
    gates: tuple[GateResult, ...]
    figures: Figures | None
    unmeasured: str = ""


@dataclass(frozen=True)
class Verdict:
    """Why a contender did not win, or that it did."""

    recipe: str
    won: bool
    reason: str


Duels = Mapping[tuple[str, str], Estimate]
"""(first, second) → the first one's time over the second's, measured in turns with each other."""


def select(
    contenders: Sequence[Contender], request: OptimizationRequest, duels: Duels = MappingProxyType({})
) -> tuple[Verdict, ...]:
    """A verdict for each contender, in their order; at most one won. None: the baseline wins.

    A winner passed every gate, keeps the latency goal, and is better than the baseline with 95 %
    confidence (where speed is the objective, by its plain p50, too: the report must not contradict it).
    Among winners whose intervals overlap the best's, and that did not lose a duel with it, the more exact
    one is taken, then the one that was tried first. Where nothing that was measured wins, and the request
    allows it, the first candidate is taken that passed every gate and could not be measured here.
    """
    refusals = [_refusal(contender, request) for contender in contenders]
    able = [c for c, refusal in zip(contenders, refusals, strict=True) if not refusal]
    winner = _best(able, request.minimize, duels) or _unmeasured(contenders, request)
    if winner is not None and winner.figures is None:
        refusals = ["" if c is winner else r for c, r in zip(contenders, refusals, strict=True)]
    return tuple(
        Verdict(c.recipe, c is winner, refusal or _reason(c, winner, request.minimize))
        for c, refusal in zip(contenders, refusals, strict=True)
    )


def improvement(figures: Figures, minimize: Minimize) -> Estimate:
    """The objective over the baseline's: below 1 is better."""
    match minimize:
        case Minimize.LATENCY:
            return figures.p50_ratio
        case Minimize.COST:  # of one accelerator: its time per sample
            return figures.mean_ratio
        case Minimize.MEMORY:
            value = figures.measurement.peak_memory_bytes / figures.baseline.peak_memory_bytes
            return Estimate(value=value, low=value * (1 - MEMORY_NOISE), high=value * (1 + MEMORY_NOISE))
        case Minimize.SIZE:
            value = figures.measurement.size_bytes / figures.baseline.size_bytes
            return Estimate(value=value, low=value, high=value)


def describe(figures: Figures, minimize: Minimize) -> str:
    """The objective for people: `1.82 × as fast (1.78 to 1.85) as …`, `0.46 × the size`."""
    ratio = improvement(figures, minimize)
    if minimize in (Minimize.LATENCY, Minimize.COST):
        beside = figures.baseline.latency_seconds.p50.value * 1000
        interval = f"{1 / ratio.high:.2f} to {1 / ratio.low:.2f}"
        return f"{1 / ratio.value:.2f} × as fast ({interval}) as the baseline's {beside:#.3g} ms beside it"
    return f"{ratio.value:.2f} × the {minimize.value.lower()}"


def _refusal(contender: Contender, request: OptimizationRequest) -> str:
    failed = [gate for gate in contender.gates if not gate.passed]
    if failed:
        return f"gate {failed[0].name}: found {failed[0].found}, expected {failed[0].expected}"
    if contender.figures is None:
        return f"not measured: {contender.unmeasured}" if contender.unmeasured else "not measured"
    missed = missed_limit(contender.figures, request)
    if missed:
        return missed
    if not _beats(contender.figures, request.minimize):
        return f"does not beat the baseline: {describe(contender.figures, request.minimize)}"
    return ""


def _beats(figures: Figures, minimize: Minimize) -> bool:
    if improvement(figures, minimize).high >= 1:
        return False
    own, beside = (m.latency_seconds.p50.value for m in (figures.measurement, figures.baseline))
    return minimize is not Minimize.LATENCY or own < beside


def missed_limit(figures: Figures, request: OptimizationRequest) -> str:
    """Which limit of the request these figures miss; empty where they keep all."""
    return _missed_goal(figures, request.latency) or _too_large(figures, request)


def _missed_goal(figures: Figures, goal: LatencyGoal | None) -> str:
    if goal is None:
        return ""
    found = figures.goal_seconds
    if found is None or found > goal.seconds:
        shown = "no figure" if found is None else f"{found * 1000:.2f} ms"
        return f"misses the latency goal: p{goal.percentile:g} {shown}, at most {goal.seconds * 1000:g} ms"
    return ""


def _too_large(figures: Figures, request: OptimizationRequest) -> str:
    found, most = figures.measurement.peak_memory_bytes, request.max_memory_bytes
    if most is None or found <= most:
        return ""
    return f"takes {found / (1 << 20):.0f} MiB of memory, at most {most / (1 << 20):.0f} MiB are allowed"


def _best(able: Sequence[Contender], minimize: Minimize, duels: Duels) -> Contender | None:
    ratios = {c.recipe: improvement(c.figures, minimize) for c in able if c.figures}
    if not ratios:
        return None
    best = min(ratios, key=lambda name: ratios[name].value)
    near = [
        c
        for c in able
        if ratios[c.recipe].low <= ratios[best].high
        and not ((lost := duels.get((best, c.recipe))) and lost.high < 1)
    ]
    return min(near, key=lambda c: _EXACTNESS.index(c.precision))


def _unmeasured(contenders: Sequence[Contender], request: OptimizationRequest) -> Contender | None:
    if not request.allow_unmeasured:
        return None
    built = (c for c in contenders if c.unmeasured and all(gate.passed for gate in c.gates))
    return next(built, None)


def fastest(contenders: Sequence[Contender], request: OptimizationRequest) -> str | None:
    """The one with the best figure of those that may win, whatever is near it."""
    ratios = {
        c.recipe: improvement(c.figures, request.minimize).value
        for c in contenders
        if c.figures and not _refusal(c, request)
    }
    return min(ratios, key=lambda name: ratios[name], default=None)


def _reason(contender: Contender, winner: Contender | None, minimize: Minimize) -> str:
    if contender is winner and contender.figures is None:
        return f"chosen without a measurement, as the request allows: {contender.unmeasured}"
    if contender.figures is None or winner is None:
        return ""
    shown = describe(contender.figures, minimize)
    return shown if contender is winner else f"{shown}; {winner.recipe} is better, or as good and more exact"
