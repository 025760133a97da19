"""Smaller inputs than a model declares: values inside of it, for less.

A network for images of 800 × 608 pixels computes the same expressions on 96 × 96, in a fiftieth of the time.
Such values serve to try regions on, and nothing else: a region that fails on them is tried again on values
at the declared sizes, which have the last word, and whole answers are compared at declared sizes alone.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.gates.shrink import elements
from burnish_optimizer.ingest.feeds import Feeds

# A side that leaves what the declared one leaves when it is halved again and again, down to the stride
# of most networks for images: odd and even decide about padding and ceilings. 3 × 3 values are left of 96.
LEAST_SIDE, PERIOD = 96, 64
# Where those do not serve: multiples of that stride.
SIDES = (96, 128, 64, 192)
# Below this many elements the declared sizes cost little.
SMALL_ELEMENTS = 1 << 10
LEAST_RANK = 2


def miniature(model: ir.Model, feeds: Mapping[str, Any], base: Path | None = None) -> Feeds | None:
    """`feeds` in part, with sides of 96 or so, where the model runs on that; None where it does not, or
    where they are small already."""
    if elements(feeds) < SMALL_ELEMENTS:
        return None
    parts = [part for part in _parts(feeds) if elements(part) < elements(feeds)]
    if not parts:
        return None
    try:
        session = Executable(without_sizes(ir.serde.serialize_model(model)), base)
    except Exception:  # noqa: BLE001 - a model whose sizes are part of its types
        return None
    return next((part for part in parts if session.accepts(part)), None)


def without_sizes(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The same model, changed in place, that declares no sizes of its inputs, and nothing of other values."""
    for value in proto.graph.input:
        for dim in value.type.tensor_type.shape.dim:
            dim.Clear()
    for value in proto.graph.output:
        value.type.Clear()
    del proto.graph.value_info[:]
    return proto


def _parts(feeds: Mapping[str, Any]) -> Iterator[Feeds]:
    for of in (alike, *(lambda _declared, side=side: side for side in SIDES)):
        yield {name: _corner(array, of) for name, array in feeds.items()}


def alike(declared: int) -> int:
    """A side that is halved as the declared one is."""
    return min(declared, LEAST_SIDE + (declared - LEAST_SIDE) % PERIOD)


def _corner(array: Any, side: Callable[[int], int]) -> Any:
    if getattr(array, "ndim", 0) < LEAST_RANK:
        return array
    return np.ascontiguousarray(array[(slice(None), *(slice(side(size)) for size in array.shape[1:]))])
