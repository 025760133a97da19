"""The NVIDIA devices of this machine, as `nvidia-smi` tells them. Parsing is pure.

A tool that is missing, hangs, or answers something else is told in a note, and no facts come of it.
Sources: `nvidia-smi --help-query-gpu`; NVIDIA, "Multi-Instance GPU User Guide" (`nvidia-smi -L`).
"""

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

FIELDS = ("name", "compute_cap", "memory.total", "driver_version", "mig.mode.current")
QUERY = (f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader")
TIMEOUT_SECONDS = 10.0
UNKNOWN = frozenset({"", "[n/a]", "n/a", "[not supported]", "[unknown error]"})
_CAPABILITY = re.compile(r"\d+\.\d+")
_DRIVER = re.compile(r"\d+(\.\d+)*")
_DEVICE = re.compile(r"GPU (\d+):")
_INSTANCE = re.compile(r"\s+MIG (\S+)\s+Device\s+\d+:")


@dataclass(frozen=True)
class Gpu:
    """One device. Empty: not told. memory: as told, such as `23034 MiB`.

    profiles: its MIG instances that are visible here; () where it is not cut.   is_cut: MIG mode is on.
    """

    name: str
    capability: str = ""
    memory: str = ""
    driver: str = ""
    is_cut: bool = False
    profiles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """All devices, and what went wrong in asking (empty: nothing)."""

    gpus: tuple[Gpu, ...] = ()
    note: str = ""


def find(command: str = "nvidia-smi") -> Found:
    """Ask the machine. Never raises, and waits no longer than `TIMEOUT_SECONDS` for each answer."""
    told, note = _ask([command, *QUERY])
    if note or told is None:
        return Found(note=note)
    gpus = parse_query(told)
    if gpus is None:
        return Found(note=f"{command} answered {told[:60].strip()!r}, which tells of no device")
    if not any(gpu.is_cut for gpu in gpus):
        return Found(gpus)
    listing, note = _ask([command, "-L"])
    return Found(with_profiles(gpus, parse_listing(listing or "")), note)


def parse_query(text: str) -> tuple[Gpu, ...] | None:
    """The devices in the answer to `QUERY`, None where a line is something else."""
    gpus = [_gpu(re.split(r"\s*,\s*", line.strip())) for line in text.splitlines() if line.strip()]
    return tuple(gpu for gpu in gpus if gpu) if gpus and all(gpus) else None


def parse_listing(text: str) -> dict[int, tuple[str, ...]]:
    """The profiles of the MIG instances under each device of `nvidia-smi -L`, by the device's number."""
    found: dict[int, tuple[str, ...]] = {}
    device = -1
    for line in text.splitlines():
        if number := _DEVICE.match(line):
            device = int(number[1])
        elif profile := _INSTANCE.match(line):
            found[device] = (*found.get(device, ()), profile[1])
    return found


def with_profiles(gpus: Sequence[Gpu], profiles: Mapping[int, tuple[str, ...]]) -> tuple[Gpu, ...]:
    """The devices, each with its MIG instances."""
    return tuple(replace(gpu, profiles=profiles.get(number, ())) for number, gpu in enumerate(gpus))


def facts(gpus: Sequence[Gpu]) -> dict[str, str]:
    """gpu, gpu_count, gpu_capability, gpu_memory, gpu_mig, gpu_driver and gpu_driver_major, where told.

    Where there are several kinds of device their values stand side by side with `; ` between them, in the
    devices' order: an engine of such a machine is for no single one of them.
    """
    if not gpus:
        return {}
    kinds = dict.fromkeys((gpu.name, gpu.capability, gpu.memory) for gpu in gpus)
    names, capabilities, memories = zip(*kinds, strict=True)
    told = {
        "gpu": "; ".join(names),
        "gpu_count": str(len(gpus)),
        "gpu_capability": _each(capabilities),
        "gpu_memory": _each(memories),
        "gpu_mig": "; ".join(dict.fromkeys(_instances(gpu) for gpu in gpus if gpu.is_cut)),
        "gpu_driver": gpus[0].driver,
        "gpu_driver_major": gpus[0].driver.partition(".")[0],
    }
    return {name: value for name, value in told.items() if value}


def _each(values: Sequence[str]) -> str:
    return "; ".join(value or "unknown" for value in values) if any(values) else ""


def _instances(gpu: Gpu) -> str:
    return " ".join(sorted(gpu.profiles)) or "enabled, no instance"


def _gpu(fields: Sequence[str]) -> Gpu | None:
    if len(fields) != len(FIELDS):
        return None
    name, capability, memory, driver, mig = ("" if f.lower() in UNKNOWN else f for f in fields)
    if not name or (driver and not _DRIVER.fullmatch(driver)):
        return None
    known = capability if _CAPABILITY.fullmatch(capability) else ""
    return Gpu(name, known, memory, driver, is_cut=mig.lower() == "enabled")


def _ask(command: Sequence[str]) -> tuple[str | None, str]:
    """Standard output (None: no such tool, hence no device), and what went wrong.

    A file takes the output: the end of a pipe would wait for whatever the command started.
    """
    with tempfile.TemporaryFile() as answer:
        try:
            with subprocess.Popen(command, stdout=answer, stderr=subprocess.DEVNULL) as process:
                code = _wait(process)
        except FileNotFoundError:
            return None, ""
        except OSError as error:
            return "", f"{command[0]} cannot be run: {error}"
        answer.seek(0)
        text = answer.read(1 << 20).decode(errors="replace")
    if code is None:
        return "", f"{command[0]} did not answer within {TIMEOUT_SECONDS:g} s"
    return (text, "") if code == 0 else ("", f"{command[0]} ended with {code}: {text[:120].strip()}")


def _wait(process: "subprocess.Popen[bytes]") -> int | None:
    try:
        return process.wait(TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return None
