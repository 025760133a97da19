"""From a reference to an engine that is verified, warm, and known to answer right. Blocks.

fetch ─> verify (digests, signature) ─> does it fit? ─> load ─> warm up ─> golden answer
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from burnish_engine.errors import BurnishError
from burnish_engine.store import load_report, read_engine
from burnish_runtime import golden, memory_room
from burnish_runtime.load import Engine
from burnish_runtime.memory_room import Room, with_margin
from burnish_serving.errors import NotEnoughMemory
from burnish_serving.scheduling.opening import open_scheduled
from burnish_serving.scheduling.schedule import Schedule
from burnish_serving.settings import ServeSettings
from burnish_serving.source import EngineFolder, Place, locate

if TYPE_CHECKING:
    from burnish_engine.keys import PublicKey

LOG = logging.getLogger("burnish.serving")
# Of an engine without a report: a backend holds weights as read and as it packs them.
TIMES_SIZE = 2


@dataclass(frozen=True)
class Loaded:
    """An engine that is warm and has given its golden answer."""

    folder: EngineFolder
    engine: Engine
    schedule: Schedule

    def unload(self) -> None:
        """Give back its memory, and its place in the cache."""
        self.engine.session.close()
        self.folder.release()


Load = Callable[[str, bool], Loaded]


class Loader:
    """Loads engines with the settings of one server."""

    def __init__(self, settings: ServeSettings, room: Callable[[], Room] = memory_room.room) -> None:
        """Raises: InvalidKey: a key for signatures that cannot be read."""
        self._place = Place(settings.cache, settings.cache_max_bytes, _keys(settings.verify_keys))
        self._settings, self._room = settings, room

    def load(self, engine: str, beside: bool = False) -> Loaded:
        """Load an engine.

        Args: beside: others serve meanwhile: refuse where memory does not allow for it.
        Raises: whatever is wrong with the reference, the engine or the backend, as a BurnishError;
            NotEnoughMemory, burnish_runtime.errors.GoldenMismatch.
        """
        LOG.info("fetching the engine", extra={"engine": engine})
        folder = locate(engine, self._place)
        try:
            if beside:
                check_room(engine, needed_bytes(folder.path), self._room())
            return Loaded(folder, *self._opened(folder))
        except BaseException:
            folder.release()
            raise

    def _opened(self, folder: EngineFolder) -> tuple[Engine, Schedule]:
        LOG.info("loading the engine", extra={"digest": folder.digest})
        engine, schedule = open_scheduled(folder.path, self._settings)
        try:
            engine.warm_up()
            if not golden.verify(engine, folder.path):
                LOG.warning("no golden answer is recorded: unchecked", extra={"digest": folder.digest})
        except BaseException:
            engine.session.close()
            raise
        return engine, schedule


def _keys(paths: Sequence[Path]) -> "tuple[PublicKey, ...]":
    if not paths:
        return ()
    from burnish_engine.keys import read_public_key  # noqa: PLC0415 - slow to load, see there

    return tuple(read_public_key(path) for path in paths)


def judged_by(folder: Path) -> str:
    """The metric that the engine was judged by; empty where no report tells."""
    try:
        return load_report(folder).accuracy.metric
    except BurnishError:
        return ""


def needed_bytes(folder: Path) -> int:
    """What the engine took where it was measured, Python included; without a report, by its size."""
    try:
        optimized = load_report(folder).optimized
    except BurnishError:
        optimized = None
    if optimized is not None:
        return optimized.private_memory_bytes or optimized.peak_memory_bytes
    model = folder / read_engine(folder).model
    return TIMES_SIZE * sum(path.stat().st_size for path in model.parent.rglob("*") if path.is_file())


def check_room(engine: str, needed: int, room: Room) -> None:
    """Raises: NotEnoughMemory, with figures."""
    if not room.fits(needed):
        raise NotEnoughMemory(
            engine,
            found=f"{_mib(room.free_bytes or 0)} free of {_mib(room.limit_bytes or 0)}",
            expected=f"{_mib(with_margin(needed))}: for one more engine, and a margin",
            remedy="Raise the memory limit, or replace the pod instead (strategy Recreate or Canary).",
        )


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):.0f} MiB"
