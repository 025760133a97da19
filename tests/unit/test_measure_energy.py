"""Joules from counters: which ones count, what a turn-around is, and when there is no figure."""

from types import SimpleNamespace

import pytest

from burnish_optimizer.measure.energy import Meter, devices, difference, find_counters, zones


def zone(root, folder, name, micro_joules, limit=262_143_328_850):
    path = root / folder
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "energy_uj").write_text(f"{micro_joules}\n")
    (path / "max_energy_range_uj").write_text(f"{limit}\n")
    return path / "energy_uj"


@pytest.fixture
def server(tmp_path):
    """Two packages, one with its cores and its memory apart, beside what counts the same again."""
    zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    zone(tmp_path, "intel-rapl:0:0", "core", 900_000)
    zone(tmp_path, "intel-rapl:0:1", "dram", 200_000)
    zone(tmp_path, "intel-rapl:1", "package-1", 3_000_000)
    zone(tmp_path, "intel-rapl:2", "psys", 9_000_000)
    zone(tmp_path, "intel-rapl-mmio:0", "package-0", 1_000_000)
    (tmp_path / "intel-rapl").mkdir()
    return tmp_path


def test_packages_and_memory_count_and_nothing_counts_twice(server):
    assert [z.name for z in zones(server)] == ["package-0", "package-0 dram", "package-1"]
    assert sum(z.joules() for z in zones(server)) == pytest.approx(4.2)


def test_a_machine_without_counters_has_none(tmp_path):
    assert zones(tmp_path / "none") == ()
    assert zones(tmp_path) == ()


@pytest.mark.parametrize("content", ["", "garbage", "-5", "1.5"])
def test_a_counter_that_says_nothing_sensible_is_none(tmp_path, content):
    zone(tmp_path, "intel-rapl:0", "package-0", 0).write_text(content)
    assert zones(tmp_path) == ()


def test_a_counter_that_cannot_be_read_is_none(tmp_path):
    """To others than root, most hosts say no; to root, a folder is as unreadable."""
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 5)
    counter.unlink()
    counter.mkdir()
    assert zones(tmp_path) == ()


@pytest.mark.parametrize(
    ("before", "after", "limit", "joules"),
    [
        (1.0, 3.5, 10.0, 2.5),
        (9.0, 1.0, 10.0, 2.0),  # once around
        (9.0, 1.0, None, None),
        (None, 1.0, 10.0, None),
        (1.0, None, 10.0, None),
    ],
)
def test_the_difference_of_two_readings(before, after, limit, joules):
    assert difference(before, after, limit) == joules


def test_a_meter_adds_windows_and_leaves_out_what_lies_between(tmp_path):
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000, limit=10_000_000)
    meter = Meter(find_counters(tmp_path))
    for start, stop in ((1_000_000, 3_000_000), (8_000_000, 9_000_000), (9_500_000, 500_000)):
        counter.write_text(str(start))
        meter.start()
        counter.write_text(str(stop))
        meter.stop()
    assert meter.domains == ("package-0",)
    assert meter.take() == pytest.approx(2 + 1 + 1)
    assert meter.take() == 0.0


def test_a_counter_that_is_lost_takes_the_figure_with_it(server):
    meter = Meter(zones(server))
    meter.start()
    (server / "intel-rapl:1" / "energy_uj").unlink()
    meter.stop()
    assert meter.take() is None


def test_without_counters_there_is_no_figure_and_not_zero():
    meter = Meter(())
    meter.start()
    meter.stop()
    assert meter.take() is None


class NoError(Exception):
    """What the binding raises."""


def binding(millijoules, *, initialised=True):
    """The part of NVML's binding that is used; None in `millijoules`: that device does not count."""

    def energy(handle):
        if millijoules[handle] is None:
            raise NoError
        return millijoules[handle]

    def init():
        if not initialised:
            raise NoError

    return {
        "pynvml": SimpleNamespace(
            NVMLError=NoError,
            nvmlInit=init,
            nvmlDeviceGetCount=lambda: len(millijoules),
            nvmlDeviceGetHandleByIndex=lambda index: index,
            nvmlDeviceGetTotalEnergyConsumption=energy,
        )
    }


def test_devices_that_count_are_counted():
    found = devices(binding([1500, None, 2500]))
    assert [(d.name, d.joules()) for d in found] == [("gpu-0", 1.5), ("gpu-2", 2.5)]
    assert devices(binding([1500], initialised=False)) == ()
    assert devices({}) == ()
