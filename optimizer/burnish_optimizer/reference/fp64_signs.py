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
# HADAMARD[run][row]: ±1, Sylvester's construction.
HADAMARD: Array = np.array([[1.0 - 2.0 * _ODD[run & row] for row in range(RUNS)] for run in range(RUNS)])


@dataclass
class Signs:
    """Which row each element takes, and which node is which; the same for the same evaluation, always."""

    nodes: dict[tuple[int, ...], int] = field(default_factory=dict)
    rows: dict[int, Array] = field(default_factory=dict)

    def of(self, path: tuple[int, ...], shape: tuple[int, ...], run: int) -> Array:
        """±1 for every element of a node's output in one run."""
        node = self.nodes.setdefault(path, len(self.nodes))
        count = int(np.prod(shape))
        if count not in self.rows:
            self.rows[count] = np.random.default_rng([SEED, count]).integers(0, RUNS, count, dtype=np.uint8)
        taken = (self.rows[count] + np.uint8(node % RUNS)) % np.uint8(RUNS)
        packed = np.random.default_rng([SEED, count, node]).bytes((count + 7) // 8)
        bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=count)
        signs: Array = HADAMARD[run][taken] * (1.0 - 2.0 * bits)
        return signs.reshape(shape)
