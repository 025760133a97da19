"""Candidates that ONNX Runtime runs on an NVIDIA device, by CUDA's provider."""

from collections.abc import Mapping
from pathlib import Path

from burnish_engine.coverage import Coverage
from burnish_engine.request import Backend
from burnish_optimizer.backends.onnxruntime_providers import loaded, save
from burnish_optimizer.tasks import BuildResult, BuildTask


def build(task: BuildTask) -> BuildResult:
    """See `backends.protocol.BuildSide`: kernels are chosen on the device, when the model is loaded."""
    return save(task)


def cover(model: Path, facts: Mapping[str, str]) -> Coverage:
    """See `backends.protocol.BuildSide`: only a machine with a device can tell."""
    return loaded(model, Backend.ONNXRUNTIME_CUDA)
