"""Whether samples are what a model takes: told before it runs, by name."""

from collections.abc import Iterable, Sequence

from burnish_engine.descriptor import TensorSpec
from burnish_optimizer.errors import InvalidData
from burnish_optimizer.ingest.feeds import to_feeds
from burnish_optimizer.ingest.samples import Sample
from burnish_runtime.dtypes import STRING
from burnish_runtime.session import Array


def check_fits(samples: Iterable[Sample], inputs: Sequence[TensorSpec]) -> None:
    """Raises: InvalidData: an array of another element type, or of a shape that the input cannot have."""
    for sample in samples:
        feeds = to_feeds(sample.arrays, inputs)
        for spec in inputs:
            if not _fits(feeds[spec.name], spec):
                raise InvalidData(
                    f"{sample.where}, input {spec.name!r}",
                    found=_told(str(sample.arrays[spec.name].dtype), sample.arrays[spec.name].shape),
                    expected=_told(spec.dtype, spec.shape),
                    remedy="Store the samples as the model takes them, with or without the batch axis.",
                )


def _fits(array: Array, spec: TensorSpec) -> bool:
    same_rank = array.ndim == len(spec.shape)
    fixed = all(size in (None, found) for size, found in zip(spec.shape, array.shape, strict=False))
    kind = array.dtype.kind in "OUS" if spec.dtype == STRING else str(array.dtype) == spec.dtype
    return kind and same_rank and fixed


def _told(dtype: str, shape: Sequence[int | None]) -> str:
    return f"{dtype} [{', '.join('?' if size is None else str(size) for size in shape)}]"
