"""Rank correlation. Pure."""

import numpy as np
from scipy import stats

from burnish_runtime.session import Array


def similarities(embeddings: Array) -> Array:
    """Cosine of every pair of rows of [N, D]: [N·(N-1)/2]. A row of zeros is like nothing (0)."""
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    unit = embeddings / np.where(norms == 0, 1, norms)
    return np.asarray((unit @ unit.T)[np.triu_indices(len(unit), k=1)])


def spearman(found: Array, expected: Array) -> float:
    """Pearson's correlation of the ranks, equal values sharing theirs; 0 for constants and NaN."""
    if not (np.isfinite(found).all() and np.isfinite(expected).all()):
        return 0.0
    a, b = (stats.rankdata(side) - (len(side) + 1) / 2 for side in (found, expected))
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size else 0.0
