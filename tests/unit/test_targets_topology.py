"""Cores and caches from a tree like `/sys/devices/system/cpu`."""

import pytest

from burnish_optimizer.targets.topology import cache_facts, caches, parse_size, physical_cores


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


@pytest.fixture
def machine(tmp_path):
    """Two cores of two threads each: 0 with 2, 1 with 3."""
    for number in range(4):
        put(tmp_path / f"cpu{number}/topology/core_cpus_list", f"{number % 2},{number % 2 + 2}")
    described = [
        ("1", "Data", "48K"),
        ("1", "Instruction", "32K"),
        ("2", "Unified", "2048K"),
        ("3", "Unified", "30M"),
    ]
    for index, (level, kind, size) in enumerate(described):
        for name, text in (("level", level), ("type", kind), ("size", size)):
            put(tmp_path / f"cpu0/cache/index{index}/{name}", text)
    return tmp_path


@pytest.mark.parametrize(("processors", "cores"), [({0, 1, 2, 3}, 2), ({0, 2}, 1), ({0, 1}, 2), ({3}, 1)])
def test_threads_of_one_core_count_once(machine, processors, cores):
    assert physical_cores(processors, machine) == cores


def test_an_older_kernel_has_another_name_for_it(tmp_path):
    put(tmp_path / "cpu0/topology/thread_siblings_list", "0-1")
    put(tmp_path / "cpu1/topology/thread_siblings_list", "0-1")
    assert physical_cores({0, 1}, tmp_path) == 1


def test_what_is_not_told_is_not_guessed(machine, tmp_path):
    assert physical_cores({0, 9}, machine) is None
    assert physical_cores((), machine) is None
    assert cache_facts(caches(9, machine)) == {}


def test_second_and_third_level_caches_are_facts(machine):
    assert cache_facts(caches(0, machine)) == {"l2_bytes": str(2 << 20), "l3_bytes": str(30 << 20)}


@pytest.mark.parametrize(
    ("text", "size"), [("48K", 49152), ("1M", 1 << 20), ("", None), ("K", None), ("12", None)]
)
def test_sizes(text, size):
    assert parse_size(text) == size
