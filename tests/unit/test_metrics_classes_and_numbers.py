"""Metrics of class scores and of plain numbers, beside cases worked out by hand."""

import numpy as np
import pytest

from burnish_engine.metric import Metric
from burnish_optimizer.errors import NoFigure
from burnish_optimizer.gates.metrics.classes import class_scores
from burnish_optimizer.gates.metrics.distances import SQNR_CEILING_DB, cosine, energies
from burnish_optimizer.gates.metrics.measure import Case
from burnish_optimizer.gates.metrics.table import MEASURES


def one_hot(*classes, count=4):
    return np.eye(count, dtype=np.float32)[np.newaxis, list(classes)]


def metric(kind, cases):
    """Value of the candidate, value of the reference, over all cases."""
    measure = MEASURES[kind]
    sides = [measure.sample(case) for case in cases]
    weights = np.ones((1, len(cases)))
    return tuple(
        float(measure.statistic([getattr(s, side) for s in sides])(weights)[0])
        for side in ("own", "reference")
    )


def case(expected, found, label=None):
    return Case(["y"], [expected], [found], None if label is None else np.asarray(label))


def test_class_scores_are_the_first_float_output_with_a_long_last_axis():
    outputs = [np.zeros((1, 5), np.int64), np.zeros((1, 1), np.float32), np.zeros((1, 7), np.float32)]
    assert class_scores(outputs) == 2
    assert class_scores(outputs[:2]) is None
    with pytest.raises(NoFigure, match="counts classes"):
        metric(Metric.AGREEMENT, [case(outputs[0], outputs[0])])


def test_several_positions_give_a_share():
    answers = case(one_hot(0, 1, 2, 3), one_hot(0, 1, 2, 0), label=[0, 1, 0, 0])
    assert metric(Metric.AGREEMENT, [answers]) == (0.75, 1.0)
    assert metric(Metric.ACCURACY, [answers]) == (0.75, 0.5)


def test_labels_of_another_shape_give_no_figure():
    with pytest.raises(NoFigure, match="labels of 2 numbers for 1 positions"):
        metric(Metric.ACCURACY, [case(one_hot(0), one_hot(0), label=[1, 1])])
    with pytest.raises(NoFigure, match="no label"):
        metric(Metric.F1, [case(one_hot(0), one_hot(0))])


@pytest.mark.parametrize("label", [4, -1])
def test_a_label_of_no_class_gives_no_figure_and_is_told(label):
    wrong = case(one_hot(0), one_hot(0), label=[label])
    for kind in (Metric.ACCURACY, Metric.F1):
        with pytest.raises(NoFigure, match=f"label {label}, and the class scores are of classes 0 to 3"):
            metric(kind, [wrong])


def test_the_five_best_overlap_whatever_their_order():
    expected = np.array([[9, 8, 7, 6, 5, 0, 0, 0]], np.float32)
    found = np.array([[5, 6, 7, 8, 0, 0, 0, 9]], np.float32)
    assert metric(Metric.TOP5_AGREEMENT, [case(expected, found)]) == (0.8, 1.0)
    few = np.array([[3, 2, 1, 0]], np.float32)  # of four classes the best three, else all would always agree
    assert metric(Metric.TOP5_AGREEMENT, [case(few, few[:, ::-1])])[0] == pytest.approx(2 / 3)


def test_equals_at_the_edge_of_the_five_best_may_change_places():
    expected = np.array([[9, 8, 7, 6, 1, 1, 1, 0]], np.float32)
    found = expected + np.array([[0, 0, 0, 0, 0, 0, 0.1, 0]], np.float32)
    assert metric(Metric.TOP5_AGREEMENT, [case(expected, found)])[0] == 1.0


def test_macro_f1_is_the_mean_over_classes():
    """Class 0: 2 hits of 3 labels, no false alarm: 0.8. Class 1: 1 hit, 1 false alarm: 2/3."""
    cases = [case(one_hot(want), one_hot(said), [want]) for want, said in ((0, 0), (0, 0), (0, 1), (1, 1))]
    assert metric(Metric.F1, cases) == (pytest.approx((0.8 + 2 / 3) / 2), 1.0)


def test_macro_f1_needs_enough_of_the_rarest_class():
    sides = [MEASURES[Metric.F1].sample(case(one_hot(k), one_hot(k), [k])) for k in [0] * 97 + [1] * 3]
    assert MEASURES[Metric.F1].units([side.reference for side in sides]) == 6  # 2 classes × 3 labels


def test_a_draw_without_a_class_leaves_it_out():
    sides = [MEASURES[Metric.F1].sample(case(one_hot(k), one_hot(0), [k])) for k in (0, 1)]
    drawn = MEASURES[Metric.F1].statistic([side.own for side in sides])(np.array([[2.0, 0.0], [0.0, 2.0]]))
    assert drawn.tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("a", "b", "expected"), [([0.0], [0.0], 1.0), ([0.0], [1.0], 0.0), ([2.0], [-2.0], -1.0)]
)
def test_cosine_of_zeros_and_opposites(a, b, expected):
    assert cosine(np.array(a), np.array(b)) == expected


def test_cosine_is_of_the_output_that_agrees_least():
    x, y = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert metric(Metric.COSINE, [Case(["a", "b"], [x, x], [x, y])])[0] == 0.0


def test_sqnr_is_of_all_samples_and_of_the_noisiest_output():
    x = np.ones(100, np.float32)
    clean, noisy, silent = x.copy(), x + np.float32(0.1), np.zeros(100, np.float32)
    assert metric(Metric.SQNR, [case(x, clean)])[0] == SQNR_CEILING_DB
    assert metric(Metric.SQNR, [case(x, noisy)])[0] == pytest.approx(20, abs=1e-4)
    assert metric(Metric.SQNR, [case(x, clean), case(x, noisy)])[0] == pytest.approx(23.01, abs=1e-2)
    two = Case(["a", "b"], [x, x], [clean, noisy])
    assert metric(Metric.SQNR, [two]) == (pytest.approx(20, abs=1e-4), SQNR_CEILING_DB)
    assert metric(Metric.SQNR, [case(silent, silent)])[0] == SQNR_CEILING_DB
    assert metric(Metric.SQNR, [case(silent, x)])[0] < -100
    assert metric(Metric.SQNR, [case(x, silent)])[0] == pytest.approx(0)


def test_energies_know_no_overflow_and_count_what_is_not_a_number():
    huge = np.array([1e200], np.float64)
    assert energies(huge, -huge) == (np.finfo(np.float64).max, np.finfo(np.float64).max)
    assert energies(np.array([1, 2, 3]), np.array([1, 0, 0])) == (3.0, 2.0)
    masked = np.array([-np.inf, 2.0])
    assert energies(masked, masked) == (4.0, 0.0)
    assert energies(masked, np.array([-np.inf, np.nan]))[1] == np.finfo(np.float64).max


def test_the_largest_error_is_of_the_worst_sample():
    x = np.zeros(3, np.float32)
    cases = [case(x, x), case(x, np.array([0, -2.5, 1], np.float32))]
    assert metric(Metric.MAX_ERROR, cases) == (2.5, 0.0)
    assert metric(Metric.MAX_ERROR, [case(x, np.array([0, np.nan, 0], np.float32))])[0] == np.inf
