"""Candidates judged in this process by the gates themselves, and again on data that no gate has seen."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import onnx

from burnish_engine.descriptor import RunOptions
from burnish_engine.report import Accuracy, GateResult
from burnish_engine.request import Backend, Metric, OptimizationRequest, Precision
from burnish_optimizer.backends.recipes import Recipe
from burnish_optimizer.gates.accuracy import summarize
from burnish_optimizer.gates.checks import faithful_gate, signature_gate
from burnish_optimizer.gates.metrics.measure import Case
from burnish_optimizer.gates.metrics.table import MEASURES
from burnish_optimizer.gates.scores import score_sample
from burnish_optimizer.ingest.samples import DataSpec
from burnish_optimizer.measure.client import ProbeProcess
from burnish_optimizer.measure.probe import Probe
from burnish_optimizer.reference.answers import answer, write_answers
from burnish_optimizer.search.bench import judge
from burnish_optimizer.targets.fingerprint import fingerprint
from burnish_optimizer.tasks import (
    AnswersResult,
    AnswersTask,
    BatchCheck,
    BuildTask,
    Judged,
    ProbeTask,
    SampleScore,
)
from burnish_optimizer.worker import resolve
from burnish_runtime.load import open_session
from support.adversary_nets import Array

UNOPTIMIZED = RunOptions(threads=1, graph_optimization="disabled")
PLAIN = RunOptions(threads=1)
FRESH = 400


@dataclass
class Judgement:
    """What the gates said, and the same figures on fresh data."""

    gates: tuple[GateResult, ...]
    accuracy: Accuracy | None
    fresh: Accuracy | None
    fresh_faithful: bool

    @property
    def passed(self) -> bool:
        """Whether every gate let it through."""
        return all(gate.passed for gate in self.gates)

    @property
    def said(self) -> str:
        """All gates, for a failing test."""
        return "; ".join(f"{g.name} {'passed' if g.passed else 'FAILED'}: {g.found}" for g in self.gates)


class InProcess:
    """A probe without its process, as `judge` takes it."""

    def __init__(self, task: ProbeTask) -> None:
        self._probe = Probe(task)

    def judge(self) -> Judged:
        return cast(Judged, self._probe.do({"do": "judge"}))

    def batch(self) -> BatchCheck:
        return cast(BatchCheck, self._probe.do({"do": "batch"}))


@dataclass
class Arena:
    """A source with its evaluation set and the reference's answers on disk; made once, used by many cases.

    Args: labels: of the evaluation set and the fresh samples, None: no labels.
    """

    folder: Path
    model: onnx.ModelProto
    evaluation: Array
    fresh: Array
    labels: tuple[Array, Array] | None = None
    reference: AnswersResult = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        onnx.save(self.model, str(self.source))
        arrays = {"x": self.evaluation} | ({"label": self.labels[0]} if self.labels else {})
        np.savez(self.data, **arrays)  # type: ignore[arg-type]
        task = AnswersTask(model=str(self.source), folder=str(self.answers), data=self.spec, threads=1)
        self.reference = write_answers(task)

    @property
    def source(self) -> Path:
        return self.folder / "source.onnx"

    @property
    def data(self) -> Path:
        return self.folder / "evaluation.npz"

    @property
    def spec(self) -> DataSpec:
        return DataSpec(path=str(self.data))

    @property
    def answers(self) -> Path:
        return self.folder / "answers"

    @cached_property
    def fresh_answers(self) -> list[list[Array]]:
        """The reference's, of samples that neither calibration nor evaluation has seen."""
        return list(self.answers_of(self.source, UNOPTIMIZED))

    def answers_of(self, model: Path, options: RunOptions) -> Iterator[list[Array]]:
        """A model's answers to the fresh samples, each one alone."""
        session = open_session(model, Backend.ONNXRUNTIME, options)
        for row in self.fresh:
            found = answer(session, {"x": row[np.newaxis]})
            yield [found[spec.name] for spec in self.reference.outputs]

    def build(self, recipe: Recipe, calibration: Array, folder: Path) -> Path:
        """A candidate, by the recipe's own builder."""
        folder.mkdir(parents=True)
        np.savez(folder / "calibration.npz", x=calibration)
        task = BuildTask(
            run=recipe.build,
            model=str(self.source),
            folder=str(folder),
            shared=str(folder / "shared"),
            inputs=self.reference.inputs,
            calibration=DataSpec(path=str(folder / "calibration.npz")),
            threads=1,
            facts=fingerprint(),
            settings=recipe.settings,
            options=PLAIN,
            judged=self.spec,
        )
        return folder / resolve(recipe.build)(task=task).model

    def judge(self, candidate: Path, request: OptimizationRequest, precision: Precision) -> Judgement:
        """All gates on the evaluation set, then the metric on the fresh one."""
        task = ProbeTask(
            model=str(candidate),
            backend=Backend.ONNXRUNTIME,
            options=PLAIN,
            data=self.spec,
            answers=str(self.answers),
            outputs=tuple(spec.name for spec in self.reference.outputs),
            batch=1,
            batch_error=self.reference.batch_error,
            metric=request.metric,
        )
        gates, accuracy = judge(cast(ProbeProcess, InProcess(task)), request, precision)
        session = open_session(candidate, Backend.ONNXRUNTIME, PLAIN)
        before, found = (self.reference.inputs, self.reference.outputs), (session.inputs, session.outputs)
        scores = fresh_scores(self, candidate, request.metric)
        return Judgement(
            gates=(signature_gate(before, found), *gates),
            accuracy=accuracy,
            fresh=summarize(scores, request),
            fresh_faithful=faithful_gate(scores, precision).passed,
        )


def fresh_scores(arena: Arena, candidate: Path, metric: Metric) -> list[SampleScore]:
    """Scores of the fresh samples."""
    names = [spec.name for spec in arena.reference.outputs]
    labels = arena.labels[1] if arena.labels else [None] * len(arena.fresh)
    sides = zip(arena.fresh_answers, arena.answers_of(candidate, PLAIN), labels, strict=True)
    return [
        score_sample(Case(names, expected, own, label), MEASURES[metric]) for expected, own, label in sides
    ]


def tolerated(judgement: Judgement, request: OptimizationRequest) -> bool:
    """Whether the true metric, as fresh data tell it, is within what was allowed.

    Of n samples without a change up to 3 / n may change unseen (rule of three); fresh data have an error of
    their own as large. So much more than the allowed drop is the most that a gate can leave open.
    """
    fresh, seen = judgement.fresh, judgement.accuracy
    if fresh is None or seen is None:
        return False
    if request.floor is not None:
        return fresh.value >= request.floor - 1.0  # dB
    return fresh.drop <= (request.allowed_drop or 0.0) + 3 / seen.samples
