"""Detections: read from every form, matched at IoU 0.5, scored by agreement and by average precision."""

import numpy as np
import pytest

from burnish_engine.metric import Metric
from burnish_optimizer.errors import NoFigure
from burnish_optimizer.gates.metrics import components
from burnish_optimizer.gates.metrics.boxes import Detections, matched, overlaps, reader
from burnish_optimizer.gates.metrics.measure import Case
from burnish_optimizer.gates.metrics.table import MEASURES
from support.metrics import value

SQUARE, BELOW, SHIFTED = (0.0, 0.0, 10.0, 10.0), (0.0, 20.0, 10.0, 30.0), (2.0, 0.0, 12.0, 10.0)


def detected(*rows):
    """From (box, score, class)."""
    boxes, scores, classes = zip(*rows, strict=True)
    return Detections(np.array(boxes), np.array(scores), np.array(classes))


def paddle(*rows):
    return np.array([[kind, score, *box] for box, score, kind in rows], np.float32).reshape(-1, 6)


def page(*squares, side=64, value=0.9):
    found = np.full((1, 1, side, side), 0.01, np.float32)
    for x1, y1, x2, y2 in squares:
        found[0, 0, y1:y2, x1:x2] = value
    return found


def test_overlap_is_intersection_over_union():
    found = overlaps(np.array([SQUARE]), np.array([SQUARE, SHIFTED, BELOW, (5.0, 5.0, 5.0, 5.0)]))
    np.testing.assert_allclose(found, [[1, 80 / 120, 0, 0]])


def test_each_box_is_matched_once_and_only_within_its_class():
    wanted = detected((SQUARE, 1.0, 0), (BELOW, 1.0, 1))
    found = detected((SHIFTED, 0.9, 0), (SQUARE, 0.8, 0), (BELOW, 0.7, 0), (BELOW, 0.6, 1))
    assert matched(found, wanted).tolist() == [True, False, False, True]


