"""A schedule: what happens, in order, drawn from one seed. Each step carries its own numbers.

So a schedule with some steps left out is a schedule too, and that is how a failure is made small.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from support.simulation.calls import FAULTS, Fault

LENGTH = 40
CALLS_A_TURN = 20
# kind -> weight. `flow` is a while without any trouble: without it few schedules would come far.
STEPS = {
    "flow": 14, "work": 24, "deliver": 12, "job": 14, "control": 8, "kubelet": 8, "edit": 8, "node": 6,
    "time": 6, "registry": 5, "restart": 3, "garbage": 3, "twice": 2, "pod": 2, "jump": 1, "rollout": 8,
    "traffic": 3, "room": 8,
}  # fmt: skip
_MEANWHILE = {
    "work": 6, "edit": 4, "deliver": 4, "job": 2, "control": 1, "kubelet": 1, "node": 2, "registry": 1,
    "garbage": 1, "time": 1, "pod": 1, "rollout": 2, "traffic": 1, "room": 1,
}  # fmt: skip
_ALWAYS = {"work": 20}


@dataclass(frozen=True)
class Step:
    """One thing that happens. `one` and `two` choose among what there is then.

    faults, meanwhile: of the turn, where the operator works; what moves before which of its calls.
    """

    kind: str
    one: int = 0
    two: int = 0
    faults: tuple[Fault, ...] = ()
    meanwhile: tuple[tuple[int, "Step"], ...] = ()

    def __str__(self) -> str:
        faults = "".join(f" {fault.kind}@{fault.call}" for fault in self.faults)
        moves = "".join(f" [{step}]@{call}" for call, step in self.meanwhile)
        return f"{self.kind} {self.one} {self.two}{faults}{moves}"

    @property
    def simpler(self) -> Iterator["Step"]:
        """The same with one trouble less."""
        for fault in self.faults:
            left = tuple(other for other in self.faults if other is not fault)
            yield Step(self.kind, self.one, self.two, left, self.meanwhile)
        for move in self.meanwhile:
            others = tuple(other for other in self.meanwhile if other is not move)
            yield Step(self.kind, self.one, self.two, self.faults, others)


Schedule = Sequence[Step]


def draw(seed: int, length: int = LENGTH) -> list[Step]:
    """The schedule of a seed, the same wherever it is drawn."""
    drawn = _Drawing(random.Random(seed))
    return [drawn.step() for _ in range(length)]


class _Drawing:
    """Each schedule has a taste of its own: kinds that it favours or leaves out, few numbers or many.

    All alike, they would be about everything a little, and nothing would come together.
    """

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.steps = self._favoured(STEPS)
        self.moves = self._favoured(_MEANWHILE)
        self.numbers = [dice.randrange(1 << 16) for _ in range(dice.choice((3, 10, 1000)))]
        self.faulty, self.moving = dice.choice((0.0, 0.3, 0.6)), dice.choice((0.0, 0.3, 0.8))

    def _favoured(self, weights: Mapping[str, int]) -> dict[str, int]:
        return {
            kind: weight * self.dice.choice((0, 1, 1, 1, 4)) for kind, weight in weights.items()
        } | _ALWAYS

    def step(self) -> Step:
        """The next one."""
        kind = _chosen(self.dice, self.steps)
        if kind != "work":
            return Step(kind, *self._pair())
        faults = self._faults() if self.dice.random() < self.faulty else ()
        moves = self._moves() if self.dice.random() < self.moving else ()
        return Step(kind, *self._pair(), faults, moves)

    def _faults(self) -> tuple[Fault, ...]:
        count = self.dice.choice((1, 1, 1, 2, 4))
        return tuple(Fault(self._call(), self.dice.choice(FAULTS)) for _ in range(count))

    def _moves(self) -> tuple[tuple[int, Step], ...]:
        count = self.dice.choice((1, 1, 2))
        return tuple(
            (self._call(), Step(_chosen(self.dice, self.moves), *self._pair())) for _ in range(count)
        )

    def _call(self) -> int:
        return self.dice.randrange(CALLS_A_TURN)

    def _pair(self) -> tuple[int, int]:
        return self.dice.choice(self.numbers), self.dice.choice(self.numbers)


def _chosen(dice: random.Random, weights: Mapping[str, int]) -> str:
    return dice.choices(list(weights), list(weights.values()))[0]
