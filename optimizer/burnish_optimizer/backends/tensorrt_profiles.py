"""Optimization profiles: the shapes that a plan takes, from those that samples have. Pure but for reading.

A plan computes shapes between a smallest and a largest one, and is tuned for one between them. The samples
say which; where every input's first axis is free, it counts rows, and goes from 1 to the largest batch.
Source: TensorRT, "Working with Dynamic Shapes".
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from burnish_engine.base import Record
from burnish_engine.descriptor import TensorSpec
from burnish_optimizer.ingest.common_shapes import LOOKED_AT
from burnish_optimizer.ingest.feeds import is_batchable, to_feeds
from burnish_optimizer.ingest.samples import DataSpec, open_samples

Shape = tuple[int, ...]


class Range(Record):
    """Shapes of one input: axis by axis at least `low` and at most `high`; tuned for `best`."""

    low: Shape
    best: Shape
    high: Shape


def sample_shapes(data: Iterable[DataSpec], inputs: Sequence[TensorSpec]) -> Iterator[tuple[Shape, ...]]:
    """Shapes of the first samples of each set, in the order of the inputs.

    Raises: InvalidData.
    """
    for spec in data:
        for sample in islice(open_samples(spec, inputs), LOOKED_AT):
            feeds = to_feeds(sample.arrays, inputs)
            yield tuple(feeds[each.name].shape for each in inputs)


def ranges(
    shapes: Iterable[tuple[Shape, ...]], inputs: Sequence[TensorSpec], *, batch: int, most: int
) -> dict[str, Range]:
    """A range for every input, by name.

    Args: shapes: at least one.   batch: rows of the requests to tune for.   most: rows of the largest one.
    """
    counts = Counter(shapes)
    common, rows = counts.most_common(1)[0][0], is_batchable(inputs)
    found: dict[str, Range] = {}
    for index, spec in enumerate(inputs):
        own = [each[index] for each in counts]
        low, high = (tuple(pick(sizes) for sizes in zip(*own, strict=True)) for pick in (min, max))
        best = common[index]
        if rows:
            low, best = (1, *low[1:]), (max(batch, best[0]), *best[1:])
            high = (max(most, batch, high[0]), *high[1:])
        found[spec.name] = Range(low=low, best=best, high=high)
    return found
