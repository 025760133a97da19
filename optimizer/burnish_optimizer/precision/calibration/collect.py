"""One pass over calibration samples: what the tensors of a model are, in bounded memory.

Memory is that of the model, of its activations on one sample, of `memory_bytes` for what one run returns,
and of 16 KiB a tensor. It does not grow with the number of samples.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from burnish_optimizer.errors import InvalidData
from burnish_optimizer.ingest.feeds import Feeds
from burnish_optimizer.precision.calibration.calibration import Calibration
from burnish_optimizer.precision.calibration.channels import ChannelRange, channel_range
from burnish_optimizer.precision.calibration.histogram import Histogram, histogram
from burnish_optimizer.precision.calibration.session import Told

MEMORY_BYTES: Final = 256 << 20
NO_CHANNELS: Final[Mapping[str, int]] = MappingProxyType({})


def collect(
    model: Path,
    tensors: Sequence[str],
    feeds: Iterable[Feeds],
    *,
    threads: int | None,
    channels: Mapping[str, int] = NO_CHANNELS,
    memory_bytes: int = MEMORY_BYTES,
) -> Calibration:
    """Run the model in FP32 on every sample, and see what these tensors are.

    Args:
        model: a file; its external data beside it.   tensors: of the main graph: inputs, or outputs of nodes.
        feeds: the samples, each as the model takes it; read once.   threads: None: what the CPU quota allows.
        channels: tensor -> axis of which minimum and maximum are wanted for each index, too.
        memory_bytes: what one run may return. A single tensor that is larger comes alone.
    Raises:
        InvalidData: no samples, or one that the model does not compute.   InvalidJob: no such tensor.
        Declined: ONNX Runtime does not load the model with these tensors as outputs.
    """
    wanted = tuple(dict.fromkeys([*tensors, *channels]))
    seen = dict.fromkeys(wanted, Histogram())
    by_channel: dict[str, ChannelRange] = {}
    samples = 0
    with Told(model, wanted, threads=threads, memory_bytes=memory_bytes) as told:
        for samples, given in enumerate(feeds, start=1):
            for name, array in told.run(given, f"calibration sample {samples - 1}"):
                seen[name] = seen[name].merged(histogram(array))
                if name in channels and array.size:
                    found = channel_range(name, array, channels[name])
                    by_channel[name] = by_channel[name].merged(found) if name in by_channel else found
    if samples == 0:
        raise InvalidData("calibration", found="no samples", expected="at least one")
    return Calibration(seen, by_channel, samples)
