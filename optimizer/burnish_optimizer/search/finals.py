"""The last word between two that the measurements beside the baseline cannot tell apart.

Each candidate is measured beside the baseline at its own time, and the ratio of two ratios is noisier than
either. Where the selection would take a slower one for its exactness, or because it was tried first, the
two are measured in turns with each other.
"""

from collections.abc import Callable, Sequence

from burnish_engine.report import Estimate
from burnish_engine.request import Minimize
from burnish_optimizer.search.attempt import Attempt, contender, is_contender
from burnish_optimizer.search.select import fastest, select
from burnish_optimizer.search.workshop import Workshop

MAX_DUELS = 3


def finals(
    attempts: Sequence[Attempt], shop: Workshop, told: Callable[[str], None], exhausted: Callable[[], str]
) -> dict[tuple[str, str], Estimate]:
    """Duels of the fastest with whatever would be taken in its place, until one of them stands."""
    duels: dict[tuple[str, str], Estimate] = {}
    if shop.request.minimize not in (Minimize.LATENCY, Minimize.COST):
        return duels
    able = [contender(a) for a in attempts if is_contender(a)]
    by_name = {a.recipe.name: a for a in attempts}
    best = fastest(able, shop.request)
    while best is not None and len(duels) < MAX_DUELS and not exhausted():
        chosen = next((v.recipe for v in select(able, shop.request, duels) if v.won), best)
        if chosen == best or (best, chosen) in duels:
            break
        told(f"{best} and {chosen} in turns")
        found = shop.duel(by_name[best], by_name[chosen])
        if found is None:
            break
        duels[best, chosen] = found
    return duels
