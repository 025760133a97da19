"""What a backend can be asked on the building side: to build a candidate, and what it covers of a model.

Running is `burnish_runtime`'s, measuring is `measure`'s: the four need not happen on one machine. One module
a backend, each with the two functions of `BuildSide`; nothing of its library is imported before it is asked.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, cast

from burnish_engine.coverage import Coverage
from burnish_engine.request import Backend
from burnish_optimizer.tasks import BuildResult, BuildTask, Task

_HERE = "burnish_optimizer.backends"
MODULES: Mapping[Backend, str] = MappingProxyType(
    {
        Backend.ONNXRUNTIME: f"{_HERE}.onnxruntime",
        Backend.OPENVINO: f"{_HERE}.openvino",
        Backend.ONNXRUNTIME_CUDA: f"{_HERE}.onnxruntime_cuda",
        Backend.ONNXRUNTIME_TENSORRT: f"{_HERE}.onnxruntime_tensorrt",
        Backend.TENSORRT_RTX: f"{_HERE}.tensorrt_rtx",
    }
)


class BuildSide(Protocol):
    """A backend where models are built."""

    def build(self, task: BuildTask) -> BuildResult:
        """Build the exact model as it is, in the precision that its graph has.

        Raises: Declined.
        """

    def cover(self, model: Path, facts: Mapping[str, str]) -> Coverage:
        """Where the nodes of an ONNX model would run, on the hardware that the facts tell of.

        Raises: Declined, UnsupportedBackend, InvalidModel: the question cannot be answered here.
        """


class CoverTask(Task):
    """Ask a backend what it covers of a model. `facts`: of the hardware that it shall run on."""

    run: str = f"{_HERE}.protocol:run_cover"
    model: str
    backend: Backend
    facts: dict[str, str]


def side(backend: Backend) -> BuildSide:
    """The building side of a backend."""
    return cast(BuildSide, importlib.import_module(MODULES[backend]))


def run_cover(task: CoverTask) -> Coverage:
    """Answer a `CoverTask`: native libraries may crash on a model, hence in a process of its own."""
    return side(task.backend).cover(Path(task.model), task.facts)
