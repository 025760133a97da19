"""Devices as `nvidia-smi` tells them: several, cut into instances, or not told at all."""

import time

import pytest

from burnish_optimizer.targets import nvidia
from burnish_optimizer.targets.fingerprint import fingerprint, key_facts

L4 = "NVIDIA L4, 8.9, 23034 MiB, 550.54.15, [N/A]\n"
A100 = "NVIDIA A100-SXM4-40GB, 8.0, 40960 MiB, 550.54.15, Disabled\n"
CUT = "NVIDIA A100-SXM4-40GB, 8.0, 40960 MiB, 550.54.15, Enabled\n"
LISTING = """GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-aa89852c-d268-c3f3-1b07-005d5ae1dc3f)
  MIG 3g.20gb     Device  0: (UUID: MIG-2e1bd8f1-0000-5f5b-b0fa-1a4ae3a05b7c)
  MIG 1g.5gb      Device  1: (UUID: MIG-3e1bd8f1-0000-5f5b-b0fa-1a4ae3a05b7c)
  MIG 1g.5gb      Device  2: (UUID: MIG-4e1bd8f1-0000-5f5b-b0fa-1a4ae3a05b7c)
"""


def facts_of(text):
    return nvidia.facts(nvidia.parse_query(text) or ())


def test_facts_of_one_device():
    assert facts_of(L4) == {
        "gpu": "NVIDIA L4",
        "gpu_count": "1",
        "gpu_capability": "8.9",
        "gpu_memory": "23034 MiB",
        "gpu_driver": "550.54.15",
        "gpu_driver_major": "550",
    }


def test_equal_devices_are_counted_and_others_stand_beside_them():
    assert facts_of(A100 + A100)["gpu"] == "NVIDIA A100-SXM4-40GB"
    mixed = facts_of(A100 + L4 + A100)
    assert mixed["gpu_count"] == "3"
    assert mixed["gpu"] == "NVIDIA A100-SXM4-40GB; NVIDIA L4"
    assert mixed["gpu_capability"] == "8.0; 8.9"
    assert mixed["gpu_memory"] == "40960 MiB; 23034 MiB"


def test_what_is_not_told_is_absent_and_never_a_word_for_nothing():
    facts = facts_of("NVIDIA GB10, 12.1, [N/A], 580.95.05, [N/A]\n")
    assert "gpu_memory" not in facts
    assert "gpu_mig" not in facts
    assert facts_of("Tesla K80, [Not Supported], 11441 MiB, 470.57.02, [N/A]")["gpu"] == "Tesla K80"


@pytest.mark.parametrize(
    "text",
    ["", "No devices were found", "a, b, c, d, e", "NVIDIA L4, 8.9", L4 + "Segmentation fault", "\x00" * 40],
)
def test_another_answer_gives_no_device(text):
    assert nvidia.parse_query(text) is None


def test_instances_are_told_by_their_profiles():
    profiles = nvidia.parse_listing(LISTING)
    assert profiles == {1: ("3g.20gb", "1g.5gb", "1g.5gb")}
    gpus = nvidia.with_profiles(nvidia.parse_query(A100 + CUT), profiles)
    assert nvidia.facts(gpus)["gpu_mig"] == "1g.5gb 1g.5gb 3g.20gb"
    assert facts_of(CUT)["gpu_mig"] == "enabled, no instance"


def script(tmp_path, body):
    path = tmp_path / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_a_machine_with_a_cut_device_is_asked_twice(tmp_path):
    (tmp_path / "listing").write_text(LISTING)
    command = script(
        tmp_path,
        f'[ "$1" = -L ] && cat {tmp_path}/listing && exit; echo "{A100.strip()}"; echo "{CUT.strip()}"',
    )
    found = nvidia.find(command)
    assert found.note == ""
    assert [gpu.profiles for gpu in found.gpus] == [(), ("3g.20gb", "1g.5gb", "1g.5gb")]


def test_a_machine_without_the_tool_has_no_device_and_nothing_to_say(tmp_path):
    assert nvidia.find(str(tmp_path / "none")) == nvidia.Found()


@pytest.mark.parametrize(
    ("body", "note"),
    [
        (
            "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18",
            "ended with 18: Failed",
        ),
        ("echo what is this", "tells of no device"),
        ("kill -9 $$", "ended with -9"),
    ],
)
def test_a_tool_in_trouble_gives_no_device_and_a_note(tmp_path, body, note):
    found = nvidia.find(script(tmp_path, body))
    assert found.gpus == ()
    assert note in found.note


def test_a_tool_that_hangs_is_left_behind_with_whatever_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr(nvidia, "TIMEOUT_SECONDS", 0.2)
    begun = time.monotonic()
    found = nvidia.find(script(tmp_path, "sleep 5; true"))
    assert "did not answer within 0.2 s" in found.note
    assert time.monotonic() - begun < 4


def test_a_file_that_cannot_be_run_is_no_tool(tmp_path):
    path = tmp_path / "nvidia-smi"
    path.write_text("not for running")
    assert "cannot be run" in nvidia.find(str(path)).note


def test_a_driver_s_patch_level_is_told_and_not_part_of_the_key():
    facts = fingerprint(nvidia.Found(nvidia.parse_query(L4)))
    newer = fingerprint(nvidia.Found(nvidia.parse_query(L4.replace("54.15", "90.07"))))
    assert facts["gpu_driver"] == "550.54.15"
    assert facts != newer
    assert key_facts(facts) == key_facts(newer)
    other = fingerprint(nvidia.Found(nvidia.parse_query(L4.replace("550.54.15", "580.65.06"))))
    assert key_facts(facts) != key_facts(other)
