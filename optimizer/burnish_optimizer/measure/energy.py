"""Joules that the machine has used, from its own counters: RAPL of processors, NVML of NVIDIA devices.

Counters are the machine's: what neighbours use is counted too. Where there is none that may be read
(virtual machines, and hosts that keep it from all but root), there is no figure.

Sources: Linux, Documentation/power/powercap; NVIDIA, NVML reference, nvmlDeviceGetTotalEnergyConsumption.
"""

import importlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

POWERCAP = Path("/sys/class/powercap")
PREFIX = "intel-rapl:"  # AMD's driver uses it as well
MICRO, MILLI = 1e-6, 1e-3


class Counter(Protocol):
    """Joules since some moment."""

    @property
    def name(self) -> str:
        """What is counted: package-0, dram …"""

    def joules(self) -> float | None:
        """Now; None where it cannot be read any more."""

    @property
    def range_joules(self) -> float | None:
        """Where the counter starts again from 0; None: never."""


class Zone(NamedTuple):
    """A RAPL zone."""

    folder: Path
    name: str
    range_joules: float | None

    def joules(self) -> float | None:
        """See `Counter`."""
        count = _number(self.folder / "energy_uj")
        return None if count is None else count * MICRO


class Device(NamedTuple):
    """A device that NVML counts for."""

    library: Any
    handle: Any
    name: str
    range_joules: float | None = None

    def joules(self) -> float | None:
        """See `Counter`."""
        try:
            return float(self.library.nvmlDeviceGetTotalEnergyConsumption(self.handle)) * MILLI
        except self.library.NVMLError:
            return None


class Meter:
    """Adds up what all counters move by, between a `start` and a `stop`, again and again."""

    def __init__(self, counters: Sequence[Counter]) -> None:
        self._counters = counters
        self._before: list[float | None] = []
        self._used: float | None = 0.0 if counters else None

    @property
    def domains(self) -> tuple[str, ...]:
        """What is counted."""
        return tuple(counter.name for counter in self._counters)

    def start(self) -> None:
        """From here it counts."""
        self._before = [counter.joules() for counter in self._counters]

    def stop(self) -> None:
        """To here. A counter that is lost takes the whole figure along: a part would look like a saving."""
        for counter, before in zip(self._counters, self._before, strict=True):
            moved = difference(before, counter.joules(), counter.range_joules)
            self._used = None if self._used is None or moved is None else self._used + moved

    def take(self) -> float | None:
        """The joules so far, and begin anew from 0."""
        used, self._used = self._used, 0.0 if self._counters else None
        return used


def difference(before: float | None, after: float | None, range_joules: float | None) -> float | None:
    """Joules from one reading to the next of a counter that starts again from 0 at its range.

    None where a reading is missing, or one goes back and the range is not known. Once around at most: ranges
    last for minutes at full power, and windows for a fraction of a second.
    """
    if before is None or after is None:
        return None
    if after >= before:
        return after - before
    return None if range_joules is None else after + range_joules - before


def find_counters(root: Path = POWERCAP) -> tuple[Counter, ...]:
    """All counters of this machine that can be read."""
    return (*zones(root), *devices())


def zones(root: Path = POWERCAP) -> tuple[Zone, ...]:
    """RAPL zones that do not hold one another and can be read: packages, and memory beside them.

    Zones within a package (core, uncore) are counted in it; psys counts all packages, and is left out.
    """
    found = []
    for folder in sorted(root.glob(f"{PREFIX}*")):
        name = _text(folder / "name")
        if not name.startswith("package") and name != "dram":
            continue
        limit = _number(folder / "max_energy_range_uj")
        zone = Zone(folder, _full_name(folder, name), None if limit is None else limit * MICRO)
        found += [zone] if zone.joules() is not None else []
    return tuple(found)


def devices(libraries: Mapping[str, Any] | None = None) -> tuple[Device, ...]:
    """Devices that NVML counts for; none where its Python binding or the driver is not there."""
    library = _nvml() if libraries is None else libraries.get("pynvml")
    if library is None:
        return ()
    found = []
    with suppress(library.NVMLError):
        library.nvmlInit()
        for index in range(library.nvmlDeviceGetCount()):
            handle = library.nvmlDeviceGetHandleByIndex(index)
            device = Device(library, handle, f"gpu-{index}")
            found += [device] if device.joules() is not None else []
    return tuple(found)


def _nvml() -> Any | None:
    try:
        return importlib.import_module("pynvml")
    except ImportError:
        return None


def _full_name(folder: Path, name: str) -> str:
    """`dram` says not of which package: `package-0 dram` does."""
    parent = folder.parent / folder.name.rpartition(":")[0]
    return f"{_text(parent / 'name')} {name}".strip() if name == "dram" else name


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
