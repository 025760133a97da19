"""What building in fewer bits did to a model: which layers, which stayed as they were, and why.

Lists are bounded; where a list was cut, a count beside it tells how many there are.
"""

from typing import Annotated, Literal

from pydantic import Field

from burnish_engine.base import Record
from burnish_engine.request import Precision


class Stayed(Record):
    """Nodes that kept their precision for one reason. nodes: the first few of `count`."""

    reason: str
    count: int
    nodes: tuple[str, ...]


class ValueRange(Record):
    """Lowest and highest number of a value in calibration. stayed: it is made in FP32 all the same."""

    name: str
    low: float
    high: float
    stayed: bool


class FloatConversion(Record):
    """A graph in a narrower float.

    nodes: that compute in it.   casts: that were added; None: not counted.
    limit: the largest number that it holds; None: as FP32, or scaled.
    ranges: in the order of computing, the furthest from 0 of `values` that calibration saw.
    """

    kind: Literal["floats"] = "floats"
    precision: Precision
    nodes: int
    casts: int | None
    limit: float | None
    stayed: tuple[Stayed, ...]
    ranges: tuple[ValueRange, ...]
    values: int


class LayerBits(Record):
    """A layer (or a table that is read by index) with its weights in few bits.

    block: weights that share a scale.   method: how codes were found.
    error: norm of the weights' error over the weights' norm.
    bytes_before, bytes_after: 0 for a layer that shares the weights of another one.
    """

    name: str
    bits: int
    block: int
    method: str
    error: float
    bytes_before: int
    bytes_after: int
    note: str = ""


class WeightConversion(Record):
    """Weights in few bits. layers: in the order of the graph, those with the largest error of `count`.

    bytes_before, bytes_after: of all of them.
    """

    kind: Literal["weights"] = "weights"
    layers: tuple[LayerBits, ...]
    count: int
    bytes_before: int
    bytes_after: int
    stayed: tuple[Stayed, ...]


Conversion = Annotated[FloatConversion | WeightConversion, Field(discriminator="kind")]
