"""How close raw answers are to the reference's. The bench's own figures: a judge is nobody's pupil."""

from dataclasses import dataclass, field

import numpy as np

from burnish_bench.tasks.base import Arrays
from burnish_runtime.session import Array


@dataclass
class Closeness:
    """Cosines and errors over samples, output by output; integers (ids that pass through) are not counted."""

    cosines: dict[str, list[float]] = field(default_factory=dict)
    worst_error: float = 0.0

    def add(self, expected: Arrays, found: Arrays) -> None:
        """One sample more. An output that is missing or has another shape is as far off as can be."""
        for name, right in expected.items():
            if right.dtype.kind != "f" or not right.size:
                continue
            array = found.get(name)
            fits = array is not None and array.shape == right.shape and bool(np.isfinite(array).all())
            value = cosine(right, array) if fits and array is not None else 0.0
            error = float(np.max(np.abs(right - array))) if fits and array is not None else float("inf")
            self.cosines.setdefault(name, []).append(value)
            self.worst_error = max(self.worst_error, error)

    @property
    def cosine(self) -> float:
        """The mean over samples of the output where it is least; 1 where there is nothing to compare."""
        return min((float(np.mean(values)) for values in self.cosines.values()), default=1.0)


def cosine(expected: Array, found: Array) -> float:
    """Cosine similarity of two arrays as vectors; 1 where both are zero."""
    a, b = expected.astype(np.float64).ravel(), found.astype(np.float64).ravel()
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norms if norms else float(not a.any() and not b.any())
