# ruff: noqa: N802, N815 - the libraries' own names
"""TensorRT for RTX and the CUDA runtime, made up: a device whose memory is the host's."""

import ctypes
from collections.abc import Callable
from enum import Enum, IntEnum
from types import SimpleNamespace
from typing import Any


class Mode(Enum):
    """`trt.TensorIOMode`."""

    INPUT = 1
    OUTPUT = 2


class Location(Enum):
    """`trt.TensorLocation`."""

    DEVICE = 1
    HOST = 2


class Code(IntEnum):
    """`cudaError_t`."""

    cudaSuccess = 0
    cudaErrorMemoryAllocation = 2
    cudaErrorNoDevice = 100


class HostCuda:
    """The CUDA runtime's functions over the host's memory. `room`: bytes of the device."""

    cudaError_t = Code
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)

    def __init__(self, room: int = 1 << 20, devices: int = 1) -> None:
        self.room, self.devices = room, devices
        self.held: dict[int, Any] = {}
        self.streams = 0

    def cudaGetDeviceCount(self) -> tuple[Code, int]:
        return (Code.cudaSuccess, self.devices)

    def cudaGetErrorString(self, code: Code) -> tuple[Code, bytes]:
        return Code.cudaSuccess, code.name.encode()

    def cudaStreamCreate(self) -> tuple[Code, int]:
        self.streams += 1
        return Code.cudaSuccess, self.streams

    def cudaStreamDestroy(self, stream: int) -> tuple[Code]:
        self.streams -= 1
        return (Code.cudaSuccess,)

    def cudaStreamSynchronize(self, stream: int) -> tuple[Code]:
        return (Code.cudaSuccess,)

    def cudaMalloc(self, size: int) -> tuple[Code, int]:
        if size + sum(len(block) for block in self.held.values()) > self.room:
            return Code.cudaErrorMemoryAllocation, 0
        block = ctypes.create_string_buffer(size)
        self.held[ctypes.addressof(block)] = block
        return Code.cudaSuccess, ctypes.addressof(block)

    def cudaFree(self, address: int) -> tuple[Code]:
        del self.held[address]
        return (Code.cudaSuccess,)

    def cudaMemcpyAsync(self, to: int, source: int, size: int, kind: int, stream: int) -> tuple[Code]:
        ctypes.memmove(to, source, size)
        return (Code.cudaSuccess,)


class DoublingEngine:
    """A plan of y = 2 x for x [1 to 8, 3]; takes no odd number of rows above 1. `y_shape`: what it tells."""

    num_io_tensors, num_layers = 2, 1

    def __init__(self, kind: str = "FLOAT", y_shape: Callable[[Any], Any] = tuple) -> None:
        self.kind, self.y_shape = kind, y_shape
        self.contexts = 0
        self.refuses = False

    def get_tensor_name(self, index: int) -> str:
        return "xy"[index]

    def get_tensor_mode(self, name: str) -> Mode:
        return Mode.INPUT if name == "x" else Mode.OUTPUT

    def get_tensor_location(self, name: str) -> Location:
        return Location.DEVICE

    def get_tensor_dtype(self, name: str) -> Any:
        return SimpleNamespace(name=self.kind)

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (-1, 3)

    def get_tensor_profile_shape(self, name: str, index: int) -> list[tuple[int, ...]]:
        return [(1, 3), (1, 3), (8, 3)]

    def create_execution_context(self) -> "DoublingContext":
        self.contexts += 1
        return DoublingContext(self)


class DoublingContext:
    """One caller's context of a `DoublingEngine`."""

    def __init__(self, engine: DoublingEngine) -> None:
        self.engine, self.shape, self.at = engine, (0, 0), {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shape = shape
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.at[name] = address
        return True

    def infer_shapes(self) -> list[str]:
        return ["y"] if self.shape[0] % 2 and self.shape[0] > 1 else []

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.engine.y_shape(self.shape)

    def execute_async_v3(self, stream: int) -> bool:
        count = self.shape[0] * self.shape[1]
        x, y = (ctypes.cast(self.at[name], ctypes.POINTER(ctypes.c_float)) for name in "xy")
        for index in range(count):
            y[index] = 2 * x[index]
        return not self.engine.refuses


class Library:
    """What of `tensorrt_rtx` loading a plan needs. `engine`: what any plan is; None: it is refused."""

    __version__ = "0.test"
    TensorIOMode, TensorLocation = Mode, Location

    class ILogger:
        ERROR, INTERNAL_ERROR, WARNING = "error", "internal", "warning"

    def __init__(self, engine: DoublingEngine | None) -> None:
        self.engine = engine

    def Runtime(self, log: Any) -> "Library":
        self.log = log
        return self

    def deserialize_cuda_engine(self, plan: bytes) -> DoublingEngine | None:
        if self.engine is None:
            self.log.log(self.ILogger.WARNING, "something else")
            self.log.log(self.ILogger.ERROR, "built for\nanother device")
        return self.engine
