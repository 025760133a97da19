"""Does one more engine fit? Pure: limits and use as the kernel tells them."""

from pathlib import PurePosixPath

import pytest

from burnish_runtime.memory_room import MARGIN_BYTES, Room, parse_meminfo, room, room_of, with_margin

GIB = 1 << 30
V2_MOUNT = "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
V1_MOUNT = "31 1 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
MEMINFO = "MemTotal: 16777216 kB\nMemFree: 1 kB\nMemAvailable: 8388608 kB\n"


def found(files: dict[str, str], membership: str = "0::/pod/server\n", mounts: str = V2_MOUNT) -> Room:
    def read(path: PurePosixPath) -> str | None:
        return files.get(str(path))

    return room_of(membership, mounts, read)


def test_the_own_limit_counts_without_pages_that_can_be_dropped() -> None:
    folder = "/sys/fs/cgroup/pod/server"
    files = {
        f"{folder}/memory.max": f"{2 * GIB}\n",
        f"{folder}/memory.current": f"{GIB}\n",
        f"{folder}/memory.stat": f"anon 5\ninactive_file {GIB // 2}\nactive_file 7\n",
        "/proc/meminfo": MEMINFO,
    }
    assert found(files) == Room(GIB // 2, 2 * GIB)


def test_a_tighter_limit_above_binds() -> None:
    files = {
        "/sys/fs/cgroup/pod/server/memory.max": "max\n",
        "/sys/fs/cgroup/pod/server/memory.current": "5\n",
        "/sys/fs/cgroup/pod/memory.max": f"{GIB}\n",
        "/sys/fs/cgroup/pod/memory.current": f"{GIB // 4}\n",
        "/proc/meminfo": MEMINFO,
    }
    assert found(files) == Room(GIB // 4, GIB)


def test_version_1_says_no_limit_with_a_large_number() -> None:
    files = {
        "/sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n",
        "/sys/fs/cgroup/memory/a/memory.usage_in_bytes": "1\n",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": f"{GIB}\n",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIB}\n",
        "/sys/fs/cgroup/memory/memory.stat": f"inactive_file 1\ntotal_inactive_file {GIB // 8}\n",
    }
    assert found(files, "9:memory:/a\n", V1_MOUNT) == Room(GIB - GIB // 8, GIB)


def test_without_limits_the_machine_is_the_limit() -> None:
    assert found({"/proc/meminfo": MEMINFO}) == Room(8 * GIB, 16 * GIB)
    assert found({}) == parse_meminfo("nonsense\n") == Room(0, None)


@pytest.mark.parametrize(
    ("used", "limit", "needed", "fits"),
    [
        (GIB, 4 * GIB, 2 * GIB, True),
        (GIB, 4 * GIB, 3 * GIB, False),
        (2 * GIB, GIB, 0, False),
        (GIB, None, 1 << 50, True),
        (0, MARGIN_BYTES, 0, True),
        (1, MARGIN_BYTES, 0, False),
    ],
)
def test_what_was_measured_fits_with_a_margin(used: int, limit: int | None, needed: int, fits: bool) -> None:
    assert Room(used, limit).fits(needed) is fits


def test_the_margin_grows_with_the_engine() -> None:
    assert with_margin(0) == MARGIN_BYTES
    assert with_margin(10 * GIB) == 11 * GIB


def test_this_machine_tells_something() -> None:
    now = room()
    assert now.limit_bytes is None or now.limit_bytes > 0
