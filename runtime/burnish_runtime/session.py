"""What every backend gives: a model that answers."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from burnish_engine.coverage import Coverage
from burnish_engine.descriptor import TensorSpec

Array = np.ndarray[Any, np.dtype[Any]]


class Session(Protocol):
    """A loaded model. All methods may be called from any thread, except `close`.

    Arrays have NumPy's dtype of the spec's name, but for two: "bfloat16" travels as uint16 holding
    the raw bits (NumPy has no such type; an `ml_dtypes` array is taken as well), and "object" means
    an object array of `str`.
    """

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Inputs in the model's order."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Outputs in the model's order."""

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """Run once. Returns the named outputs (default: all), each owning its memory.

        Raises:
            InvalidInput: feeds or output names do not fit the model.
            InferenceFailed: the backend broke on feeds that fit.
        """

    def coverage(self) -> Coverage:
        """Where the nodes of the loaded model run, and in which formats, as the backend tells."""

    def close(self) -> None:
        """Give back the memory. The session must not be used afterwards."""
