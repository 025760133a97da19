"""From a folder or a file to a model that answers."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import numpy as np

from burnish_engine.descriptor import EngineDescriptor, RunOptions, TensorSpec
from burnish_engine.request import Backend
from burnish_engine.store import read_engine
from burnish_runtime import check, onnxruntime_backend, openvino_backend, tensorrt_rtx_backend
from burnish_runtime.dtypes import STRING, carrier
from burnish_runtime.session import Array, Session

WARM_UP_RUNS = 3


@dataclass(frozen=True)
class Engine:
    """An engine that is loaded. `load_seconds` covers the backend's import, reading and compiling."""

    descriptor: EngineDescriptor
    session: Session
    load_seconds: float

    def warm_up(self, runs: int = WARM_UP_RUNS) -> None:
        """Run on zeros of every shape that the descriptor warms up: first runs allocate, and are slow.

        Raises: InvalidInput, InferenceFailed: the engine cannot compute what it promises.
        """
        for shapes in warm_up_shapes(self.descriptor):
            feeds = {spec.name: zeros(spec.dtype, shapes[spec.name]) for spec in self.session.inputs}
            for _ in range(runs):
                self.session.run(feeds)


def open_session(model: Path, backend: Backend, options: RunOptions) -> Session:
    """Load a model file into a backend.

    Raises: UnsupportedBackend, InvalidModel, InvalidOptions.
    """
    match backend:
        case Backend.ONNXRUNTIME | Backend.ONNXRUNTIME_CUDA | Backend.ONNXRUNTIME_TENSORRT:
            return onnxruntime_backend.open_session(model, options, backend)
        case Backend.OPENVINO:
            return openvino_backend.open_session(model, options)
        case Backend.TENSORRT_RTX:
            return tensorrt_rtx_backend.open_session(model, options)
    assert_never(backend)


def open_engine(folder: Path, threads: int | None = None, instances: int = 1) -> Engine:
    """Load the engine in a folder: `engine.json` and the model that it names.

    Args:
        threads: overrides the descriptor's, for a pod that has other CPUs than the Job had.
        instances: runs at once that should not wait for each other, each with so many threads.
    Raises: InvalidEngine, InvalidModel, UnsupportedBackend, InvalidOptions.
    """
    started = time.perf_counter()
    descriptor = read_engine(folder)
    options = descriptor.options.model_copy(update={"threads": threads}) if threads else descriptor.options
    if instances > 1 and descriptor.backend is Backend.OPENVINO:
        options = openvino_backend.with_streams(options, instances)
    session = open_session(folder / descriptor.model, descriptor.backend, options)
    _check_signature(folder, session, descriptor)
    return Engine(descriptor, session, time.perf_counter() - started)


def warm_up_shapes(descriptor: EngineDescriptor) -> tuple[dict[str, tuple[int, ...]], ...]:
    """The descriptor's shapes by input name, or one set with every dynamic dimension 1."""
    smallest = {spec.name: smallest_shape(spec) for spec in descriptor.inputs}
    return tuple({**smallest, **shapes} for shapes in descriptor.warmup_shapes) or (smallest,)


def smallest_shape(spec: TensorSpec) -> tuple[int, ...]:
    """The spec's shape with every dynamic dimension 1."""
    return tuple(1 if size is None else size for size in spec.shape)


def zeros(dtype: str, shape: tuple[int, ...]) -> Array:
    """An array of zeros (of empty strings) that a session takes for this element type."""
    return np.full(shape, "", dtype=object) if dtype == STRING else np.zeros(shape, carrier(dtype))


def _check_signature(folder: Path, session: Session, descriptor: EngineDescriptor) -> None:
    check.signature(str(folder), "inputs", found=session.inputs, expected=descriptor.inputs)
    check.signature(str(folder), "outputs", found=session.outputs, expected=descriptor.outputs)
