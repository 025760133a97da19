"""The fingerprint of this machine: exact facts, never a family name. They go into the engine key."""

import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from burnish_runtime import cpu

CPU_INFO = Path("/proc/cpuinfo")
MEMORY_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
# /proc/cpuinfo's spelling to the name in our facts; what is not here decides nothing.
FEATURES: Mapping[str, str] = {
    "avx2": "AVX2",
    "fma": "FMA",
    "avx512f": "AVX512F",
    "avx512_vnni": "AVX512VNNI",
    "avx_vnni": "AVXVNNI",
    "avx512_bf16": "AVX512BF16",
    "avx512_fp16": "AVX512FP16",
    "amx_tile": "AMXTILE",
    "amx_int8": "AMXINT8",
    "amx_bf16": "AMXBF16",
    "asimddp": "ASIMDDP",
    "bf16": "BF16",
    "i8mm": "I8MM",
    "sve": "SVE",
}
NVIDIA_QUERY = "name,compute_cap,memory.total,driver_version,mig.mode.current"


def fingerprint() -> dict[str, str]:
    """Facts of this machine, by name.

    arch, vendor, model, family, features (space-separated, sorted), cores (this process may use),
    quota (CPUs of the cgroup, where limited), memory_bytes, and of an NVIDIA device gpu, gpu_capability,
    gpu_memory, gpu_driver, gpu_mig.
    """
    facts = {"arch": platform.machine(), **parse_cpu_info(_read(CPU_INFO))}
    facts["cores"] = str(cpu.affinity_cpus())
    if cpu.is_limited():
        facts["quota"] = f"{cpu.available_cpus():g}"
    facts["memory_bytes"] = str(available_memory_bytes())
    return {**facts, **parse_nvidia(_nvidia_smi())}


def parse_cpu_info(text: str) -> dict[str, str]:
    """Vendor, model and features from the first processor of `/proc/cpuinfo` (x86 and ARM spellings)."""
    first: dict[str, str] = {}
    for line in text.split("\n\n", maxsplit=1)[0].splitlines():
        name, _, value = line.partition(":")
        first[name.strip().lower()] = value.strip()
    family = [first[name] for name in ("cpu family", "model", "stepping") if name in first]
    facts = {
        "vendor": first.get("vendor_id", first.get("cpu implementer", "")),
        "model": first.get("model name", first.get("cpu part", "")),
        "family": ".".join(family),
        "features": " ".join(known_features(first.get("flags", first.get("features", "")).split())),
    }
    return {name: value for name, value in facts.items() if value}


def known_features(flags: Iterable[str]) -> list[str]:
    """The flags that decide anything, by our names, sorted."""
    return sorted(FEATURES[flag] for flag in set(flags) if flag in FEATURES)


def parse_nvidia(text: str) -> dict[str, str]:
    """Facts of the first device in `nvidia-smi --query-gpu … --format=csv,noheader`; none without one."""
    first = re.split(r"\s*,\s*", text.strip().splitlines()[0]) if text.strip() else []
    names = ("gpu", "gpu_capability", "gpu_memory", "gpu_driver", "gpu_mig")
    return dict(zip(names, first, strict=False)) if len(first) == len(names) else {}


def available_memory_bytes() -> int:
    """Memory that this process may use: the cgroup's limit, or the machine's."""
    total = int(psutil.virtual_memory().total)
    limits = [int(text) for path in MEMORY_LIMITS if (text := _read(path).strip()).isdigit()]
    return min([total, *limits])


def _nvidia_smi() -> str:
    try:
        command = ["nvidia-smi", f"--query-gpu={NVIDIA_QUERY}", "--format=csv,noheader"]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
