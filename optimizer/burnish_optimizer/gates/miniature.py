"""Smaller inputs than a model declares: values inside of it, for less.

A network for images of 800 × 608 pixels computes the same expressions on 96 × 96, in a fiftieth of the time.
Such values serve to try regions on, and whole models on large, tiny and non-finite numbers. What fails on
them, or does not run, is tried again at the declared sizes, which have the last word.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from burnish_optimizer.gates.execute import Lazily
from burnish_optimizer.gates.extract import copied
from burnish_optimizer.gates.probe_feeds import with_sides
from burnish_optimizer.gates.probe_hunt import Run
from burnish_optimizer.gates.shrink import elements
from burnish_optimizer.ingest.feeds import Feeds

# A side that leaves what the declared one leaves when it is halved again and again, down to the stride
# of most networks for images: odd and even decide about padding and ceilings. 3 × 3 values are left of 96.
LEAST_SIDE, PERIOD = 96, 64
# Where those do not serve: multiples of that stride.
SIDES = (96, 128, 64, 192)
# Below this many elements the declared sizes cost little.
SMALL_ELEMENTS = 1 << 10


@dataclass(frozen=True)
class Miniature:
    """A model that declares no sizes.

    Args: feeds: what it was found with.   side: of a declared one, how much is left.
        proto: the model.   run: its answers; raises whatever ONNX Runtime raises.
    """

    feeds: Feeds
    side: Callable[[int], int]
    proto: onnx.ModelProto
    run: Run


def miniature(
    model: onnx.ModelProto,
    feeds: Feeds,
    base: Path | None = None,
    taped: Callable[[Run], Run] = lambda run: run,
) -> Miniature | None:
    """The model on `feeds` in part, with sides of 96 or so; None where it does not run on that, or where
    they are small already. `model` stays as it is. Args: taped: of its runs, what has their answers."""
    if elements(feeds) < SMALL_ELEMENTS:
        return None
    ways = [(side, _part(feeds, side)) for side in (alike, *map(_fixed, SIDES))]
    ways = [(side, part) for side, part in ways if elements(part) < elements(feeds)]
    if not ways:
        return None
    proto = without_sizes(copied(model))
    run = taped(Lazily(proto, base).run)
    for side, part in ways:
        with suppress(Exception):  # sizes may be part of its types, and of what it computes
            run(part)
            return Miniature(part, side, proto, run)
    return None


def without_sizes(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The same model, changed in place, that declares no sizes of its inputs, and nothing of other values."""
    for value in proto.graph.input:
        for dim in value.type.tensor_type.shape.dim:
            dim.Clear()
    for value in proto.graph.output:
        value.type.Clear()
    del proto.graph.value_info[:]
    return proto


def _part(feeds: Mapping[str, Any], side: Callable[[int], int]) -> Feeds:
    return {name: _corner(array, side) for name, array in feeds.items()}


def _fixed(side: int) -> Callable[[int], int]:
    return lambda declared: min(declared, side)


def alike(declared: int) -> int:
    """A side that is halved as the declared one is."""
    return min(declared, LEAST_SIDE + (declared - LEAST_SIDE) % PERIOD)


def _corner(array: Any, side: Callable[[int], int]) -> Any:
    shape = np.shape(array)
    return np.ascontiguousarray(array[tuple(map(slice, with_sides(shape, side)))]) if shape else array
