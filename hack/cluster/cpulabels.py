"""Node labels in node-feature-discovery's naming, computed from /proc/cpuinfo. Pure.

A real fleet gets these labels from node-feature-discovery (NFD); the demo cluster has none
running, so we write what NFD would. A label appears only if the kernel reports the feature:
Burnish decides by them which instructions an engine may use, and a wrong one is a crash.

Source: NFD `cpu` source; feature names are those of github.com/klauspost/cpuid, without the
ones on NFD's default deny list (SSE, BMI, RDRAND and the like: every machine has them).
"""

from __future__ import annotations

PREFIX = "feature.node.kubernetes.io"

# Linux flag -> NFD name, where it is not the upper-cased flag without underscores.
RENAMED = {"aes": "AESNI", "fma": "FMA3", "sha_ni": "SHA"}
REPORTED = frozenset(
    [
        "adx",
        "aes",
        "amx_bf16",
        "amx_complex",
        "amx_fp16",
        "amx_int8",
        "amx_tile",
        "avx",
        "avx2",
        "avx512_bf16",
        "avx512_bitalg",
        "avx512_fp16",
        "avx512_vbmi2",
        "avx512_vnni",
        "avx512_vp2intersect",
        "avx512_vpopcntdq",
        "avx512bw",
        "avx512cd",
        "avx512dq",
        "avx512er",
        "avx512f",
        "avx512ifma",
        "avx512pf",
        "avx512vbmi",
        "avx512vl",
        "avx_ifma",
        "avx_ne_convert",
        "avx_vnni",
        "avx_vnni_int8",
        "avx_vnni_int16",
        "fma",
        "fma4",
        "gfni",
        "hypervisor",
        "movbe",
        "sha_ni",
        "sse4a",
        "vaes",
        "vpclmulqdq",
        "xop",
        "xsave",
        "xsavec",
        "xsaveopt",
    ]
)
VENDORS = {"AuthenticAMD": "AMD", "GenuineIntel": "Intel", "HygonGenuine": "Hygon"}


def first_processor(cpuinfo: str) -> dict[str, str]:
    """The fields of the first processor: all processors of a machine that we label are alike."""
    fields: dict[str, str] = {}
    for line in cpuinfo.partition("\n\n")[0].splitlines():
        key, _, value = line.partition(":")
        fields[key.strip()] = value.strip()
    return fields


def feature_names(flags: str) -> list[str]:
    """NFD's names of the x86 flags that it reports.

    >>> feature_names("fpu sse2 avx2 fma avx512_vnni")
    ['AVX2', 'AVX512VNNI', 'FMA3']
    """
    known = REPORTED.intersection(flags.split())
    return sorted(RENAMED.get(flag, flag.upper().replace("_", "")) for flag in known)


def cpu_labels(cpuinfo: str) -> dict[str, str]:
    """All labels of a machine, by full name.

    Args:    cpuinfo: text of /proc/cpuinfo; on arm64 `Features` stands for `flags`, upper-cased as NFD does.
    Returns: label -> value; absent features have no label.
    """
    processor = first_processor(cpuinfo)
    if "Features" in processor:
        names = sorted(name.upper() for name in processor["Features"].split())
        return {f"{PREFIX}/cpu-cpuid.{name}": "true" for name in names}
    labels = {f"{PREFIX}/cpu-cpuid.{name}": "true" for name in feature_names(processor.get("flags", ""))}
    vendor = processor.get("vendor_id", "")
    model = {
        "vendor_id": VENDORS.get(vendor, vendor),
        "family": processor.get("cpu family", ""),
        "id": processor.get("model", ""),
    }
    labels |= {f"{PREFIX}/cpu-model.{key}": value for key, value in model.items() if value}
    labels[f"{PREFIX}/cpu-hardware_multithreading"] = str(has_threads(processor)).lower()
    return labels


def has_threads(processor: dict[str, str]) -> bool:
    """Whether cores run several threads: more siblings than cores in a package."""
    siblings, cores = processor.get("siblings", "1"), processor.get("cpu cores", "1")
    return int(siblings) > int(cores)
