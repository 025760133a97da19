"""Texts: what a recognizer's classes spell, and how far that is from what was written. Pure."""

from collections.abc import Sequence

import numpy as np

from burnish_runtime.session import Array

BLANK = 0


def greedy(scores: Array, characters: Sequence[str]) -> str:
    """CTC, greedily: the best class at each step, runs taken once, blanks (class 0) left out.

    Args: scores: [T, classes].   characters: of classes 1, 2, …; a class beyond them is a space.
    Source: Graves et al. 2006.
    """
    best = np.argmax(scores, axis=-1)
    changed = np.concatenate([[True], best[1:] != best[:-1]])
    return "".join(
        characters[k - 1] if k <= len(characters) else " " for k in map(int, best[changed & (best != BLANK)])
    )


def distance(found: str, expected: str) -> int:
    """Levenshtein's: insertions, deletions and substitutions."""
    row = list(range(len(expected) + 1))
    for i, a in enumerate(found, start=1):
        before, row[0] = row[0], i
        for j, b in enumerate(expected, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def character_error_rate(found: Sequence[str], expected: Sequence[str]) -> float:
    """Edits over all characters of all expected texts; 0 where there are none and nothing was read."""
    edits = sum(map(distance, found, expected))
    length = sum(map(len, expected))
    return edits / length if length else float(edits > 0)
