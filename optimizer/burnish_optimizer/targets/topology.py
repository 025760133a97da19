"""Cores behind the processors of Linux, and the caches that they share, from `/sys`. Parsing is pure.

Source: Linux, Documentation/ABI/stable/sysfs-devices-system-cpu.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

from burnish_engine.base import Record

CPUS = Path("/sys/devices/system/cpu")
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Cache(Record):
    """One cache of one processor. kind: Data, Instruction or Unified."""

    level: int
    kind: str
    size_bytes: int


def physical_cores(processors: Collection[int], root: Path = CPUS) -> int | None:
    """Cores that so many processors are hardware threads of; None where the system does not tell.

    Args: processors: by the kernel's numbers.
    """
    cores = [siblings(number, root) for number in processors]
    return len(set(cores)) if cores and all(cores) else None


def siblings(processor: int, root: Path = CPUS) -> str:
    """The hardware threads of a processor's core, such as `0,2`: the core's name. Empty: not told."""
    folder = root / f"cpu{processor}" / "topology"
    names = ("core_cpus_list", "thread_siblings_list")  # the older name second
    return next((text for name in names if (text := _read(folder / name))), "")


def caches(processor: int, root: Path = CPUS) -> tuple[Cache, ...]:
    """The caches that a processor has or shares, as the system tells them."""
    return tuple(_caches(root / f"cpu{processor}" / "cache"))


def cache_facts(found: Collection[Cache]) -> dict[str, str]:
    """l2_bytes and l3_bytes, where told."""
    sizes = {cache.level: cache.size_bytes for cache in found if cache.kind in ("Data", "Unified")}
    return {f"l{level}_bytes": str(sizes[level]) for level in (2, 3) if level in sizes}


def parse_size(text: str) -> int | None:
    """Bytes of `2048K`; None of anything else."""
    number, unit = text[:-1], text[-1:]
    return int(number) * UNITS[unit] if unit in UNITS and number.isdecimal() else None


def _caches(folder: Path) -> Iterator[Cache]:
    for entry in sorted(folder.glob("index*")):
        level, kind, size = (_read(entry / name) for name in ("level", "type", "size"))
        count = parse_size(size)
        if level.isdecimal() and count:
            yield Cache(level=int(level), kind=kind, size_bytes=count)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
