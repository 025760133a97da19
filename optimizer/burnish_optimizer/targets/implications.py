"""What a fingerprint implies for recipes. Pure; features are looked up whole, never as substrings."""

from collections.abc import Mapping

VNNI = frozenset({"AVX512VNNI", "AVXVNNI", "AMXINT8", "ASIMDDP", "I8MM"})
BF16 = frozenset({"AVX512BF16", "AMXBF16", "BF16"})


def features(facts: Mapping[str, str]) -> frozenset[str]:
    """The features of a fingerprint."""
    return frozenset(facts.get("features", "").split())


def has_bf16(facts: Mapping[str, str]) -> bool:
    """Whether bfloat16 is computed in hardware; elsewhere OpenVINO silently computes in FP32."""
    return bool(features(facts) & BF16)


def saturates_u8s8(facts: Mapping[str, str]) -> bool:
    """Whether u8 × s8 products are summed in 16 bits, which saturates: weights then get 7 bits.

    x86 without VNNI (`vpmaddubsw`). Source: ONNX Runtime, "Quantize ONNX models", reduce_range.
    """
    return facts.get("arch", "") in ("x86_64", "AMD64") and not features(facts) & VNNI
