"""From samples to what a session takes: batch axes added, samples stacked. Pure."""

from collections.abc import Mapping, Sequence

import numpy as np

from burnish_engine.descriptor import TensorSpec
from burnish_runtime.session import Array

Feeds = dict[str, Array]


def to_feeds(arrays: Mapping[str, Array], inputs: Sequence[TensorSpec]) -> Feeds:
    """One sample as the model takes it: an array without its batch axis gets one of size 1."""
    return {spec.name: _with_batch(arrays[spec.name], len(spec.shape)) for spec in inputs}


def is_batchable(inputs: Sequence[TensorSpec]) -> bool:
    """Whether samples can be stacked: every input's first axis is free."""
    return bool(inputs) and all(spec.shape and spec.shape[0] is None for spec in inputs)


def stack(feeds: Sequence[Feeds]) -> Feeds | None:
    """Several samples as one batch, or None where their shapes differ."""
    first = feeds[0]
    if any(feed[name].shape != first[name].shape for feed in feeds for name in first):
        return None
    return {name: np.concatenate([feed[name] for feed in feeds]) for name in first}


def repeat(feeds: Feeds, count: int) -> Feeds:
    """One sample, as often as the batch is large."""
    return {name: np.concatenate([array] * count) for name, array in feeds.items()}


def _with_batch(array: Array, rank: int) -> Array:
    if array.dtype.kind == "U":
        array = array.astype(object)
    return array[np.newaxis] if array.ndim == rank - 1 else array
