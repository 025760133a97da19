"""What builders of one run share: the calibration samples, and what one of them makes for all."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from burnish_optimizer.ingest.feeds import Feeds, to_feeds
from burnish_optimizer.ingest.samples import open_samples
from burnish_optimizer.tasks import BuildTask


def calibration_feeds(task: BuildTask) -> Iterator[Feeds]:
    """The calibration samples as the model takes them, one after the other; none where none were given."""
    if task.calibration is None:
        return
    for sample in open_samples(task.calibration, task.inputs):
        yield to_feeds(sample.arrays, task.inputs)


def made_once(task: BuildTask, name: str, make: Callable[[Path], None]) -> Path:
    """The run's shared folder of this name, filled by the first builder that asks: whole or not at all.

    Raises: what `make` raises, which is given the folder to fill.
    """
    folder = Path(task.shared) / name
    if not folder.exists():
        part = folder.with_name(f"{name}-{os.getpid()}")
        part.mkdir(parents=True, exist_ok=True)
        make(part)
        part.rename(folder)
    return folder
