"""Second moments of layers' inputs over calibration samples, in bounded memory.

H = XᵀX/rows is summed sample by sample. Inputs are taken in groups whose moments fit a limit: the model
runs once over the samples for each group, and gives no other inner value out.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from burnish_optimizer.batches import by_size
from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.gates.extract import with_outputs
from burnish_optimizer.ingest.feeds import Feeds

Moments = NDArray[np.float32]
LIMIT_BYTES = 512 << 20
# Its factor takes this twice more, in FP64.
LARGEST_DEPTH = 8192
BYTES = 4


@dataclass(frozen=True)
class Samples:
    """Calibration: `feeds` starts anew at each call. base: where the model's external tensors are."""

    feeds: Callable[[], Iterable[Feeds]]
    base: Path | None = None
    threads: int = 1


def grouped(depths: Mapping[str, int], limit_bytes: int = LIMIT_BYTES) -> Iterator[list[str]]:
    """Values whose moments fit the limit together, in order; one alone may be larger. Pure.

    Args: depths: K by name of the value.
    """
    return by_size(depths, lambda name: depths[name] ** 2 * BYTES, limit_bytes)


def moments(model: ir.Model, names: Sequence[str], samples: Samples) -> dict[str, Moments]:
    """H [K, K] of each of these values of the main graph.

    What is not there was never computed on any sample, or was not finite on one.
    """
    session = Executable(
        with_outputs(ir.to_proto(model), names), samples.base, samples.threads, optimized=True
    )
    sums: dict[str, Moments] = {}
    rows = dict.fromkeys(names, 0)
    for feed in samples.feeds():
        for name, array in session.run(feed, names).items():
            flat = np.asarray(array, np.float32).reshape(-1, array.shape[-1])
            with np.errstate(invalid="ignore", over="ignore"):
                product = flat.T @ flat
            sums[name] = product if name not in sums else np.add(sums[name], product, out=sums[name])
            rows[name] += len(flat)
    return {
        name: total / np.float32(rows[name])
        for name, total in sums.items()
        if rows[name] and _is_finite(total)
    }


def _is_finite(total: Moments) -> bool:
    """By its diagonal: |h_ij| ≤ √(h_ii·h_jj), so nothing else can be infinite alone."""
    return bool(np.isfinite(np.diag(total)).all())
