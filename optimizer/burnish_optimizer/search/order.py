"""Which candidate is examined next, and which is not worth it. Pure.

The first look is cheap and rough. It orders the queue, and it ends what is so far behind that no rougher
look could have misled it: more than `SLACK` behind the best that passed, or behind the baseline itself.
"""

import json

from burnish_engine.request import Minimize
from burnish_optimizer.backends.recipes import Recipe
from burnish_optimizer.search.attempt import Attempt
from burnish_optimizer.search.select import improvement
from burnish_optimizer.tasks import Opened

SLACK = 1.25
SLACK_BASELINE = 1.25
SLACK_MEMORY = 1.05
PRECISION = "INFERENCE_PRECISION_HINT"  # the one option of a run, so far, that answers depend on
_SPEED_ALONE = frozenset({"static"})
_ANSWERS_ALONE = frozenset({"method", "smooth"})


def promise(attempt: Attempt, minimize: Minimize, baseline: Opened, baseline_bytes: int) -> float:
    """The objective over the baseline's, as far as a first look tells: below 1 is better."""
    match minimize:
        case Minimize.LATENCY | Minimize.COST:
            return float("inf") if attempt.looked is None else attempt.looked
        case Minimize.MEMORY:
            taken = attempt.opened.peak_memory_bytes if attempt.opened else 0
            return taken / baseline.peak_memory_bytes
        case Minimize.SIZE:
            return attempt.size_bytes / max(1, baseline_bytes)


def mixture_promise(promised: float, excess: float) -> float:
    """What a mixture may come to: as much of the gain is given back as of the loss is too much.

    It errs on the slow side, for what is given back first buys most.
    Args: promised: of the recipe that it is made of.   excess: see `gates.accuracy`.
    """
    return promised + excess * (1 - promised)


def achieved(attempt: Attempt, minimize: Minimize) -> float | None:
    """The objective over the baseline's, as measured; None where it was not, or may not win."""
    if not attempt.passed or attempt.figures is None:
        return None
    return improvement(attempt.figures, minimize).value


def prune(promised: float, best: float | None, best_name: str, minimize: Minimize) -> str:
    """Why a candidate is not examined; empty where it is.

    Args: promised: see `promise`.   best: the best that was achieved so far, by `best_name`.
    """
    speed = minimize in (Minimize.LATENCY, Minimize.COST)
    if promised > (SLACK_BASELINE if speed else SLACK_MEMORY):
        return f"{promised:.2f} × the baseline's {_what(minimize)} at first look: not examined further"
    if best is not None and promised > best * (SLACK if speed else SLACK_MEMORY):
        return (
            f"{promised:.2f} × the baseline's {_what(minimize)} at first look, where {best_name} "
            f"has {best:.2f} and passes every gate: not examined further"
        )
    return ""


def answers_key(recipe: Recipe) -> str:
    """What decides a recipe's answers: two that share it differ in speed alone."""
    settings = {k: v for k, v in recipe.settings.items() if k not in _SPEED_ALONE}
    computes_in = recipe.options.properties.get(PRECISION, "")
    return json.dumps([recipe.backend, recipe.build, settings, computes_in], sort_keys=True)


def speed_key(recipe: Recipe) -> str:
    """What decides a recipe's speed: two that share it differ in their answers alone."""
    settings = {k: v for k, v in recipe.settings.items() if k not in _ANSWERS_ALONE}
    told = [recipe.backend, recipe.build, settings, recipe.options.model_dump()]
    return json.dumps(told, sort_keys=True)


def _what(minimize: Minimize) -> str:
    return {
        Minimize.LATENCY: "latency",
        Minimize.COST: "time",
        Minimize.MEMORY: "memory",
        Minimize.SIZE: "size",
    }[minimize]
