"""Numbers as activations are distributed, and what a grid of integers makes of them."""

import numpy as np

from burnish_optimizer.precision.calibration.records import Range

COUNT = 1 << 15


def activations(seed: int = 0) -> dict[str, np.ndarray]:
    """float32 arrays by the layer that they could come from."""
    rng = np.random.default_rng(seed)
    wide = rng.normal(0, 3, COUNT)
    made = {
        "normal": rng.normal(0, 1, COUNT),
        "relu": np.maximum(rng.normal(0, 1, COUNT), 0),
        "gelu": 0.5 * wide * (1 + np.tanh(0.79788 * (wide + 0.044715 * wide**3))),
        "hard_swish": wide * np.clip(wide + 3, 0, 6) / 6,
        "sigmoid": 1 / (1 + np.exp(-wide)),
        "mask": rng.integers(0, 2, COUNT),
        "heavy_tails": rng.standard_t(3, COUNT),
        "outlier": np.append(rng.normal(0, 1, COUNT), 100.0),
        "far_from_zero": rng.normal(5, 0.1, COUNT),
        "constant": np.full(COUNT, -3.0),
        "zeros": np.zeros(COUNT),
    }
    return {name: values.astype(np.float32) for name, values in made.items()}


def quantized(values: np.ndarray, found: Range, levels: int = 256) -> np.ndarray:
    """Values on the affine grid of a range, as QuantizeLinear and DequantizeLinear make them; float64."""
    top = levels - 1
    scale = max(found.span / top, 1e-300)
    zero = np.clip(np.rint(-found.low / scale), 0, top)
    level = np.clip(np.rint(values.astype(np.float64) / scale) + zero, 0, top)
    return (level - zero) * scale


def rms_error(values: np.ndarray, found: Range, levels: int = 256) -> float:
    """Root of the mean squared error of quantization."""
    return float(np.sqrt(np.mean(np.square(quantized(values, found, levels) - values))))
