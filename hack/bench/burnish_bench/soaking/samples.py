"""Requests with answers that are known: drawn once, computed by the engine itself without a server."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from burnish_bench.serving.modes import Arrays, Call
from burnish_engine.descriptor import TensorSpec
from burnish_runtime.load import open_engine

COUNT, MAX_ROWS = 16, 4
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Known:
    """A request and its right answer."""

    call: Call
    expected: Arrays


def draw(engine: Path, shapes: Mapping[str, Shape], seed: int = 0) -> tuple[str, list[Known]]:
    """The model's name, and `COUNT` requests of one to `MAX_ROWS` rows where the engine takes that.

    Args: shapes: of one row by input name, for inputs that have free axes beyond the first.
    Raises: ValueError: an input has such axes and no shape, or holds strings. What `open_engine` raises.
    """
    opened = open_engine(engine, threads=1)
    specs = opened.descriptor.inputs
    rows = MAX_ROWS if all(spec.shape and spec.shape[0] is None for spec in specs) else 1
    rng = np.random.default_rng(seed)
    found = []
    for number in range(COUNT):
        inputs = {spec.name: _values(spec, shapes.get(spec.name), 1 + number % rows, rng) for spec in specs}
        expected = opened.session.run(inputs)
        found.append(Known(Call(inputs, tuple(expected)), expected))
    return opened.descriptor.name, found


def pick(known: Sequence[Known], rng: random.Random) -> Known:
    """One of them."""
    return known[rng.randrange(len(known))]


def _values(spec: TensorSpec, row: Shape | None, rows: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    sizes: list[int | None] = list(spec.shape) if row is None else list(row)
    if sizes and spec.shape[0] is None:
        sizes[0] = rows
    if None in sizes or spec.dtype == "object":
        raise ValueError(f"input {spec.name!r}: shape {spec.shape}, {spec.dtype}: say which values to send")
    shape = [size for size in sizes if size is not None]
    if np.dtype(spec.dtype).kind == "f":
        return rng.uniform(-1, 1, shape).astype(spec.dtype)
    return rng.integers(0, 2, shape).astype(spec.dtype)
