"""A schedule: what happens, in order, drawn from one seed. Each step carries its own numbers.

So a schedule with some steps left out is a schedule too, and that is how a failure is made small.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from support.simulation.calls import FAULTS, Fault

LENGTH = 40
CALLS_A_TURN = 24
# kind -> weight. `flow` is a while without any trouble: without it few schedules would come far.
STEPS = {
    "flow": 14, "work": 24, "deliver": 12, "job": 14, "control": 8, "kubelet": 8, "edit": 8, "node": 6,
    "time": 6, "registry": 5, "restart": 3, "garbage": 3, "twice": 2, "pod": 2, "jump": 1,
}  # fmt: skip
_MEANWHILE = {
    "work": 6, "edit": 4, "deliver": 4, "job": 2, "control": 1, "kubelet": 1, "node": 2, "registry": 1,
    "garbage": 1, "time": 1, "pod": 1,
}  # fmt: skip


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
    dice = random.Random(seed)
    return [_step(dice) for _ in range(length)]


def _step(dice: random.Random) -> Step:
    kind = _chosen(dice, STEPS)
    one, two = dice.randrange(1 << 16), dice.randrange(1 << 16)
    if kind != "work":
        return Step(kind, one, two)
    faults = _faults(dice) if dice.random() < 0.4 else ()
    moves = _moves(dice) if dice.random() < 0.35 else ()
    return Step(kind, one, two, faults, moves)


def _faults(dice: random.Random) -> tuple[Fault, ...]:
    count = dice.choice((1, 1, 1, 2, 4))
    return tuple(Fault(dice.randrange(CALLS_A_TURN), dice.choice(FAULTS)) for _ in range(count))


def _moves(dice: random.Random) -> tuple[tuple[int, Step], ...]:
    return tuple(
        (
            dice.randrange(CALLS_A_TURN),
            Step(dice.choices(list(_MEANWHILE), list(_MEANWHILE.values()))[0], *_numbers(dice)),
        )
        for _ in range(dice.choice((1, 1, 2)))
    )


def _chosen(dice: random.Random, weights: Mapping[str, int]) -> str:
    return dice.choices(list(weights), list(weights.values()))[0]


def _numbers(dice: random.Random) -> tuple[int, int]:
    return dice.randrange(1 << 16), dice.randrange(1 << 16)
