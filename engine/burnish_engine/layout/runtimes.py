"""The servers that an engine may be served by, and which backends each of them has."""

from collections.abc import Mapping
from enum import StrEnum

from burnish_engine.request import Backend

# A processor with any of these computes OpenVINO's FP32 models in BF16, unless it is told not to.
BF16_FEATURES = frozenset({"AMXBF16", "AVX512BF16", "BF16"})


class ServingRuntime(StrEnum):
    """What answers requests: `burnish serve`, or another server from the same engine."""

    BURNISH = "Burnish"
    TRITON = "Triton"
    OPENVINO_MODEL_SERVER = "OpenVINOModelServer"


_ONNXRUNTIME = (Backend.ONNXRUNTIME, Backend.ONNXRUNTIME_CUDA, Backend.ONNXRUNTIME_TENSORRT)
BACKENDS: Mapping[ServingRuntime, tuple[Backend, ...]] = {
    ServingRuntime.BURNISH: tuple(Backend),
    ServingRuntime.TRITON: (*_ONNXRUNTIME, Backend.OPENVINO),
    ServingRuntime.OPENVINO_MODEL_SERVER: (Backend.OPENVINO,),
}


def backends_to_try(runtime: ServingRuntime, facts: Mapping[str, str]) -> tuple[Backend, ...] | None:
    """What the search for an engine is narrowed to, so that the winner can be served; None: not at all.

    Triton cannot tell OpenVINO to compute in FP32: there the hardware must be known to have nothing else.
    Args: facts: of the target, a fingerprint's or an accelerator class's.
    """
    if runtime is ServingRuntime.BURNISH:
        return None
    if runtime is ServingRuntime.TRITON and not computes_fp32_alone(facts):
        return _ONNXRUNTIME
    return BACKENDS[runtime]


def computes_fp32_alone(facts: Mapping[str, str]) -> bool:
    """Whether the processor is known, and has no BF16. Features stand with commas or spaces between them."""
    features = set(facts.get("features", "").replace(",", " ").split())
    return bool(features) and not features & BF16_FEATURES
