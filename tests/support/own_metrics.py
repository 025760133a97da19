"""Metrics as a user writes them."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]


def closeness(outputs: Mapping[str, Array], reference: Mapping[str, Array], label: Array | None) -> float:
    """1 less the largest difference of any output."""
    return 1.0 - max(float(np.abs(outputs[name] - reference[name]).max()) for name in reference)


def needs_a_label(outputs: Mapping[str, Array], reference: Mapping[str, Array], label: Array | None) -> float:
    """Share of the best class; fails where there is no label."""
    assert label is None or label.size
    return float(outputs["scores"].argmax() == int(label))  # type: ignore[arg-type]
