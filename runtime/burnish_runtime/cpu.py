"""How many processors this process may really use: affinity and the CPU quotas of its cgroups.

In a pod `os.cpu_count()` is the node's; a thread pool of that size is throttled to death.
Parsing is pure; only the functions without arguments look at the machine.
"""

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

MEMBERSHIP = PurePosixPath("/proc/self/cgroup")
MOUNTS = PurePosixPath("/proc/self/mountinfo")


class CpuGroup(NamedTuple):
    """A folder whose quota holds for this process, in cgroup `version` 1 or 2."""

    version: int
    folder: PurePosixPath


def parse_cpu_max(text: str) -> float | None:
    """Processors that a version 2 `cpu.max` allows (`<quota µs>|max <period µs>`), None: no limit."""
    quota, _, period = text.strip().partition(" ")
    if quota == "max" or not quota.isdigit():
        return None
    return _ratio(int(quota), int(period) if period.strip().isdigit() else 100_000)


def parse_cfs(quota: str, period: str) -> float | None:
    """Processors that version 1's `cpu.cfs_quota_us` and `cpu.cfs_period_us` allow, None: no limit."""
    try:
        return _ratio(int(quota), int(period))
    except ValueError:
        return None


def cpu_groups(membership: str, mounts: str, controller: str = "cpu") -> list[CpuGroup]:
    """Every folder, own and ancestors', whose quota can bind.

    Args:
        controller: of version 1, which mounts each on its own; "memory" is looked for in the same way.
        membership: `/proc/self/cgroup`, lines of `<id>:<controllers>:<path>`.
        mounts: `/proc/self/mountinfo`. Its fourth field is what of the hierarchy is mounted: in a
            container that is often the container's own folder, so paths are taken relative to it.
    """
    mounted = list(_mounts(mounts, controller))
    groups: list[CpuGroup] = []
    for line in membership.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        version = 1 if controller in controllers.split(",") else 2 if not controllers else 0
        for mounted_version, root, point in mounted:
            if version == mounted_version:
                groups += [CpuGroup(version, folder) for folder in _folders(path, root, point)]
    return groups


def quota_cpus(groups: list[CpuGroup], read: Callable[[PurePosixPath], str | None]) -> float | None:
    """The tightest quota among the groups in processors, None where none is limited."""
    limits = [limit for group in groups if (limit := _limit(group, read)) is not None]
    return min(limits, default=None)


def threads_for(cpus: float) -> int:
    """Threads for so many processors: rounded down, since one thread too many is throttled every period."""
    return max(1, math.floor(cpus))


def affinity_cpus() -> int:
    """Processors that the scheduler may put this process on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_cpus() -> float:
    """Processors that this process may use: the smaller of affinity and quota; may be fractional."""
    quota = quota_cpus(cpu_groups(_read(MEMBERSHIP) or "", _read(MOUNTS) or ""), _read)
    return float(affinity_cpus()) if quota is None else min(float(affinity_cpus()), quota)


def default_threads() -> int:
    """Compute threads where an engine does not say."""
    return threads_for(available_cpus())


def is_limited() -> bool:
    """Whether a quota is below what affinity shows: waiting threads must then sleep, not spin."""
    return available_cpus() < affinity_cpus()


def _ratio(quota: int, period: int) -> float | None:
    return quota / period if quota > 0 and period > 0 else None


def _mounts(mounts: str, controller: str) -> Iterator[tuple[int, PurePosixPath, PurePosixPath]]:
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields, kind = left.split(), right.split()
        if len(fields) < 5 or len(kind) < 3:
            continue
        root, point = PurePosixPath(fields[3]), PurePosixPath(fields[4])
        if kind[0] == "cgroup2":
            yield 2, root, point
        elif kind[0] == "cgroup" and controller in kind[2].split(","):
            yield 1, root, point


def _folders(path: str, root: PurePosixPath, point: PurePosixPath) -> list[PurePosixPath]:
    """The group's folder below the mount and all its parents, up to and with the mount itself."""
    own = PurePosixPath(path)
    relative = own.relative_to(root) if own.is_relative_to(root) else PurePosixPath()
    folder = point / relative
    return [folder, *(parent for parent in folder.parents if parent.is_relative_to(point))]


def _limit(group: CpuGroup, read: Callable[[PurePosixPath], str | None]) -> float | None:
    if group.version == 2:
        return parse_cpu_max(read(group.folder / "cpu.max") or "max")
    quota, period = (read(group.folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    return parse_cfs(quota or "", period or "")


def _read(path: PurePosixPath) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return None
