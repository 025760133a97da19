"""Memory of an NVIDIA device for one caller, and copies to and from it, through the CUDA runtime.

Source: CUDA Runtime API, "Memory Management" and "Stream Management"; Python names of `cuda.bindings`.
"""

from typing import Any

from burnish_runtime.errors import InferenceFailed, UnsupportedBackend
from burnish_runtime.session import Array

REMEDY = (
    "Run it on a machine with an NVIDIA device and a driver for CUDA 13 (nvidia-smi must list the device)."
)


class DeviceMemory:
    """A stream and buffers by name, which grow and are used again. Not for several threads at once.

    Raises (all methods): InferenceFailed: the device has no room, or broke.
    """

    def __init__(self, cuda: Any) -> None:
        self._cuda = cuda
        self._buffers: dict[str, tuple[int, int]] = {}
        self.stream = int(self._done(cuda.cudaStreamCreate()))

    def place(self, name: str, size_bytes: int) -> int:
        """The address of a buffer of at least this size; what it held is lost where it grows."""
        address, held = self._buffers.get(name, (0, 0))
        wanted = max(size_bytes, 1)
        if held < wanted:
            self._free(name)
            address = int(self._done(self._cuda.cudaMalloc(wanted)))
            self._buffers[name] = (address, wanted)
        return address

    def put(self, name: str, array: Array) -> int:
        """Copy a C-contiguous array into its buffer; its address. The array must live until `wait`."""
        address = self.place(name, array.nbytes)
        if array.nbytes:
            kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
            self._copy(address, array.ctypes.data, array.nbytes, kind)
        return address

    def take(self, name: str, array: Array) -> None:
        """Copy a buffer out, into an array that is filled once `wait` returns."""
        if array.nbytes:
            kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
            self._copy(array.ctypes.data, self._buffers[name][0], array.nbytes, kind)

    def wait(self) -> None:
        """Until the stream has done everything so far."""
        self._done(self._cuda.cudaStreamSynchronize(self.stream))

    def close(self) -> None:
        """Give back buffers and stream."""
        for name in list(self._buffers):
            self._free(name)
        self._done(self._cuda.cudaStreamDestroy(self.stream))

    def _copy(self, to: int, source: int, size_bytes: int, kind: Any) -> None:
        self._done(self._cuda.cudaMemcpyAsync(to, source, size_bytes, kind, self.stream))

    def _free(self, name: str) -> None:
        address, held = self._buffers.pop(name, (0, 0))
        if held:
            self._done(self._cuda.cudaFree(address))

    def _done(self, answer: tuple[Any, ...]) -> Any:
        code, *values = answer
        if code != self._cuda.cudaError_t.cudaSuccess:
            raise InferenceFailed(
                "CUDA", found=error_text(self._cuda, code), expected="a device that answers"
            )
        return values[0] if values else None


def check_device(cuda: Any) -> None:
    """There must be a device, and a driver for this CUDA.

    Raises: UnsupportedBackend.
    """
    code, count = cuda.cudaGetDeviceCount()
    if code != cuda.cudaError_t.cudaSuccess or not count:
        found = "no device" if code == cuda.cudaError_t.cudaSuccess else error_text(cuda, code)
        raise UnsupportedBackend("tensorrt-rtx", found=found, expected="an NVIDIA device", remedy=REMEDY)


def error_text(cuda: Any, code: Any) -> str:
    """An error code in CUDA's words."""
    _, text = cuda.cudaGetErrorString(code)
    return text.decode(errors="replace") if isinstance(text, bytes) else str(code)
