"""Which sizes to try for the free dimensions of a model: cheap ones first. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from burnish_optimizer.gates.probe_inputs import Input, batch_like, elements, variables

# Small ones that differ, so that swapped axes show; then what strided networks ask for (multiples of 8, 16,
# 32); 288 and 576 are frames of audio with their context, 80 bins of a spectrum.
LADDER = (5, 7, 3, 2, 1, 8, 16, 32, 48, 64, 80, 96, 128, 160, 192, 224, 256, 288, 320, 384, 416, 512, 576,
          640, 768, 800, 1024)  # fmt: skip
MAX_ELEMENTS = 1 << 21
# Which free dimensions count rows is tried in every way up to this many of them (2^4 ways).
MAX_SPLIT = 4

Sizes = Mapping[str, int]


@dataclass(frozen=True)
class Assignment:
    """A size for every free dimension. `rows`: the variables that count rows of a batch."""

    sizes: Sizes
    rows: frozenset[str] = frozenset()

    def but(self, changes: Sizes) -> "Assignment":
        """The same with other sizes for some."""
        return Assignment({**self.sizes, **changes}, self.rows)

    def __str__(self) -> str:
        """For people: `batch 2, H 64, W 96`; empty where nothing is free."""
        counts = dict.fromkeys(f"batch {self.sizes[name]}" for name in self.sizes if name in self.rows)
        rest = (f"{name} {value}" for name, value in self.sizes.items() if name not in self.rows)
        return ", ".join([*counts, *rest])


@dataclass(frozen=True)
class Free:
    """The free dimensions of some inputs.

    Args: hints: sizes that weights ask for, by variable.
    """

    inputs: Sequence[Input]
    hints: Sizes = field(default_factory=dict)

    def ladder(self, batch: int, start: int = LADDER[0]) -> Iterator[Assignment]:
        """Assignments from `start` up, then the rest; the likeliest division into rows and sizes first."""
        first = LADDER.index(start)
        steps = (*LADDER[first:], *LADDER[:first]) if variables(self.inputs) else (start,)
        for hints in (self.hints, {}) if self.hints else ({},):
            for rows in self._divisions():
                for base in steps:
                    yield from self._assignments(rows, batch, base, hints)

    def near(self, good: Assignment, batch: int, turn: int = 0) -> Iterator[Assignment]:
        """From sizes that the source takes: another batch with one size doubled, the batch alone, the same.

        turn: which size to double first.
        """
        same = good.but(dict.fromkeys(good.rows, batch))
        names = self._counted(good)
        first = turn % len(names) if names else 0
        for name in (*names[first:], *names[:first]):
            if self._fits(grown := same.but({name: 2 * good.sizes[name]})):
                yield grown
        yield same
        yield good

    def empty(self, good: Assignment) -> Iterator[Assignment]:
        """No row at all; then one size after the other nothing."""
        if good.rows:
            yield good.but(dict.fromkeys(good.rows, 0))
        yield from (good.but({name: 0}) for name in self._counted(good))

    def _counted(self, good: Assignment) -> list[str]:
        return [name for name in good.sizes if name not in good.rows]

    def _fits(self, made: Assignment) -> bool:
        """Small enough; what a model fixes itself (an 800 × 608 image) is not counted against it."""
        least = elements(self.inputs, dict.fromkeys(made.sizes, 1))
        return elements(self.inputs, made.sizes) <= max(MAX_ELEMENTS, 2 * least)

    def _divisions(self) -> Iterator[frozenset[str]]:
        names, likely = variables(self.inputs), batch_like(self.inputs)
        yield likely
        if 1 < len(names) <= MAX_SPLIT:
            every = [frozenset(rows) for n in range(len(names) + 1) for rows in combinations(names, n)]
            # What looks like rows most probably is; more may be (a state [2, N, 128] without names).
            yield from sorted((rows for rows in every if rows != likely), key=lambda rows: not rows >= likely)

    def _assignments(self, rows: frozenset[str], batch: int, base: int, hints: Sizes) -> Iterator[Assignment]:
        """Sizes that differ (base, twice, three times it), then all equal."""
        names = variables(self.inputs)
        others = [name for name in names if name not in rows]
        for spread in ((1, 2, 3), (1,)) if len(others) > 1 else ((1,),):
            sizes = {name: base * spread[i % len(spread)] for i, name in enumerate(others)}
            every = {**sizes, **dict.fromkeys(rows, batch), **hints}
            made = Assignment({name: every[name] for name in names}, rows)
            # A size that happens to be the batch would hide which dimensions count rows.
            if self._fits(made) and not (rows and batch in sizes.values()):
                yield made
