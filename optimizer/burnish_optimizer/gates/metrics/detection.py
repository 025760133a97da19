"""Metrics of detectors: agreement of boxes with the reference's, and mean average precision. Pure."""

from collections.abc import Sequence

import numpy as np

from burnish_optimizer.errors import NoFigure
from burnish_optimizer.gates.metrics.boxes import Detections, matched, reader
from burnish_optimizer.gates.metrics.measure import Case, Figures, Measure, Sides, Statistic, ratio
from burnish_runtime.session import Array

MIN_SCORE = 0.3
MOST_BOXES = 300
# COCO's bound of detections an image.
MOST_SCORED = 100
MISSED, HIT, LABELS = 0.0, 1.0, 2.0
DRAWS_AT_ONCE = 64


def agreement(case: Case) -> Sides:
    """(2 × matched boxes, boxes of both sides): their ratio is the F1 of boxes."""
    read = reader(case.expected)
    wanted, found = (read(side).best(MIN_SCORE, MOST_BOXES) for side in (case.expected, case.found))
    both = float(len(wanted))
    return Sides((2.0 * float(matched(found, wanted).sum()), both + len(found)), (2 * both, 2 * both))


def boxes(figures: Sequence[Figures]) -> float:
    """Units of the agreement: boxes of the reference.

    Raises: NoFigure: there are none.
    """
    total = sum(figure[1] for figure in figures) / 2
    if total <= 0:
        raise NoFigure("the reference found no box in any sample: there is nothing to agree with")
    return total


def scored(case: Case) -> Sides:
    """Triples: (class, score, hit or missed) for a detection, (class, count, labels) for the truth."""
    read, truth = reader(case.expected), _truth(case)
    own, reference = (_triples(read(side), truth) for side in (case.found, case.expected))
    return Sides(own, reference)


def average_precision(figures: Sequence[Figures]) -> Statistic:
    """Mean over classes of the area below precision over recall, all points (Pascal VOC 2010 on).

    A class counts in a draw where a label of the draw is of it.
    """
    sample = np.repeat(np.arange(len(figures)), [len(figure) // 3 for figure in figures])
    rows = np.concatenate([np.asarray(figure, np.float64) for figure in figures] or [np.zeros(0)]).reshape(
        -1, 3
    )
    classes = np.unique(rows[rows[:, 2] == LABELS, 0])

    def some(draws: Array) -> Array:
        by_class = [
            _of_class(rows[rows[:, 0] == kind], sample[rows[:, 0] == kind], draws) for kind in classes
        ]
        areas = np.array(by_class).reshape(len(classes), len(draws))
        present = ~np.isnan(areas)
        return np.asarray(np.where(present, areas, 0).sum(axis=0) / np.maximum(present.sum(axis=0), 1))

    def drawn(draws: Array) -> Array:
        parts = [some(draws[i : i + DRAWS_AT_ONCE]) for i in range(0, len(draws), DRAWS_AT_ONCE)]
        return np.concatenate(parts)

    return drawn


def rarest(figures: Sequence[Figures]) -> float:
    """Units of the mean: classes × labelled boxes of the rarest class.

    Raises: NoFigure: no box is labelled.
    """
    counts: dict[float, float] = {}
    for figure in figures:
        for kind, number, what in zip(*[iter(figure)] * 3, strict=True):
            if what == LABELS:
                counts[kind] = counts.get(kind, 0.0) + number
    if not counts:
        raise NoFigure("no box is labelled in any sample")
    return len(counts) * min(counts.values())


def _of_class(rows: Array, sample: Array, draws: Array) -> Array:
    is_label = rows[:, 2] == LABELS
    labels = draws[:, sample[is_label]] @ rows[is_label, 1]
    order = np.argsort(-rows[~is_label, 1], kind="stable")
    weights = draws[:, sample[~is_label][order]]
    hits = weights * (rows[~is_label][order, 2] == HIT)
    caught, shown = np.cumsum(hits, axis=1), np.cumsum(weights, axis=1)
    precision = np.where(shown > 0, caught / np.maximum(shown, 1e-12), 0.0)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    area = np.sum(envelope * hits, axis=1) / np.maximum(labels, 1e-12)
    return np.asarray(np.where(labels > 0, area, np.nan))


def _triples(found: Detections, truth: Detections) -> Figures:
    best = found.best(-np.inf, MOST_SCORED)
    hits = matched(best, truth)
    told = [
        number
        for kind, score, hit in zip(best.classes, best.scores, hits, strict=True)
        for number in (float(kind), float(score), HIT if hit else MISSED)
    ]
    for kind, count in zip(*np.unique(truth.classes, return_counts=True), strict=True):
        told += [float(kind), float(count), LABELS]
    return tuple(told)


def _truth(case: Case) -> Detections:
    if case.label is None:
        raise NoFigure("no label on some samples")
    rows = case.label.astype(np.float64).reshape(-1, 5)
    real = rows[rows[:, 4] >= 0]
    return Detections(real[:, :4], np.ones(len(real)), real[:, 4])


DETECTION_AGREEMENT = Measure(agreement, ratio, boxes, any_shape=True)
MAP = Measure(scored, average_precision, rarest, any_shape=True)
