"""Precision given back where it buys most, until the gate lets the candidate through.

The parts of a recipe that failed the accuracy gate are measured (see `precision.sensitivity`), put in the
order of loss removed for each second given up (greedy knapsack), and the shortest row of them that passes
is searched by halving: the gate itself judges every step. Then parts of the row are left out again, the
dearest first, as long as it still passes.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from burnish_engine.report import CurvePoint, PrecisionCurve
from burnish_optimizer.backends.recipes import Recipe
from burnish_optimizer.errors import Declined, WorkerFailed
from burnish_optimizer.measure.process import run_worker
from burnish_optimizer.precision.parts import Sensitivity, curve, give_back_order
from burnish_optimizer.precision.sensitivity import KEEP, SensitivityResult, SensitivityTask
from burnish_optimizer.search.attempt import Attempt
from burnish_optimizer.search.bench import Bench, judged

SUFFIX = "mixed"
REFINEMENTS = 2


@dataclass
class _Tries:
    """The rows that were tried, by the number of parts given back."""

    base: Attempt
    bench: Bench
    ordered: Sequence[Sensitivity]
    tried: dict[int, Attempt] = field(default_factory=dict)

    def row(self, kept: Sequence[Sensitivity]) -> Attempt:
        return judged(recipe_with(self.base.recipe, kept), self.bench)

    def passes(self, count: int) -> bool:
        self.tried[count] = self.row(self.ordered[:count])
        return self.tried[count].passed


def mix(base: Attempt, bench: Bench, best: float | None) -> tuple[Attempt, PrecisionCurve | None]:
    """The fastest mixture of a recipe that failed the accuracy gate, judged but not measured yet.

    Args: best: p50 over the baseline's that must be beaten.
    Returns: an attempt called `<recipe>-mixed` (one that ended early where no mixture passes), and the curve.
    """
    recipe = recipe_with(base.recipe, ())
    try:
        result = sensitivity(base, bench)
    except (Declined, WorkerFailed) as error:
        return Attempt(recipe=recipe, declined=f"sensitivity was not measured: {error}"), None
    ordered = give_back_order(result.found)
    points = curve(ordered)
    p50 = bench.baseline_seconds
    most = affordable([base.looked + p.seconds_given_up / p50 for p in points], best) if base.looked else 0
    tries = _Tries(base, bench, ordered)
    count = shortest(most, tries.passes)
    told = _curve(base.recipe.name, result.loss, points, tries.tried)
    if count is None:
        return Attempt(recipe=recipe, declined=_nothing(len(ordered), most, best)), told
    return _refined(tries, count), told


def sensitivity(base: Attempt, bench: Bench) -> SensitivityResult:
    """Raises: Declined, WorkerFailed."""
    folder = bench.candidates / f"{base.recipe.name}-sensitivity"
    folder.mkdir(parents=True, exist_ok=True)
    task = SensitivityTask(
        build=bench.task(base.recipe, folder), backend=base.recipe.backend, parts=base.recipe.parts
    )
    work = bench.folder / "work" / folder.name
    return run_worker(task, SensitivityResult, work, seconds=bench.left(), memory_bytes=bench.memory_bytes)


def recipe_with(recipe: Recipe, kept: Sequence[Sensitivity]) -> Recipe:
    """The recipe with these parts in the higher precision."""
    names = [name for one in kept for name in one.part.names]
    return recipe.model_copy(
        update={
            "name": f"{recipe.name}-{SUFFIX}",
            "settings": {**recipe.settings, KEEP: json.dumps(names)},
            "parts": "",
            "above": "",
        }
    )


def affordable(predicted: Sequence[float], best: float | None) -> int:
    """How many parts may be given back before nothing is left to win, by predicted p50 ratios. Pure."""
    limit = min(1.0, 1.0 if best is None else best)
    return max((count for count, ratio in enumerate(predicted) if ratio < limit), default=0)


def shortest(most: int, passes: Callable[[int], bool]) -> int | None:
    """The smallest count in 1 … `most` that passes, as if more always passed where fewer did. Pure.

    None: not even `most` passes. Asks `most` first: where that fails nothing else is worth asking.
    """
    if most < 1 or not passes(most):
        return None
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high


def _refined(tries: _Tries, count: int) -> Attempt:
    """Parts are left out of the row again. What was built last is what stands in the candidate's folder."""
    kept = list(tries.ordered[:count])
    last: Attempt | None = None
    dearest = sorted(kept[:-1], key=lambda one: one.part.seconds_saved, reverse=True)
    for one in dearest[:REFINEMENTS]:
        fewer = [other for other in kept if other is not one]
        attempt = tries.row(fewer)
        kept, last = (fewer, attempt) if attempt.passed else (kept, None)
    return last or tries.row(kept)


def _curve(
    recipe: str, loss: float, points: Sequence[CurvePoint], tried: dict[int, Attempt]
) -> PrecisionCurve:
    told = tuple(
        point.model_copy(
            update={
                "passed": tried[point.parts].passed,
                "drop": accuracy.drop if (accuracy := tried[point.parts].accuracy) else None,
            }
        )
        if point.parts in tried
        else point
        for point in points
    )
    return PrecisionCurve(recipe=recipe, loss=loss, points=told)


def _nothing(parts: int, most: int, best: float | None) -> str:
    beaten = "the baseline" if best is None else "the best so far"
    if most < 1:
        return f"giving any part back its precision would cost what {beaten} leaves"
    return f"{most} of {parts} parts may be given back before {beaten} is as fast, and that is not enough"
