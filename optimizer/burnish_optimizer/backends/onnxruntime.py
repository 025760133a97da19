"""Candidates that ONNX Runtime runs."""

from pathlib import Path

from burnish_optimizer.rewrite.fused import save_fused
from burnish_optimizer.tasks import BuildResult, BuildTask

MODEL = "model.onnx"


def build_fp32(task: BuildTask) -> BuildResult:
    """The exact model with ONNX Runtime's basic optimizations saved: less to do at every start.

    Raises: Declined.
    """
    save_fused(Path(task.model), Path(task.folder) / MODEL, task.threads)
    return BuildResult(model=MODEL)
