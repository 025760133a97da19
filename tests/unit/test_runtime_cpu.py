"""How many processors a process may use, read from what the kernel writes."""

import mmap
import os
import signal
import subprocess
import sys
import time
from pathlib import Path, PurePosixPath

import pytest

from burnish_runtime import cpu, memory
from burnish_runtime.cpu import CpuGroup

PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
V2_MOUNT = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNT = "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("150000 100000\n", 1.5),
        ("50000 100000", 0.5),
        ("max 100000\n", None),
        ("200000", 2.0),
        ("", None),
        ("junk", None),
        ("100000 0", None),
    ],
)
def test_version_2_quota(text: str, cpus: float | None) -> None:
    assert cpu.parse_cpu_max(text) == cpus


@pytest.mark.parametrize(
    ("quota", "period", "cpus"),
    [("200000\n", "100000\n", 2.0), ("-1\n", "100000\n", None), ("", "", None), ("100000", "0", None)],
)
def test_version_1_quota(quota: str, period: str, cpus: float | None) -> None:
    assert cpu.parse_cfs(quota, period) == cpus


def test_a_version_2_group_is_bound_by_itself_and_all_its_ancestors() -> None:
    groups = cpu.cpu_groups("0::/kubepods/pod1/server\n", V2_MOUNT)
    assert [str(group.folder) for group in groups] == [
        "/sys/fs/cgroup/kubepods/pod1/server",
        "/sys/fs/cgroup/kubepods/pod1",
        "/sys/fs/cgroup/kubepods",
        "/sys/fs/cgroup",
    ]


def test_a_container_sees_its_own_folder_as_the_root_of_the_mount() -> None:
    mount = "31 23 0:28 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n"
    groups = cpu.cpu_groups("4:cpu,cpuacct:/docker/abc\n9:memory:/docker/abc\n", mount)
    assert groups == [CpuGroup(1, PurePosixPath("/sys/fs/cgroup/cpu"))]


def test_the_path_outside_of_the_mount_falls_back_to_the_mount_itself() -> None:
    mount = "31 23 0:28 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
    assert cpu.cpu_groups("0::/../other", mount) == [CpuGroup(2, PurePosixPath("/sys/fs/cgroup"))]


def test_only_the_cpu_controller_of_version_1_counts() -> None:
    groups = cpu.cpu_groups("5:cpuset:/\n4:cpu,cpuacct:/a\n", V1_MOUNT + V2_MOUNT)
    assert {group.version for group in groups} == {1}


def test_damaged_text_is_no_limit() -> None:
    assert cpu.cpu_groups("nonsense\n::\n", "more - nonsense\n\n") == []


def test_the_tightest_group_wins() -> None:
    files = {
        "/g/pod/c/cpu.max": "max 100000",
        "/g/pod/cpu.max": "300000 100000",
        "/g/cpu.max": "400000 100000",
        "/v1/cpu.cfs_quota_us": "250000",
        "/v1/cpu.cfs_period_us": "100000",
    }
    groups = [CpuGroup(2, PurePosixPath(path)) for path in ("/g/pod/c", "/g/pod", "/g")]
    assert cpu.quota_cpus(groups, lambda path: files.get(str(path))) == 3.0
    both = [*groups, CpuGroup(1, PurePosixPath("/v1"))]
    assert cpu.quota_cpus(both, lambda path: files.get(str(path))) == 2.5


def test_groups_without_files_are_no_limit() -> None:
    assert cpu.quota_cpus([CpuGroup(2, PurePosixPath("/gone"))], lambda _: None) is None


@pytest.mark.parametrize(("cpus", "threads"), [(0.1, 1), (1.0, 1), (1.9, 1), (2.0, 2), (7.5, 7)])
def test_threads_never_exceed_the_quota(cpus: float, threads: int) -> None:
    assert cpu.threads_for(cpus) == threads


def test_this_machine_has_processors() -> None:
    assert 0 < cpu.available_cpus() <= cpu.affinity_cpus()
    assert cpu.default_threads() >= 1


def test_status_fields_are_bytes() -> None:
    text = "Name:\tpython\nVmHWM:\t    2048 kB\nVmRSS:\t1024 kB\nThreads:\t3\n"
    assert memory.parse_status(text, "VmHWM") == 2048 * 1024
    assert memory.parse_status(text, "Threads") is None
    assert memory.parse_status(text, "VmSwap") is None


def test_peak_memory_follows_what_is_allocated() -> None:
    before = memory.peak_bytes()
    block = bytearray(b"x") * (64 << 20)
    assert memory.current_bytes() >= len(block)
    assert memory.peak_bytes() >= max(before, len(block))


def test_private_peak_is_of_its_block_alone() -> None:
    before = memory.private_bytes()
    # (An allocator may have such a block at hand, resident already: pages are asked of the kernel.)
    with memory.PrivatePeak() as peak, mmap.mmap(-1, 64 << 20, flags=PRIVATE) as block:
        for place in range(0, len(block), mmap.PAGESIZE):
            block[place] = 1
        held = peak.bytes
    assert before + (60 << 20) <= held <= before + (160 << 20)
    assert peak.bytes >= held, "what was seen is kept when it has gone"


def test_memory_of_forks_counts_what_they_share_once() -> None:
    """A fork of a fork, asleep: found from the top, and no heavier than the first."""
    started = subprocess.Popen(
        [sys.executable, "-c", "import os, time; held = bytearray(64 << 20); os.fork(); time.sleep(60)"]
    )
    try:
        deadline = time.monotonic() + 30
        while not memory.descendants(started.pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        found = memory.descendants(started.pid)
        assert len(found) == 1
        assert set(found) < set(memory.descendants(os.getpid()))
        once = memory.private_bytes_of([started.pid, *found])
        assert 0.9 < once / memory.private_bytes_of([started.pid]) < 1.2
    finally:
        for pid in memory.descendants(started.pid):
            os.kill(pid, signal.SIGKILL)
        started.kill()
        started.wait()


def test_a_process_that_has_gone_or_goes_has_no_descendants(monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory.descendants(1 << 30) == []
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter([folder / "1"]))
    assert memory.descendants(1 << 30) == []
