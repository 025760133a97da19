"""Candidates that ONNX Runtime runs on the CPU."""

from collections.abc import Mapping
from pathlib import Path

import onnx_ir as ir

from burnish_engine.coverage import Coverage
from burnish_engine.request import Backend
from burnish_optimizer.backends.onnxruntime_providers import MODEL, loaded, save
from burnish_optimizer.errors import Declined
from burnish_optimizer.precision.subnormal import clear, clear_file
from burnish_optimizer.tasks import BuildResult, BuildTask

__all__ = ["MODEL", "build", "build_flushed", "cover"]


def build(task: BuildTask) -> BuildResult:
    """The exact model with ONNX Runtime's basic optimizations saved: less to do at every start.

    Raises: Declined.
    """
    return save(task)


def build_flushed(task: BuildTask) -> BuildResult:
    """As `build`, with 0 for weights that are subnormal (see `precision.subnormal`).

    Raises: Declined: none are, or as `build`.
    """
    if not clear(ir.load(task.model)).weights:  # in memory alone: known before the dear step is taken
        raise Declined("no factor of a product is subnormal: the model is as fast without flushing them")
    built = save(task)
    return built.model_copy(update={"notes": clear_file(Path(task.folder) / built.model).notes})


def cover(model: Path, facts: Mapping[str, str]) -> Coverage:
    """See `backends.protocol.BuildSide`."""
    return loaded(model, Backend.ONNXRUNTIME)
