"""Where it pays to merge parallel projections of one input, as data.

Measured: ONNX Runtime 1.32, CPU, one thread, batch 1, 1 to 128 rows, each result used by a Relu; ratio of the
time of the separate projections to that of one projection and a Split (`MatMul` K × N, n of them; 25 runs in
turns, medians; AMD EPYC with AVX-512). Split copies every result once:

| | n=2 | n=3 | n=4 | n=8 |
|---|---|---|---|---|
| with bias Adds, K = 64 and 384, N=8 | 1.02 … 1.60 | 1.07 … 1.40 | 1.14 … 1.76 | 1.26 … 1.84 |
| N=16 | 1.02 … 1.08 | 1.04 … 1.13 | 1.06 … 1.22 | 1.06 … 1.27 |
| N=64 | 0.99 … 1.02 | 1.02 … 1.06 | 1.02 … 1.11 | |
| without, N=8 | | | | 1.09 … 1.67 |
| N=16 | 0.94 … 0.99 | | | |
| N=K=64, 256, 768 | | 0.92 … 0.98 | | |

Q, K and V of a transformer (three of N = K = 384 or 768, with biases) lost inside a whole layer: 0.95 … 1.02.
Convolutions lost wherever a Split followed: 0.73 … 1.04 (1×1, 16 to 192 channels, 14² and 28² pixels).
Where the results are only concatenated no Split is needed: MatMul 1.03 … 2.08, Conv 1.02 … 1.27, never less.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """A merge with a Split pays from `fewest` projections on, none of them wider than `widest`."""

    fewest: int
    widest: int


BIASED = (Limit(2, 8), Limit(3, 64))
PLAIN = (Limit(8, 8),)

SPLIT_LIMITS: Mapping[tuple[str, bool], tuple[Limit, ...]] = {
    ("onnxruntime-cpu", True): BIASED,
    ("onnxruntime-cpu", False): PLAIN,
}
"""(target, with bias Adds) → limits. A target that was not measured has none: it is left alone."""


def pays(target: str, widths: tuple[int, ...], *, biased: bool) -> bool:
    """Whether one projection and a Split beat the projections apart."""
    limits = SPLIT_LIMITS.get((target, biased), ())
    return any(len(widths) >= limit.fewest and max(widths) <= limit.widest for limit in limits)
