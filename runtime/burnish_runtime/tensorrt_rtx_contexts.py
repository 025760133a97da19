"""Execution contexts of one plan, lent to one caller at a time."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from burnish_engine.descriptor import TensorSpec
from burnish_runtime.check import format_shape
from burnish_runtime.cuda_memory import DeviceMemory
from burnish_runtime.dtypes import carrier
from burnish_runtime.errors import InferenceFailed, InvalidInput
from burnish_runtime.session import Array


class Context:
    """One execution context with memory of its own. on_host: tensors that are read on the host (shapes)."""

    def __init__(self, engine: Any, cuda: Any, subject: str, on_host: frozenset[str]) -> None:
        self._context = engine.create_execution_context()
        if self._context is None:
            raise InferenceFailed(
                subject, found="no execution context", expected="room for one on the device"
            )
        self._memory, self._subject, self._on_host = DeviceMemory(cuda), subject, on_host

    def run(self, arrays: Mapping[str, Array], outputs: Sequence[TensorSpec]) -> dict[str, Array]:
        """All outputs for these inputs.

        Raises: InvalidInput: shapes that do not fit each other.   InferenceFailed.
        """
        for name, array in arrays.items():
            self._context.set_input_shape(name, array.shape)
            held = array.ctypes.data if name in self._on_host else self._memory.put(name, array)
            self._context.set_tensor_address(name, held)
        self._check_shapes(arrays)
        found = {spec.name: self._placed(spec) for spec in outputs}
        if not self._context.execute_async_v3(self._memory.stream):
            raise self._failed("an execution that was refused")
        for name, array in found.items():
            if name not in self._on_host:
                self._memory.take(name, array)
        self._memory.wait()
        return found

    def close(self) -> None:
        """Give back the memory."""
        self._context = None
        self._memory.close()

    def _check_shapes(self, arrays: Mapping[str, Array]) -> None:
        if self._context.infer_shapes():
            told = ", ".join(f"{name}: {format_shape(array.shape)}" for name, array in arrays.items())
            raise InvalidInput("inputs", found=told, expected="shapes that fit the model and each other")

    def _placed(self, spec: TensorSpec) -> Array:
        """An array for an output, whose buffer is known to the context."""
        shape = tuple(self._context.get_tensor_shape(spec.name))
        if any(size < 0 for size in shape):
            raise self._failed(f"output {spec.name!r} whose shape depends on values")
        array: Array = np.empty(shape, carrier(spec.dtype))
        on_host = spec.name in self._on_host
        held = array.ctypes.data if on_host else self._memory.place(spec.name, array.nbytes)
        self._context.set_tensor_address(spec.name, held)
        return array

    def _failed(self, found: str) -> InferenceFailed:
        return InferenceFailed(self._subject, found=found, expected="feeds that the plan can compute")


class Contexts:
    """As many contexts as there are concurrent callers, never more."""

    def __init__(self, engine: Any, cuda: Any, subject: str, on_host: frozenset[str]) -> None:
        self._parts = (engine, cuda, subject, on_host)
        self._idle: list[Context] = []
        self._lock = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[Context]:
        """An idle context, or a new one. One whose run failed is closed, not put back."""
        with self._lock:
            context = self._idle.pop() if self._idle else None
        context = context or Context(*self._parts)
        try:
            yield context
        except BaseException:
            context.close()
            raise
        with self._lock:
            self._idle.append(context)

    def close(self) -> None:
        """Give back the memory."""
        with self._lock:
            idle, self._idle = self._idle, []
        for context in idle:
            context.close()