@pytest.mark.parametrize("seed", range(4))
def test_components_are_those_of_a_flood_fill(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((13, 17)) < (0.2, 0.4, 0.5, 0.7)[seed]
    left, wanted = {(int(r), int(c)) for r, c in np.argwhere(mask)}, []
    while left:
        waiting, seen = [left.pop()], []
        while waiting:
            row, column = waiting.pop()
            seen.append((row, column))
            near = {(row + a, column + b) for a in (-1, 0, 1) for b in (-1, 0, 1)} & left
            left -= near
            waiting += near
        rows, columns = zip(*seen, strict=True)
        wanted.append((min(columns), min(rows), max(columns) + 1, max(rows) + 1))
    boxes, scores = components.boxes(mask, np.where(mask, 0.5, 9.0))
    assert sorted(map(tuple, boxes.tolist())) == sorted(wanted)
    np.testing.assert_allclose(scores, 0.5)


def test_a_probability_map_is_read_as_boxes_of_its_components():
    found = reader([page()])([page((3, 5, 13, 9), (30, 40, 50, 60), (20, 20, 22, 22))])
    assert found.boxes.tolist() == [[3, 5, 13, 9], [30, 40, 50, 60]]  # what is narrower than 3 is noise
    np.testing.assert_allclose(found.scores, 0.9, rtol=1e-6)
    for faint in (0.2, 0.5):
        assert len(reader([page()])([page((3, 5, 13, 9), value=faint)])) == 0


def test_images_of_one_batch_do_not_match_each_other():
    two = np.concatenate([page((3, 5, 13, 9)), page()])
    other = np.concatenate([page(), page((3, 5, 13, 9))])
    assert value(Metric.DETECTION_AGREEMENT, [Case(["y"], [two], [other])])[0] == 0.0


ROWS = [(SQUARE, 0.9, 2), (BELOW, 0.4, 0)]
BOXES, SCORES = np.array([SQUARE, BELOW], np.float32), np.array([0.9, 0.4], np.float32)
BY_CLASS = np.array([[0.1, 0.0, 0.9], [0.4, 0.2, 0.1]], np.float32)
FORMS = {
    "paddle": [paddle(*ROWS, (SQUARE, 0.5, -1)), np.array([2], np.int32)],
    "end-to-end": [np.array([[[*SQUARE, 0.9, 2], [*BELOW, 0.4, 0]]], np.float32)],
    "torchvision": [BOXES, np.array([2, 0]), SCORES],
    "batched, by class": [BOXES[np.newaxis], BY_CLASS[np.newaxis]],
    "batched, class first": [BY_CLASS.T[np.newaxis], BOXES[np.newaxis]],
    "by class": [BOXES, BY_CLASS],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_tells_the_same_boxes(form):
    found = reader(FORMS[form])(FORMS[form]).best(0.3, 10)
    assert found.boxes.tolist() == [list(SQUARE), list(BELOW)]
    np.testing.assert_allclose(found.scores, [0.9, 0.4], rtol=1e-6)
    assert found.classes.tolist() == [2, 0]


@pytest.mark.parametrize("form", ["paddle", "torchvision"])
def test_no_box_at_all_is_read_too(form):
    nothing = [array[:0] for array in FORMS[form]]
    assert len(reader(nothing)(nothing)) == 0


@pytest.mark.parametrize(
    "outputs", [[np.zeros((1, 84, 8400), np.float32)], [np.zeros((2, 3, 4), np.float32)], []]
)
def test_other_outputs_are_no_detections(outputs):
    with pytest.raises(NoFigure, match="no boxes and scores"):
        reader(outputs)


def test_agreement_is_the_f1_of_boxes():
    expected = paddle((SQUARE, 0.9, 0), (BELOW, 0.9, 0))
    found = paddle((SHIFTED, 0.8, 0), (BELOW, 0.1, 0), ((50, 50, 60, 60), 0.9, 0))
    assert value(Metric.DETECTION_AGREEMENT, [Case(["y"], [expected], [found])]) == (0.5, 1.0)
    assert value(Metric.DETECTION_AGREEMENT, [Case(["y"], [expected], [expected])]) == (1.0, 1.0)


def test_average_precision_of_a_case_worked_out_by_hand():
    """Hit, false alarm, hit of three labels: precision 1 up to recall 1/3, 2/3 up to 2/3, then nothing."""
    third = (40.0, 40.0, 50.0, 50.0)
    label = np.array([[*SQUARE, 0], [*BELOW, 0], [*third, 0], [0, 0, 0, 0, -1]], np.float32)
    found = paddle((SQUARE, 0.9, 0), ((70, 70, 80, 80), 0.8, 0), (BELOW, 0.7, 0))
    perfect = paddle((SQUARE, 0.9, 0), (BELOW, 0.8, 0), (third, 0.7, 0))
    assert value(Metric.MAP, [Case(["y"], [perfect], [found], label)]) == (pytest.approx(1 / 3 + 2 / 9), 1.0)


def test_average_precision_ranks_detections_of_all_samples_together():
    """A confident false alarm in one image costs the hits of all others."""
    label = np.array([[*SQUARE, 0]], np.float32)
    alarm = Case(["y"], [paddle()], [paddle((BELOW, 0.95, 0))], label)
    hit = Case(["y"], [paddle((SQUARE, 0.9, 0))], [paddle((SQUARE, 0.9, 0))], label)
    assert value(Metric.MAP, [alarm, hit])[0] == pytest.approx(0.25)
    sides = [MEASURES[Metric.MAP].sample(case).own for case in (alarm, hit)]
    drawn = MEASURES[Metric.MAP].statistic(sides)(np.array([[2.0, 0.0], [0.0, 2.0]]))
    assert drawn.tolist() == [0.0, 1.0]


def test_the_mean_is_over_labelled_classes():
    label = np.array([[*SQUARE, 0], [*BELOW, 1]], np.float32)
    found = paddle((SQUARE, 0.9, 0), (BELOW, 0.9, 7))
    assert value(Metric.MAP, [Case(["y"], [found], [found], label)])[0] == 0.5


def test_without_a_labelled_box_there_is_no_figure():
    nothing = np.zeros((0, 5), np.float32)
    side = MEASURES[Metric.MAP].sample(Case(["y"], [paddle()], [paddle()], nothing))
    with pytest.raises(NoFigure, match="no box is labelled"):
        MEASURES[Metric.MAP].units([side.reference])
