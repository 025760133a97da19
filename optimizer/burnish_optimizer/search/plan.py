"""Which recipes are tried, in which order, and why the others are not. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from burnish_engine.request import OptimizationRequest
from burnish_optimizer.backends.recipes import Recipe
from burnish_optimizer.targets.implications import has_bf16


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
    if not is_installed(recipe.library):
        return f"{recipe.library} is not installed here"
    if recipe.needs_bf16 and not has_bf16(facts):
        return "this processor does not compute in BF16"
    if recipe.needs_calibration and not calibrated:
        return "no calibration samples: give --calibration to allow static quantization"
    return ""
