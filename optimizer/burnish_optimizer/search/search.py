"""The search: a cheap look at every recipe, then the promising ones examined, best first.

look at all ─> queue by promise ─> examine, or prune by what is known ─> mixtures of what lost accuracy

Successive halving as in Jamieson and Talwalkar (2016), with the rungs look, judge, measure. Which one wins
is `search.select`'s to say, of all that was measured.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from burnish_engine.report import PrecisionCurve
from burnish_optimizer.backends.recipes import Recipe
from burnish_optimizer.gates.accuracy import excess
from burnish_optimizer.search.attempt import Attempt, Mixed
from burnish_optimizer.search.journal import Journal
from burnish_optimizer.search.order import achieved, answers_key, mixture_promise, prune, speed_key
from burnish_optimizer.search.plan import Planned
from burnish_optimizer.search.select import missed_limit
from burnish_optimizer.search.workshop import Workshop

Told = Callable[[str], None]
MAX_MIXTURES = 3
LEAST_GAIN = 0.97  # a mixture is a little slower than what it is made of


@dataclass
class _State:
    """What is known so far."""

    shop: Workshop
    journal: Journal
    told: Told
    exhausted: Callable[[], str]
    done: dict[str, Attempt] = field(default_factory=dict)
    curves: list[PrecisionCurve] = field(default_factory=list)
    inaccurate: dict[str, str] = field(default_factory=dict)
    others: dict[str, list[Recipe]] = field(default_factory=dict)
    best: float | None = None
    best_name: str = ""

    def finish(self, attempt: Attempt) -> None:
        name, minimize = attempt.recipe.name, self.shop.request.minimize
        self.done[name] = attempt
        reached = achieved(attempt, minimize)
        if (
            attempt.figures
            and reached is not None
            and not missed_limit(attempt.figures, self.shop.request)
            and (self.best is None or reached < self.best)
        ):
            self.best, self.best_name = reached, name
        if attempt.lost_accuracy:
            self.inaccurate.setdefault(answers_key(attempt.recipe), name)
        else:
            self._end_others(attempt)

    def _end_others(self, head: Attempt) -> None:
        """Where accuracy is not what it lost, what differs from it in answers alone would fare no better."""
        for recipe in self.others.pop(head.recipe.name, ()):
            self.done[recipe.name] = _as_its_head(recipe, head)


def _as_its_head(recipe: Recipe, head: Attempt) -> Attempt:
    """The end of one that differs in answers alone from one that ended: no more than was seen of that."""
    name = head.recipe.name
    if head.skipped:
        return Attempt(recipe=recipe, skipped=head.skipped)
    if head.declined:
        return Attempt(recipe=recipe, declined=f"as {name}: {head.declined}")
    if head.failed:
        return Attempt(recipe=recipe, skipped=f"built as {name} is, which failed")
    end = "which passes every gate" if head.passed else head.pruned or "which another gate refused"
    return Attempt(recipe=recipe, looked=head.looked, pruned=f"as fast as {name}: {end}")


def search(
    planned: Sequence[Planned], shop: Workshop, journal: Journal, told: Told, exhausted: Callable[[], str]
) -> tuple[tuple[Attempt, ...], tuple[PrecisionCurve, ...]]:
    """Every planned recipe, in the plan's order, and mixtures after them; what is skipped says why.

    Args: told: is told of each step.   exhausted: why no further step is taken, empty while there is time.
    """
    heads, others = _by_speed(planned)
    state = _State(shop, journal, told, exhausted, others=others)
    queue = _look_at_all(heads, state)
    while queue:
        queue.sort(key=shop.promise)
        _next(queue.pop(0), queue, state)
    _mixtures(state)
    order = {one.recipe.name: place for place, one in enumerate(planned)}
    found = sorted(state.done.values(), key=lambda a: order.get(a.recipe.name, len(order)))
    return tuple(found), tuple(state.curves)


def _look_at_all(planned: Sequence[Planned], state: _State) -> list[Attempt]:
    waiting = []
    for recipe, skip in planned:
        reason = skip or state.exhausted()
        state.told(f"{recipe.name}: skipped, {reason}" if reason else f"{recipe.name}: build, first look")
        attempt = Attempt(recipe=recipe, skipped=reason) if reason else _first_look(recipe, state)
        if _is_over(attempt):
            state.finish(attempt)
        else:
            waiting.append(attempt)
    return waiting


def _by_speed(planned: Sequence[Planned]) -> tuple[list[Planned], dict[str, list[Recipe]]]:
    """The first recipe of each speed, and by its name the others, which differ from it in answers alone."""
    first: dict[str, str] = {}
    heads, others = [], defaultdict(list)
    for one in planned:
        head = first.setdefault(speed_key(one.recipe), one.recipe.name) if not one.skip else one.recipe.name
        if head == one.recipe.name:
            heads.append(one)
        else:
            others[head].append(one.recipe)
    return heads, dict(others)


def _first_look(recipe: Recipe, state: _State) -> Attempt:
    return _remembered("look", Attempt(recipe=recipe), state, lambda one: state.shop.look(one.recipe))


def _next(attempt: Attempt, queue: list[Attempt], state: _State) -> None:
    """Examine one, or end it; those that differ from it in answers alone may join the queue."""
    name = attempt.recipe.name
    reason = _pruned(attempt, state)
    late = "" if reason else state.exhausted()
    if reason or late:
        state.told(f"{name}: {reason or late}")
        state.finish(attempt.model_copy(update={"pruned": reason, "skipped": late}))
        return
    state.told(f"{name}: judge and measure")
    examined = _remembered("examined", attempt, state, state.shop.examine)
    state.finish(examined)
    if examined.lost_accuracy:
        others = state.others.pop(name, [])
        looks = [_first_look(recipe, state) for recipe in others]
        ended = [a for a in looks if _is_over(a)]
        for one in ended:
            state.finish(one)
        queue += [a for a in looks if a not in ended]


def _mixtures(state: _State) -> None:
    """Mixtures of what lost accuracy alone, when the best without them is known; the most promising first."""
    for base in _mixable(state)[:MAX_MIXTURES]:
        if state.exhausted() or _nothing_to_win(base, state):
            continue
        name = base.recipe.name
        state.told(f"{name}: lost accuracy; measuring where precision buys most")
        found = _mixed(base, state)
        state.curves += [found.curve] if found.curve else []
        mixture = found.attempt
        if mixture.passed and not mixture.ended:
            state.told(f"{mixture.recipe.name}: measure")
            mixture = _remembered("examined", mixture, state, state.shop.measure)
        state.finish(mixture)


def _mixable(state: _State) -> list[Attempt]:
    """What may be mixed, by what may come of it; of those that differ in answers alone the closest one."""

    def promise(base: Attempt) -> float:
        lost = excess(base.accuracy, state.shop.request) if base.accuracy else 0.0
        return mixture_promise(state.shop.promise(base), lost)

    closest: dict[str, Attempt] = {}
    bases = [a for a in state.done.values() if _may_mix(a) and not _nothing_to_win(a, state)]
    for base in sorted(bases, key=promise):
        closest.setdefault(speed_key(base.recipe), base)
    return list(closest.values())


def _mixed(base: Attempt, state: _State) -> Mixed:
    def is_good(found: Mixed) -> bool:
        return _is_there(found.attempt)

    def step() -> Mixed:
        return state.shop.mix(base, state.best, state.journal)

    return state.journal.once("mixed", base.recipe.name, Mixed, step, is_good)


def _may_mix(attempt: Attempt) -> bool:
    """Whether precision is what it lacks: where no answer got worse, samples are."""
    lost = attempt.accuracy is not None and attempt.accuracy.drop > 0
    return lost and attempt.lost_accuracy and bool(attempt.recipe.parts) and not attempt.ended


def _nothing_to_win(base: Attempt, state: _State) -> bool:
    """Where even all precision given back is not enough, or nothing given back is no faster than the best."""
    above = state.done.get(base.recipe.above)
    if above and (above.lost_accuracy or answers_key(above.recipe) in state.inaccurate):
        return True
    return state.best is not None and state.shop.promise(base) > state.best * LEAST_GAIN


def _is_over(attempt: Attempt) -> bool:
    """Whether a look was all that there is to do."""
    return bool(attempt.ended or attempt.unmeasured) or not all(gate.passed for gate in attempt.gates)


def _pruned(attempt: Attempt, state: _State) -> str:
    twin = state.inaccurate.get(answers_key(attempt.recipe))
    if twin:
        return f"computes as {twin} does, which lost accuracy"
    minimize = state.shop.request.minimize
    return prune(state.shop.promise(attempt), state.best, state.best_name, minimize)


def _remembered(stage: str, attempt: Attempt, state: _State, step: Callable[[Attempt], Attempt]) -> Attempt:
    """A step's result, or what an earlier run of the same key left of it."""
    return state.journal.once(stage, attempt.recipe.name, Attempt, lambda: step(attempt), _is_there)


def _is_there(attempt: Attempt) -> bool:
    """Whether it came to an end of its own, and its files are where it says."""
    return not attempt.again and (attempt.model is None or attempt.model.exists())
