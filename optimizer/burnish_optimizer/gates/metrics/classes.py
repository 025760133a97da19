"""Metrics of class scores: accuracy, macro F1, agreement of the best, and of the five best. Pure.

The class scores are the first floating-point output whose last axis is longer than 1; a sample's
arg-max is taken along that axis, at every position of the other axes (one position for [1, C]).
"""

from collections.abc import Sequence

import numpy as np

from burnish_optimizer.errors import NoFigure
from burnish_optimizer.gates.metrics.measure import Case, Figures, Measure, Sides, Statistic, mean, one_each
from burnish_runtime.session import Array

TOP = 5


def class_scores(outputs: Sequence[Array]) -> int | None:
    """Which output holds the class scores, None where there is none."""
    return next(
        (i for i, a in enumerate(outputs) if a.dtype.kind == "f" and a.ndim > 0 and a.shape[-1] > 1), None
    )


def judged_scores(case: Case) -> int:
    """Raises: NoFigure: no output holds class scores."""
    position = class_scores(case.expected)
    if position is None:
        raise NoFigure("no floating-point output whose last axis counts classes")
    return position


def accuracy(case: Case) -> Sides:
    """Share of positions whose arg-max is the label's: (share,)."""
    position, labels = judged_scores(case), _labels(case)
    own, reference = (_best(side[position]) for side in (case.found, case.expected))
    return Sides((float(np.mean(own == labels)),), (float(np.mean(reference == labels)),), position)


def agreement(case: Case) -> Sides:
    """Share of positions whose arg-max is the reference's: (share,)."""
    position = judged_scores(case)
    own, reference = (_best(side[position]) for side in (case.found, case.expected))
    return Sides((float(np.mean(own == reference)),), (1.0,), position)


def top_agreement(case: Case) -> Sides:
    """Overlap of the best five (of all classes but one, where there are fewer than six): (share,).

    Where the reference itself has equals at the edge of its five best, any of them is right.
    """
    position = judged_scores(case)
    expected, found = (_rows(side[position]) for side in (case.expected, case.found))
    count = min(TOP, expected.shape[-1] - 1)
    chosen = np.argpartition(-found, count - 1, axis=-1)[:, :count]
    edge = np.partition(expected, -count, axis=-1)[:, -count][:, np.newaxis]
    right = np.take_along_axis(expected, chosen, axis=-1) >= edge
    return Sides((float(np.mean(right)),), (1.0,), position)


def confusion(case: Case) -> Sides:
    """Counts by class, as (class, hits, false alarms, misses) one after the other."""
    position, labels = judged_scores(case), _labels(case)
    own, reference = (_best(side[position]) for side in (case.found, case.expected))
    return Sides(_counts(own, labels), _counts(reference, labels), position)


def macro_f1(figures: Sequence[Figures]) -> Statistic:
    """Mean over classes of 2 hits / (2 hits + false alarms + misses).

    A class counts in a draw where a label or an answer of the draw is of it.
    """
    sample = np.repeat(np.arange(len(figures)), [len(figure) // 4 for figure in figures])
    rows = np.concatenate([np.asarray(figure, np.float64) for figure in figures]).reshape(-1, 4)
    classes, index = np.unique(rows[:, 0], return_inverse=True)

    def one(weights: Array) -> float:
        weighted = weights[sample]
        hits, alarms, misses = (
            np.bincount(index, weighted * rows[:, column], len(classes)) for column in (1, 2, 3)
        )
        total = 2 * hits + alarms + misses
        return float(np.mean(2 * hits[total > 0] / total[total > 0]))

    return lambda draws: np.array([one(weights) for weights in draws])


def rarest(figures: Sequence[Figures]) -> float:
    """Units of a macro mean: classes × labels of the rarest class, for one of these costs that share."""
    rows = np.concatenate([np.asarray(figure, np.float64) for figure in figures]).reshape(-1, 4)
    classes, index = np.unique(rows[:, 0], return_inverse=True)
    labels = np.bincount(index, rows[:, 1] + rows[:, 3], len(classes))
    return float(np.count_nonzero(labels) * labels[labels > 0].min(initial=np.inf))


def _counts(best: Array, labels: Array) -> Figures:
    told: list[float] = []
    for kind in np.unique(np.concatenate([best, labels])):
        is_best, is_label = best == kind, labels == kind
        hits = float(np.sum(is_best & is_label))
        told += [float(kind), hits, float(is_best.sum()) - hits, float(is_label.sum()) - hits]
    return tuple(told)


def _rows(scores: Array) -> Array:
    return np.nan_to_num(scores.reshape(-1, scores.shape[-1]), nan=-np.inf)


def _best(scores: Array) -> Array:
    best: Array = np.argmax(scores, axis=-1).ravel()
    return best


def _labels(case: Case) -> Array:
    if case.label is None:
        raise NoFigure("no label on some samples")
    scores = case.expected[judged_scores(case)]
    positions, classes = scores[..., 0].size, scores.shape[-1]
    if case.label.size != positions:
        raise NoFigure(f"labels of {case.label.size} numbers for {positions} positions of the class scores")
    wrong = case.label[(case.label < 0) | (case.label >= classes)]
    if wrong.size:
        raise NoFigure(f"label {wrong.flat[0]}, and the class scores are of classes 0 to {classes - 1}")
    return case.label.ravel()


ACCURACY = Measure(accuracy, mean, one_each, proportion=True)
AGREEMENT = Measure(agreement, mean, one_each, proportion=True)
TOP5_AGREEMENT = Measure(top_agreement, mean, one_each, proportion=True)
F1 = Measure(confusion, macro_f1, rarest)
