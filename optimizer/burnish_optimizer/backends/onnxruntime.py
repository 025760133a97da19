"""Candidates that ONNX Runtime runs on the CPU."""

from collections.abc import Mapping
from pathlib import Path

from burnish_engine.coverage import Coverage
from burnish_engine.request import Backend
from burnish_optimizer.backends.onnxruntime_providers import MODEL, loaded, save
from burnish_optimizer.tasks import BuildResult, BuildTask

__all__ = ["MODEL", "build", "cover"]


def build(task: BuildTask) -> BuildResult:
    """The exact model with ONNX Runtime's basic optimizations saved: less to do at every start.

    Raises: Declined.
    """
    return save(task)


def cover(model: Path, facts: Mapping[str, str]) -> Coverage:
    """See `backends.protocol.BuildSide`."""
    return loaded(model, Backend.ONNXRUNTIME)
