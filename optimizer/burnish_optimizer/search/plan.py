"""Which recipes are tried, in which order, and why the others are not. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from burnish_engine.request import OptimizationRequest, Precision
from burnish_optimizer.backends.recipes import Recipe
from burnish_optimizer.targets.implications import refusal


class Planned(NamedTuple):
    """A recipe, and why it is skipped (empty: it is tried)."""

    recipe: Recipe
    skip: str


def plan(
    recipes: Sequence[Recipe],
    request: OptimizationRequest,
    facts: Mapping[str, str],
    *,
    calibrated: bool,
    judged: bool,
    is_installed: Callable[[str], bool],
    target: Mapping[str, str] | None = None,
) -> tuple[Planned, ...]:
    """All recipes: first those of the precision that the request names first.

    Args: facts: of this machine.   target: of the hardware that the engine is for; None: this machine.
        judged: there are samples of the user's to judge answers on.
    """
    rank = {precision: position for position, precision in enumerate(request.precisions)}
    ordered = sorted(recipes, key=lambda recipe: rank.get(recipe.precision, len(rank)))
    return tuple(
        Planned(
            recipe,
            _not_asked(recipe, request)
            or machine_refusal(recipe, facts, is_installed, target)
            or _no_data(recipe, calibrated=calibrated, judged=judged),
        )
        for recipe in ordered
    )


def _not_asked(recipe: Recipe, request: OptimizationRequest) -> str:
    if recipe.precision not in request.precisions:
        return f"precision {recipe.precision} is not allowed by the request"
    if request.backends is not None and recipe.backend not in request.backends:
        return f"backend {recipe.backend} is not allowed by the request"
    return ""


def _no_data(recipe: Recipe, *, calibrated: bool, judged: bool) -> str:
    if recipe.needs_calibration and not calibrated:
        return "no calibration samples: give --calibration to allow static quantization"
    if recipe.precision is not Precision.FP32 and not judged:
        return f"no data to judge {recipe.precision} on: give --evaluation (or --calibration)"
    return ""


def machine_refusal(
    recipe: Recipe,
    facts: Mapping[str, str],
    is_installed: Callable[[str], bool],
    target: Mapping[str, str] | None = None,
) -> str:
    """Why a recipe is not tried on a machine, whatever is asked of it; empty where it is.

    Args: target: facts of the hardware that it is for; None: the machine itself.
    """
    if not is_installed(recipe.library):
        return f"{recipe.library} is not installed here"
    needed = [(name, facts) for name in recipe.requires]
    needed += [(name, facts if target is None else target) for name in recipe.target_requires]
    return next((why for name, known in needed if (why := refusal(name, known))), "")
