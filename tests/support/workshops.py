"""A workshop that makes candidates up: their true speed and accuracy are known, looks are noisy."""

from dataclasses import dataclass, field

import numpy as np

from burnish_engine.report import Accuracy, Estimate, GateResult, Latency, Measurement
from burnish_engine.request import Backend, Metric, OptimizationRequest, Precision
from burnish_optimizer.backends.recipes import Recipe
from burnish_optimizer.search.attempt import Attempt, Mixed
from burnish_optimizer.search.select import Figures


@dataclass(frozen=True)
class Truth:
    """What a recipe really is. ratio: of the baseline's time.   drop: of the metric.   breaks: when.

    absent: it is for hardware that is not here.
    """

    ratio: float
    drop: float = 0.0
    breaks: str = ""
    mixed: "Truth | None" = None
    absent: bool = False


@dataclass
class FakeWorkshop:
    """Steps are counted; `noise` is the relative error of a look."""

    truths: dict[str, Truth]
    request: OptimizationRequest = field(default_factory=OptimizationRequest)
    noise: float = 0.0
    seed: int = 0
    looks: list[str] = field(default_factory=list)
    examined: list[str] = field(default_factory=list)
    duels: list[tuple[str, str]] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    measured: list[str] = field(default_factory=list)
    interval: float = 0.01
    few_samples: bool = False

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    def look(self, recipe):
        self.looks.append(recipe.name)
        truth = self.truths[recipe.name]
        if truth.breaks == "look":
            return Attempt(recipe=recipe, failed="it crashed")
        if truth.breaks == "time":
            return Attempt(recipe=recipe, skipped="not finished within the budget of 5 s", again=True)
        if truth.absent:
            judged = (gate("signature", passed=True), gate("accuracy", passed=truth.drop == 0.0))
            return Attempt(recipe=recipe, unmeasured="no such device", gates=judged)
        looked = truth.ratio * float(np.exp(self._rng.normal(0, self.noise))) if self.noise else truth.ratio
        return Attempt(recipe=recipe, looked=looked, gates=(gate("signature", passed=True),))

    def promise(self, attempt):
        return float("inf") if attempt.looked is None else attempt.looked

    def examine(self, attempt):
        name = attempt.recipe.name
        self.examined.append(name)
        truth = self.truths[name]
        if truth.breaks == "examine":
            return attempt.model_copy(update={"failed": "it hung"})
        passed = truth.drop <= (self.request.allowed_drop or 0.0) and not self.few_samples
        return attempt.model_copy(
            update={
                "gates": (*attempt.gates, gate("accuracy", passed=passed)),
                "accuracy": accuracy(truth.drop),
                "figures": figures(truth.ratio, self.interval),
            }
        )

    def measure(self, attempt):
        self.measured.append(attempt.recipe.name)
        ratio = self.truths[attempt.recipe.name].ratio
        return attempt.model_copy(update={"figures": figures(ratio, self.interval)})

    def mix(self, base, best, journal):
        self.mixed.append(base.recipe.name)
        name = f"{base.recipe.name}-mixed"
        recipe = base.recipe.model_copy(update={"name": name, "parts": "", "settings": {"keep": name}})
        mixed = self.truths[base.recipe.name].mixed
        if mixed is None:
            return Mixed(attempt=Attempt(recipe=recipe, declined="nothing helps"))
        self.truths[name] = mixed
        return Mixed(attempt=self.look(recipe).model_copy(update={"accuracy": accuracy(mixed.drop)}))

    def duel(self, first, second):
        pair = (first.recipe.name, second.recipe.name)
        self.duels.append(pair)
        ratio = self.truths[pair[0]].ratio / self.truths[pair[1]].ratio
        return Estimate(value=ratio, low=ratio * 0.999, high=ratio * 1.001)


def recipe(name, precision=Precision.FP32, **fields):
    """A recipe that is told apart by its name alone."""
    fields = {"settings": {"is": name}, **fields}
    return Recipe(name=name, backend=Backend.ONNXRUNTIME, precision=precision, build="", **fields)


def gate(name, *, passed):
    return GateResult(name=name, passed=passed, found="found", expected="expected")


def accuracy(drop):
    interval = (1 - drop, 1 - drop)
    return Accuracy(
        metric=Metric.AGREEMENT, value=1 - drop, interval=interval, samples=100, reference=1.0, drop=drop
    )


def figures(ratio, interval):
    spread = Estimate(value=ratio, low=ratio * (1 - interval), high=ratio * (1 + interval))
    return Figures(side(0.01 * ratio), side(0.01), spread, spread)


def side(seconds):
    exact = Estimate(value=seconds, low=seconds, high=seconds)
    return Measurement(
        latency_seconds=Latency(p50=exact, p90=exact, p99=exact),
        throughput_per_second=Estimate(value=1 / seconds, low=1 / seconds, high=1 / seconds),
        peak_memory_bytes=1 << 20,
        load_seconds=0.1,
        size_bytes=1 << 20,
        samples=100,
    )
