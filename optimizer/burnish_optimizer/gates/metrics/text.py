"""Metrics of recognizers that are read by CTC: agreement of texts, and the character error rate. Pure.

An output [N, T, C] holds class scores at T positions. Greedy decoding: the best class of each position,
repeats taken once, blanks (class 0, as PaddleOCR has it) left out. Labels are class numbers, padded with
0 or below.
"""

from collections.abc import Sequence

import numpy as np

from burnish_optimizer.errors import NoFigure
from burnish_optimizer.gates.metrics.classes import judged_scores
from burnish_optimizer.gates.metrics.measure import (
    Case,
    Figures,
    Measure,
    Sides,
    Statistic,
    ratio,
    second_sum,
)
from burnish_runtime.session import Array

BLANK = 0
Text = tuple[int, ...]


def decode(scores: Array) -> list[Text]:
    """Greedy CTC of class scores [N, T, C].

    Source: Graves et al. 2006, "Connectionist Temporal Classification", best path decoding.
    """
    texts = []
    for best in np.argmax(scores, axis=-1):
        kept = np.concatenate([[True], best[1:] != best[:-1]]) & (best != BLANK)
        texts.append(tuple(best[kept].tolist()))
    return texts


def edit_distance(one: Sequence[int], other: Sequence[int]) -> int:
    """Insertions, deletions and substitutions between two texts (Levenshtein 1966)."""
    row = list(range(len(other) + 1))
    for left, a in enumerate(one, 1):
        before, row[0] = row[0], left
        for right, b in enumerate(other, 1):
            before, row[right] = row[right], min(row[right] + 1, row[right - 1] + 1, before + (a != b))
    return row[-1]


def text_agreement(case: Case) -> Sides:
    """(edits from the reference's text, its length)."""
    position, wanted = _texts(case, case.expected)
    edits = _edits(_texts(case, case.found)[1], wanted)
    length = float(sum(map(len, wanted)))
    return Sides((edits, length), (0.0, length), position)


def character_errors(case: Case) -> Sides:
    """(edits from the label, its length)."""
    if case.label is None:
        raise NoFigure("no label on some samples")
    position, answered = _texts(case, case.expected)
    rows = case.label.reshape(len(answered), -1)
    labels = [tuple(row[row > BLANK].tolist()) for row in rows]
    length = float(sum(map(len, labels)))
    own = _edits(_texts(case, case.found)[1], labels)
    return Sides((own, length), (_edits(answered, labels), length), position)


def agreement(figures: Sequence[Figures]) -> Statistic:
    """1 - Σ edits / Σ lengths."""
    second_sum(figures)
    errors = ratio(figures)
    return lambda draws: 1.0 - errors(draws)


def _edits(found: Sequence[Text], wanted: Sequence[Text]) -> float:
    return float(sum(map(edit_distance, found, wanted)))


def _texts(case: Case, outputs: Sequence[Array]) -> tuple[int, list[Text]]:
    position = judged_scores(case)
    if outputs[position].ndim != 3:
        raise NoFigure(
            f"class scores of shape {list(outputs[position].shape)} where [N, T, C] is read as text"
        )
    return position, decode(outputs[position])


TEXT_AGREEMENT = Measure(text_agreement, agreement, second_sum)
CER = Measure(character_errors, ratio, second_sum)
