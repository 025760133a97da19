"""How much more memory this process may take: the limits of its cgroups, else what the machine has left.

Parsing and judging are pure; only `room` without arguments looks at the machine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from burnish_runtime.cpu import MEMBERSHIP, MOUNTS, CpuGroup, cpu_groups
from burnish_runtime.memory import parse_status

MEMINFO = PurePosixPath("/proc/meminfo")
# Version 1 tells "no limit" as the largest multiple of a page.
NO_LIMIT = 1 << 60
# Left free beside what was measured: allocators round up, and requests go on while an engine is loaded.
MARGIN_SHARE, MARGIN_BYTES = 0.1, 32 << 20

Read = Callable[[PurePosixPath], str | None]


@dataclass(frozen=True)
class Room:
    """Bytes in use, without the pages of files that the kernel can drop, and the limit; None: not known."""

    used_bytes: int
    limit_bytes: int | None

    @property
    def free_bytes(self) -> int | None:
        """What is left, None where no limit is known."""
        return None if self.limit_bytes is None else max(0, self.limit_bytes - self.used_bytes)

    def fits(self, needed_bytes: int) -> bool:
        """Whether so much more fits, with a margin. Where no limit is known, it does."""
        return self.free_bytes is None or with_margin(needed_bytes) <= self.free_bytes


def with_margin(needed_bytes: int) -> int:
    """What must be free for an engine that was measured to take so much."""
    return needed_bytes + max(MARGIN_BYTES, int(needed_bytes * MARGIN_SHARE))


def room_of(membership: str, mounts: str, read: Read) -> Room:
    """The tightest room among the process's own cgroup, those above it, and the machine."""
    groups = cpu_groups(membership, mounts, "memory")
    rooms = [found for group in groups if (found := _group(group, read)) is not None]
    machine = parse_meminfo(read(MEMINFO) or "")
    return min([*rooms, machine], key=_free)


def room() -> Room:
    """The room of this process, now."""
    return room_of(_read(MEMBERSHIP) or "", _read(MOUNTS) or "", _read)


def parse_meminfo(text: str) -> Room:
    """The machine's, from `/proc/meminfo`."""
    total, available = (parse_status(text, field) for field in ("MemTotal", "MemAvailable"))
    if total is None or available is None:
        return Room(0, None)
    return Room(total - available, total)


def _group(group: CpuGroup, read: Read) -> Room | None:
    if group.version == 2:
        files = ("memory.max", "memory.current", "inactive_file")
    else:
        files = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    limit, used = (_number(read(group.folder / name)) for name in files[:2])
    if limit is None or used is None or limit >= NO_LIMIT:
        return None
    return Room(max(0, used - _stat(read(group.folder / "memory.stat") or "", files[2])), limit)


def _stat(text: str, field: str) -> int:
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == field and value.isdigit():
            return int(value)
    return 0


def _number(text: str | None) -> int | None:
    stripped = (text or "").strip()
    return int(stripped) if stripped.isdigit() else None


def _free(found: Room) -> float:
    return float("inf") if found.free_bytes is None else found.free_bytes


def _read(path: PurePosixPath) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return None
