"""The shapes that requests come in, from samples: what a model is worth being compiled for alone."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice

from burnish_engine.descriptor import TensorSpec
from burnish_optimizer.ingest.feeds import to_feeds
from burnish_optimizer.ingest.samples import DataSpec, open_samples

LOOKED_AT = 512

Shapes = dict[str, tuple[int, ...]]


def common_shapes(data: DataSpec, inputs: Sequence[TensorSpec], batch: int, most: int) -> tuple[Shapes, ...]:
    """Up to `most` sets of shapes by input name, of requests of `batch` samples, the most frequent first.

    Raises: InvalidData.
    """
    counts: Counter[tuple[tuple[str, tuple[int, ...]], ...]] = Counter()
    for sample in islice(open_samples(data, inputs), LOOKED_AT):
        feeds = to_feeds(sample.arrays, inputs)
        counts[tuple((name, _of_batch(array.shape, batch)) for name, array in feeds.items())] += 1
    return tuple(dict(shapes) for shapes, _ in counts.most_common(most))


def has_free_axes(inputs: Sequence[TensorSpec]) -> bool:
    """Whether some axis is not fixed."""
    return any(size is None for spec in inputs for size in spec.shape)


def _of_batch(shape: tuple[int, ...], batch: int) -> tuple[int, ...]:
    """One sample's shape as a request's: its batch axis is 1 unless the model fixes another."""
    return (batch, *shape[1:]) if batch > 1 and shape[:1] == (1,) else shape
