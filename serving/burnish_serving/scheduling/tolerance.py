"""How far a row in a batch may be from that row alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from burnish_runtime.dtypes import BFLOAT16, numbers
from burnish_runtime.session import Array

# Kernels for several rows add up in another order than those for one. What was recorded came from a few
# batches; other rows may round this much more unluckily.
FACTOR = 4.0


@dataclass(frozen=True)
class Tolerance:
    """What the engine's record allows.

    relative: of the largest |value| of an output; 0: byte-equal, as integers, truths and texts always are.
    bfloat16: names of the outputs that travel as the raw bits of that type.
    """

    relative: float = 0.0
    bfloat16: frozenset[str] = frozenset()

    def excess(self, found: Mapping[str, Array], alone: Mapping[str, Array]) -> str:
        """What differs too much, for people; empty: nothing."""
        for name, expected in alone.items():
            if (array := found[name]).shape != expected.shape:
                return f"output {name!r} has shape {array.shape} in a batch, {expected.shape} alone"
            if not self._holds(self._numbers(name, array), self._numbers(name, expected)):
                return (
                    f"output {name!r} differs in a batch by more than {self.relative:g} of its largest value"
                )
        return ""

    def _holds(self, found: Array, expected: Array) -> bool:
        if found.dtype == object:
            return bool(found.tolist() == expected.tolist())
        if not self.relative or found.dtype.kind != "f":
            return found.tobytes() == expected.tobytes()
        finite = expected[np.isfinite(expected)]
        scale = float(np.abs(finite).max(initial=0.0))
        allowed = FACTOR * self.relative * scale
        return bool(np.allclose(found, expected, rtol=0.0, atol=allowed, equal_nan=True))

    def _numbers(self, name: str, array: Array) -> Array:
        return numbers(array, BFLOAT16) if name in self.bfloat16 else array
