"""What became of a recipe, as far as it got."""

from pathlib import Path

from pydantic import Field

from burnish_engine.base import Record
from burnish_engine.conversion import Conversion
from burnish_engine.coverage import Coverage
from burnish_engine.descriptor import RunOptions
from burnish_engine.report import Accuracy, GateResult, PrecisionCurve
from burnish_optimizer.backends.recipes import Recipe
from burnish_optimizer.search.select import Contender, Figures
from burnish_optimizer.tasks import Opened

ACCURACY_GATES = frozenset({"accuracy", "faithful"})


class Attempt(Record):
    """A reason that ended it early, else gates, and figures where measured.

    again: what ended it says nothing of the recipe (time was up, the disk was full): another run tries again.
    options: what it is run with.   size_bytes: of its files.
    looked: p50 over the baseline's at first look, both in turns; a few windows, no interval.
    skipped, declined: never built, or (skipped) no further than its first look.   failed: broke.
    pruned: built and loaded, and not worth judging by what was known then.
    unmeasured: built, and why it cannot be run here; `opened` and `accuracy` are then of its stand-in: the
    graph that it was built from, in ONNX Runtime on the CPU.
    coverage: where its nodes run.   notes, conversion: what the builder told.
    """

    recipe: Recipe
    seconds: float = 0.0
    model: Path | None = None
    options: RunOptions = Field(default_factory=RunOptions)
    size_bytes: int = 0
    opened: Opened | None = None
    looked: float | None = None
    skipped: str = ""
    declined: str = ""
    failed: str = ""
    pruned: str = ""
    unmeasured: str = ""
    coverage: Coverage | None = None
    notes: tuple[str, ...] = ()
    conversion: Conversion | None = None
    gates: tuple[GateResult, ...] = ()
    accuracy: Accuracy | None = None
    figures: Figures | None = None
    again: bool = False

    @property
    def ended(self) -> bool:
        """Whether nothing more can be done with it."""
        return bool(self.skipped or self.declined or self.failed or self.pruned)

    @property
    def passed(self) -> bool:
        """Whether it was judged, and every gate let it through."""
        return self.accuracy is not None and all(gate.passed for gate in self.gates)

    @property
    def lost_accuracy(self) -> bool:
        """Whether the gates on closeness of answers, and no others, refused it: more precision may help."""
        failed = {gate.name for gate in self.gates if not gate.passed}
        return bool(failed) and failed <= ACCURACY_GATES


class Mixed(Record):
    """The best mixture of a recipe, or one that ended early. curve: None where no part was measured."""

    attempt: Attempt
    curve: PrecisionCurve | None = None


def is_contender(attempt: Attempt) -> bool:
    """Whether the attempt was built and looked at, so that the selection says its word."""
    return not attempt.ended


def contender(attempt: Attempt) -> Contender:
    """What the selection sees of an attempt."""
    recipe = attempt.recipe
    return Contender(recipe.name, recipe.precision, attempt.gates, attempt.figures, attempt.unmeasured)
