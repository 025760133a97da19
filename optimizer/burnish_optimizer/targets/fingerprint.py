"""The fingerprint of this machine: exact facts, never a family name. They go into the engine key."""

import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from burnish_optimizer.targets import nvidia, topology
from burnish_runtime import cpu

CPU_INFO = Path("/proc/cpuinfo")
MEMORY_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
# /proc/cpuinfo's spelling to the name in our facts; what is not here decides nothing.
FEATURES: Mapping[str, str] = {
    "avx": "AVX",
    "avx2": "AVX2",
    "fma": "FMA3",
    "avx512f": "AVX512F",
    "avx512bw": "AVX512BW",
    "avx512_vnni": "AVX512VNNI",
    "avx_vnni": "AVXVNNI",
    "avx_vnni_int8": "AVXVNNIINT8",
    "avx512_bf16": "AVX512BF16",
    "avx512_fp16": "AVX512FP16",
    "amx_tile": "AMXTILE",
    "amx_int8": "AMXINT8",
    "amx_bf16": "AMXBF16",
    "amx_fp16": "AMXFP16",
    "asimd": "ASIMD",
    "asimdhp": "ASIMDHP",
    "asimddp": "ASIMDDP",
    "bf16": "BF16",
    "i8mm": "I8MM",
    "sve": "SVE",
    "sve2": "SVE2",
    "sme": "SME",
}
"""Node Feature Discovery's names, as accelerator classes have them. Sources: Linux, `cpufeatures.h` (x86) and
"ARM64 ELF hwcaps"."""
MEMORY_STEP_BYTES = 64 << 20
# Facts that are worth telling, and decide nothing: a driver's patch level comes and goes.
TOLD_ONLY = frozenset({"gpu_driver"})


def fingerprint(gpus: nvidia.Found | None = None) -> dict[str, str]:
    """Facts of this machine, by name. Nothing here changes while it runs.

    arch, vendor, model, family, features (space-separated, sorted), cores (processors that this process may
    use), physical_cores (that those are threads of), quota (CPUs of the cgroup, where limited), l2_bytes,
    l3_bytes, memory_bytes (in steps of 64 MiB: kernels keep a little more or less for themselves), and of
    NVIDIA devices what `nvidia.facts` tells.

    Args: gpus: the devices, where they were asked for already.
    """
    facts = {"arch": platform.machine(), **parse_cpu_info(_read(CPU_INFO))}
    facts["cores"] = str(cpu.affinity_cpus())
    facts |= _topology_facts()
    if cpu.is_limited():
        facts["quota"] = f"{cpu.available_cpus():g}"
    facts["memory_bytes"] = str(_stepped(available_memory_bytes()))
    return {**facts, **nvidia.facts((gpus or nvidia.find()).gpus)}


def key_facts(facts: Mapping[str, str]) -> dict[str, str]:
    """The facts that decide which engine comes out: what goes into the engine key."""
    return {name: value for name, value in facts.items() if name not in TOLD_ONLY}


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


def available_memory_bytes() -> int:
    """Memory that this process may use: the cgroup's limit, or the machine's."""
    total = int(psutil.virtual_memory().total)
    limits = [int(text) for path in MEMORY_LIMITS if (text := _read(path).strip()).isdigit()]
    return min([total, *limits])


def _topology_facts() -> dict[str, str]:
    if not hasattr(os, "sched_getaffinity"):
        return {}
    processors = sorted(os.sched_getaffinity(0))
    cores = topology.physical_cores(processors)
    told = {"physical_cores": str(cores)} if cores else {}
    return told | topology.cache_facts(topology.caches(processors[0]))


def _stepped(count: int) -> int:
    """Rounded down, where there is more than a step."""
    return count // MEMORY_STEP_BYTES * MEMORY_STEP_BYTES or count


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
