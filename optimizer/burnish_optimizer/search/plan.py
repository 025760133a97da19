"""Which recipes are tried, in which order, and why the others are not. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from burnish_engine.request import OptimizationRequest
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
    is_installed: Callable[[str], bool],
) -> tuple[Planned, ...]:
    """All recipes: first those of the precision that the request names first."""
    rank = {precision: position for position, precision in enumerate(request.precisions)}
    ordered = sorted(recipes, key=lambda recipe: rank.get(recipe.precision, len(rank)))
    return tuple(
        Planned(recipe, _reason(recipe, request, facts, calibrated, is_installed)) for recipe in ordered
    )


def _reason(
    recipe: Recipe,
    request: OptimizationRequest,
    facts: Mapping[str, str],
    calibrated: bool,
    is_installed: Callable[[str], bool],
) -> str:
    if recipe.precision not in request.precisions:
        return f"precision {recipe.precision} is not allowed by the request"
    if recipe.backend not in request.backends:
        return f"backend {recipe.backend} is not allowed by the request"
    if refused := machine_refusal(recipe, facts, is_installed):
        return refused
    if recipe.needs_calibration and not calibrated:
        return "no calibration samples: give --calibration to allow static quantization"
    return ""


def machine_refusal(recipe: Recipe, facts: Mapping[str, str], is_installed: Callable[[str], bool]) -> str:
    """Why a recipe is not tried on a machine, whatever is asked of it; empty where it is."""
    if not is_installed(recipe.library):
        return f"{recipe.library} is not installed here"
    return next((why for name in recipe.requires if (why := refusal(name, facts))), "")
