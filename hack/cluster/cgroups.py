"""Cgroups of the nodes, for machines with cgroup v2, v1, or both side by side.

Each node's kubelet works below a cgroup of its own, `burnish-<cluster>/<node>`: that is what
makes the budget of a small node real, and what `down` can remove without looking further.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from layout import ClusterError

ROOT = Path("/sys/fs/cgroup")
WANTED = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")
REMOVE_SECONDS = 5.0


def cluster_cgroup(cluster: str) -> str:
    return f"burnish-{cluster}"


def node_cgroup(cluster: str, node: str) -> str:
    return f"{cluster_cgroup(cluster)}/{node}"


def unified(root: Path = ROOT) -> bool:
    """Whether the machine has cgroup v2 alone."""
    return (root / "cgroup.controllers").exists()


def hierarchies(root: Path = ROOT) -> list[Path]:
    """The root of each hierarchy: one on v2; on v1 one for each controller, and `unified` on hybrids."""
    if unified(root):
        return [root]
    # Co-mounted controllers (cpu,cpuacct) are also reachable through links to the same folder.
    return sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.is_symlink())


def parse_cpus(text: str) -> list[int]:
    """Numbers in the kernel's list format.

    >>> parse_cpus("0-2,5")
    [0, 1, 2, 5]
    """
    numbers: list[int] = []
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        numbers.extend(range(int(first), int(last or first) + 1))
    return numbers


def create(path: str, cpus: int, root: Path = ROOT) -> str:
    """Make the cgroup `path` everywhere and bind it to the last `cpus` CPUs of those that we may use.

    A set of CPUs and not a quota: programs see the CPUs that they have and size their thread
    pools right, as on a machine that small, and v1 refuses pods whose limit is above a quota.

    Returns: the CPUs in the kernel's list format.
    """
    for hierarchy in hierarchies(root):
        if unified(root):
            _create_v2(hierarchy, path)
        else:
            _create_v1(hierarchy, path)
    name = "cpuset.cpus.effective" if unified(root) else "cpuset.cpus"
    pinned = next((h / path for h in hierarchies(root) if (h / path / name).exists()), None)
    if pinned is None:
        raise ClusterError(f"no cpuset controller below {root}: a node's share of the CPUs needs one")
    allowed = parse_cpus((pinned.parent / name).read_text())[-cpus:]
    chosen = ",".join(map(str, allowed))
    (pinned / "cpuset.cpus").write_text(chosen)
    return chosen


def _create_v1(hierarchy: Path, path: str) -> None:
    folder = hierarchy
    for name in path.split("/"):
        parent, folder = folder, folder / name
        folder.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):  # start out empty on v1, and empty means unusable
            if (folder / setting).exists() and not (folder / setting).read_text().strip():
                (folder / setting).write_text((parent / setting).read_text())


def _create_v2(hierarchy: Path, path: str) -> None:
    folder = hierarchy
    for name in path.split("/"):
        _delegate(folder)
        folder /= name
        folder.mkdir(exist_ok=True)
    _delegate(folder)


def _delegate(folder: Path) -> None:
    """Let children of `folder` use the controllers that it has."""
    available = (folder / "cgroup.controllers").read_text().split()
    enabled = (folder / "cgroup.subtree_control").read_text().split()
    for controller in [each for each in WANTED if each in available and each not in enabled]:
        try:
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError as error:
            raise ClusterError(
                f"cannot enable the cgroup controller {controller!r} in {folder}: {error.strerror}. In a "
                "container its processes stand in the way: start it with the host's cgroup namespace "
                "(--cgroupns=host)"
            ) from error


def leftovers(cluster: str, root: Path = ROOT) -> Iterator[Path]:
    """Existing cgroups of a cluster, children first."""
    for hierarchy in hierarchies(root):
        for folder, _, _ in os.walk(hierarchy / cluster_cgroup(cluster), topdown=False):
            yield Path(folder)


def remove(cluster: str, root: Path = ROOT) -> None:
    """Remove a dead cluster's cgroups; the kernel lets go of a killed process some time after its end."""
    deadline = time.monotonic() + REMOVE_SECONDS
    while remaining := [folder for folder in leftovers(cluster, root) if not _removed(folder)]:
        if time.monotonic() > deadline:
            raise ClusterError(f"cgroup {remaining[0]} is still in use after {REMOVE_SECONDS:.0f} s")
        time.sleep(0.05)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True
