"""What ONNX Runtime's execution providers have in common where models are built."""

from pathlib import Path

from burnish_engine.coverage import Coverage
from burnish_engine.descriptor import RunOptions
from burnish_engine.request import Backend
from burnish_optimizer.rewrite.fused import save_fused
from burnish_optimizer.tasks import BuildResult, BuildTask
from burnish_runtime.load import open_session

MODEL = "model.onnx"


def save(task: BuildTask) -> BuildResult:
    """The exact model with the basic optimizations saved, which no provider changes.

    Raises: Declined.
    """
    save_fused(Path(task.model), Path(task.folder) / MODEL, task.threads)
    return BuildResult(model=MODEL)


def loaded(model: Path, backend: Backend) -> Coverage:
    """What a session of the backend on this machine took, with fallback allowed so that it is counted.

    Raises: UnsupportedBackend, InvalidModel.
    """
    session = open_session(model, backend, RunOptions(threads=1, allow_fallback=True))
    try:
        return session.coverage()
    finally:
        session.close()
