"""Signs of the local errors in perturbed runs: at random, yet so that they never all cancel.

Two errors of the same size and random signs cancel in half of the runs, and in all eight of them for one
element of 256, which would then seem to be exact. So the signs of one element over the runs are a row of a
Hadamard matrix, another row for every node: rows are orthogonal, and the mean square over the runs of a sum
of errors of up to eight nodes is the sum of their squares, with no chance in it. Rows differ between the
elements of one array, at random, for sums over elements.
"""

from dataclasses import dataclass, field

import numpy as np

from burnish_runtime.session import Array

RUNS = 8
SEED = 2019
_ODD = np.array([bin(n).count("1") % 2 for n in range(RUNS)])
# SIGNS[run][2·row + flip]: ±1. The rows are Sylvester's Hadamard matrix, as they are and negated.
SIGNS: Array = np.array(
    [[(1.0 - 2.0 * _ODD[run & row]) * flip for row in range(RUNS) for flip in (1, -1)] for run in range(RUNS)]
)


@dataclass
class Signs:
    """Which row each element takes, and which node is which; the same for the same evaluation, always."""

    codes: dict[tuple[int, ...], Array] = field(default_factory=dict)
    rows: dict[int, Array] = field(default_factory=dict)

    def of(self, path: tuple[int, ...], shape: tuple[int, ...], run: int) -> Array:
        """±1 for every element of a node's output in one run."""
        count = int(np.prod(shape))
        codes = self.codes.get(path)
        if codes is None or codes.size != count:
            codes = self.codes[path] = self._codes(len(self.codes), count)
        signs: Array = SIGNS[run][codes]
        return signs.reshape(shape)

    def stacked(self, path: tuple[int, ...], shape: tuple[int, ...]) -> Array:
        """The same of all runs, one after the other: [RUNS, …]."""
        self.of(path, shape, 0)
        signs: Array = SIGNS[:, self.codes[path]]
        return signs.reshape(RUNS, *shape)

    def _codes(self, node: int, count: int) -> Array:
        if count not in self.rows:
            self.rows[count] = np.random.default_rng([SEED, count]).integers(0, RUNS, count, dtype=np.uint8)
        packed = np.random.default_rng([SEED, count, node]).bytes((count + 7) // 8)
        flips = np.unpackbits(np.frombuffer(packed, np.uint8), count=count)
        codes: Array = (self.rows[count] + np.uint8(node % RUNS)) % np.uint8(RUNS) * np.uint8(2) + flips
        return codes
