"""What a fingerprint implies for recipes. Pure; features are looked up whole, never as substrings.

Facts are a fingerprint's (features with spaces between them) or an accelerator class's (with commas).
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from burnish_optimizer.errors import InvalidJob
from burnish_optimizer.targets.ahead_of_time import builds_for

X86 = frozenset({"x86_64", "AMD64", "amd64"})
INT8_DOT = frozenset({"AVX512VNNI", "AVXVNNI", "AVXVNNIINT8", "AMXINT8", "ASIMDDP", "I8MM"})
BF16 = frozenset({"AVX512BF16", "AMXBF16", "BF16"})
FP16 = frozenset({"AVX512FP16", "AMXFP16", "ASIMDHP"})
AVX512 = frozenset({"AVX512F", "AVX512BW"})
FP8_CAPABILITY = (8, 9)


def features(facts: Mapping[str, str]) -> frozenset[str]:
    """The features of a fingerprint."""
    return frozenset(re.split(r"[,\s]+", facts.get("features", ""))) - {""}


def capability(facts: Mapping[str, str]) -> tuple[int, int] | None:
    """The lowest CUDA compute capability of all devices; None where there is none, or one does not tell."""
    told = facts.get("gpu_capability") or f"{facts.get('compute_major')}.{facts.get('compute_minor')}"
    found = [re.fullmatch(r"(\d+)\.(\d+)", part.strip()) for part in told.split(";")]
    return min((int(m[1]), int(m[2])) for m in found if m) if all(found) else None


def has_bf16(facts: Mapping[str, str]) -> bool:
    """Whether bfloat16 is computed in hardware; elsewhere OpenVINO silently computes in FP32."""
    return bool(features(facts) & BF16)


def has_fp16(facts: Mapping[str, str]) -> bool:
    """Whether the processor computes in half precision; others convert each value to FP32 and back."""
    return bool(features(facts) & FP16)


def has_int8_dot(facts: Mapping[str, str]) -> bool:
    """Whether sums of products of bytes are one instruction, kept in 32 bits."""
    return bool(features(facts) & INT8_DOT)


def has_avx2(facts: Mapping[str, str]) -> bool:
    """Whether vectors of integers have 256 bits (x86)."""
    return "AVX2" in features(facts)


def has_avx512(facts: Mapping[str, str]) -> bool:
    """Whether the parts of AVX-512 that kernels are written for are there: F, BW, DQ and VL."""
    return features(facts) >= AVX512


def has_amx(facts: Mapping[str, str]) -> bool:
    """Whether matrices are multiplied in tiles (x86)."""
    return "AMXTILE" in features(facts)


def has_fp8(facts: Mapping[str, str]) -> bool:
    """Whether every device multiplies matrices of FP8: from compute capability 8.9 (Ada, Hopper).

    Source: NVIDIA, "TensorRT support matrix", hardware and precision.
    """
    return (capability(facts) or (0, 0)) >= FP8_CAPABILITY


def has_gpu(facts: Mapping[str, str]) -> bool:
    """Whether there is an NVIDIA device."""
    return capability(facts) is not None


def saturates_u8s8(facts: Mapping[str, str]) -> bool:
    """Whether u8 × s8 products are summed in 16 bits, which saturates: weights then get 7 bits.

    x86 without VNNI (`vpmaddubsw`). Source: ONNX Runtime, "Quantize ONNX models", reduce_range.
    """
    return facts.get("arch", "") in X86 and not has_int8_dot(facts)


class Requirement(NamedTuple):
    """Something that a recipe needs: whether facts have it, and what is said where they do not."""

    holds: Callable[[Mapping[str, str]], bool]
    refusal: str


REQUIREMENTS: Mapping[str, Requirement] = {
    "avx2": Requirement(has_avx2, "this processor has no AVX2"),
    "avx512": Requirement(has_avx512, "this processor has no AVX-512 (F and BW)"),
    "amx": Requirement(has_amx, "this processor has no AMX"),
    "int8-dot": Requirement(has_int8_dot, "this processor has no dot product of bytes (VNNI, AMX, dotprod)"),
    "bf16": Requirement(has_bf16, "this processor does not compute in BF16"),
    "fp16": Requirement(has_fp16, "this processor does not compute in FP16, it would emulate it"),
    "fp8": Requirement(has_fp8, "FP8 needs NVIDIA devices of compute capability 8.9 or above"),
    "tensorrt-rtx": Requirement(
        builds_for, "the target has no NVIDIA device of a compute capability that plans are built ahead for"
    ),
    "nvidia-gpu": Requirement(has_gpu, "there is no NVIDIA device here"),
}


def refusal(requirement: str, facts: Mapping[str, str]) -> str:
    """Why a machine does not meet a requirement; empty where it does.

    Raises: InvalidJob: no such requirement.
    """
    known = REQUIREMENTS.get(requirement)
    if known is None:
        raise InvalidJob(
            f"requirement {requirement!r}",
            found="an unknown name",
            expected=f"one of {', '.join(REQUIREMENTS)}",
        )
    return "" if known.holds(facts) else known.refusal
