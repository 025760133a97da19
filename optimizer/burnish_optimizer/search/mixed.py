"""Precision given back where it buys most, until the gate lets the candidate through.

The parts of a recipe that failed the accuracy gate are measured (see `precision.sensitivity`), put in the
order of loss removed for what is given up of the objective (greedy knapsack), and the shortest row of them
that passes is searched by halving: the gate itself judges every step. Then parts of the row are left out
again, the dearest first, as long as it still passes. Every step is kept in the run's journal.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from burnish_engine import digest
from burnish_engine.report import CurvePoint, PrecisionCurve
from burnish_engine.request import Minimize
from burnish_optimizer.backends.recipes import Recipe
from burnish_optimizer.errors import Declined, WorkerFailed
from burnish_optimizer.measure.process import run_worker
from burnish_optimizer.precision.parts import Sensitivity, curve, give_back_order
from burnish_optimizer.precision.sensitivity import KEEP, SensitivityResult, SensitivityTask
from burnish_optimizer.search.attempt import Attempt, Mixed
from burnish_optimizer.search.bench import Bench, ended_by, judged
from burnish_optimizer.search.journal import Journal
from burnish_optimizer.search.order import promise
from burnish_optimizer.search.price import Price

SUFFIX = "mixed"
REFINEMENTS = 2


@dataclass
class _Tries:
    """The rows that were tried, by the number of parts given back.

    standing: the recipe whose files are in the candidate's folder; None: an earlier run's, if any.
    """

    base: Attempt
    bench: Bench
    journal: Journal
    ordered: Sequence[Sensitivity]
    tried: dict[int, Attempt] = field(default_factory=dict)
    standing: Recipe | None = None

    def row(self, kept: Sequence[Sensitivity]) -> Attempt:
        """A row, judged now or by the run before this one."""
        recipe = recipe_with(self.base.recipe, kept)
        name = f"{recipe.name}-{digest.of_json(recipe.settings).removeprefix('sha256:')[:16]}"
        return self.journal.once("rows", name, Attempt, lambda: self.built(recipe), lambda a: not a.again)

    def built(self, recipe: Recipe) -> Attempt:
        """Build it where all rows are built, in place of the one before, and judge it."""
        self.standing = recipe
        return judged(recipe, self.bench)

    def passes(self, count: int) -> bool:
        """Whether the first so many parts are enough."""
        self.tried[count] = self.row(self.ordered[:count])
        return self.tried[count].passed


def mix(base: Attempt, bench: Bench, best: float | None, journal: Journal) -> Mixed:
    """The best mixture of a recipe that failed the accuracy gate, judged but not measured yet.

    Args: best: the objective over the baseline's that must be beaten.
    Returns: an attempt called `<recipe>-mixed` (one that ended early where no mixture passes), and the curve.
    """
    recipe = recipe_with(base.recipe, ())
    try:
        result = sensitivity(base, bench, journal)
    except (Declined, WorkerFailed) as error:
        early = ended_by(Attempt(recipe=recipe), error, bench)
        why = {"declined": f"sensitivity was not measured: {error}", "failed": ""}
        return Mixed(attempt=early if early.skipped else early.model_copy(update=why))
    price = price_of(bench)
    ordered = give_back_order(result.found, price.of)
    points = curve(ordered)
    promised = promise(base, price.minimize, bench.baseline_opened, bench.baseline_size_bytes)
    most = affordable([promised + price.given_up(point) for point in points], best)
    tries = _Tries(base, bench, journal, ordered)
    count = shortest(most, tries.passes)
    found = PrecisionCurve(recipe=base.recipe.name, loss=result.loss, points=points, minimize=price.minimize)
    told = _curve(found, tries.tried)
    if count is None:
        return Mixed(attempt=_none(tries, recipe, most, best), curve=told)
    return Mixed(attempt=_refined(tries, count, price), curve=told)


def price_of(bench: Bench) -> Price:
    """The request's objective, and the baseline's figure of it."""
    match minimize := bench.request.minimize:
        case Minimize.LATENCY | Minimize.COST:
            return Price(minimize, bench.baseline_seconds)
        case Minimize.MEMORY:
            return Price(minimize, bench.baseline_opened.peak_memory_bytes)
        case Minimize.SIZE:
            return Price(minimize, bench.baseline_size_bytes)


def sensitivity(base: Attempt, bench: Bench, journal: Journal) -> SensitivityResult:
    """What each part costs, measured once for a run and for those that go on from it.

    Raises: Declined, WorkerFailed.
    """
    name = base.recipe.name
    return journal.once(
        "sensitivity", name, SensitivityResult, lambda: _measured(base, bench), lambda _: True
    )


def _measured(base: Attempt, bench: Bench) -> SensitivityResult:
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


def _refined(tries: _Tries, count: int, price: Price) -> Attempt:
    """Parts are left out of the row again. What was built last is what stands in the candidate's folder."""
    kept = list(tries.ordered[:count])
    chosen = tries.tried[count]
    dearest = sorted(kept[:-1], key=lambda one: price.of(one.part), reverse=True)
    for one in dearest[:REFINEMENTS]:
        fewer = [other for other in kept if other is not one]
        attempt = tries.row(fewer)
        if attempt.passed:
            kept, chosen = fewer, attempt
    return chosen if tries.standing == chosen.recipe else tries.built(chosen.recipe)


def _curve(predicted: PrecisionCurve, tried: dict[int, Attempt]) -> PrecisionCurve:
    """With what the gate said of the rows that were tried."""
    told = tuple(
        _said(point, tried[point.parts]) if point.parts in tried else point for point in predicted.points
    )
    return predicted.model_copy(update={"points": told})


def _said(point: CurvePoint, attempt: Attempt) -> CurvePoint:
    drop = attempt.accuracy.drop if attempt.accuracy else None
    return point.model_copy(update={"passed": attempt.passed, "drop": drop})


def _none(tries: _Tries, recipe: Recipe, most: int, best: float | None) -> Attempt:
    """Why there is no mixture: time, what it would cost, or that it is not enough."""
    late = next((a.skipped for a in tries.tried.values() if a.skipped), "")
    if late:
        return Attempt(recipe=recipe, skipped=late, again=True)
    beaten = "the baseline" if best is None else "the best so far"
    if most < 1:
        why = f"giving any part back its precision would cost what {beaten} leaves"
    else:
        parts = f"{most} of {len(tries.ordered)} parts"
        why = f"{parts} may be given back before {beaten} is as good, and that is not enough"
    return Attempt(recipe=recipe, declined=why)
