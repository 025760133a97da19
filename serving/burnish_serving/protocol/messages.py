"""Requests and answers as values, whatever they travelled in."""

from dataclasses import dataclass

from burnish_runtime.session import Array


@dataclass(frozen=True)
class InputTensor:
    """One input as it was sent: its array has the element type and shape that the request says."""

    name: str
    datatype: str
    array: Array


@dataclass(frozen=True)
class RequestedOutput:
    """One output that is asked for.

    binary: as raw bytes, None: as the whole request says.
    classes: instead of the values the highest ones with their indices, that many a row; 0: the values.
    """

    name: str
    binary: bool | None = None
    classes: int = 0


@dataclass(frozen=True)
class InferRequest:
    """A decoded request. No outputs named: all of them. `binary` is the request's default for outputs.

    timeout_seconds, priority: the schedule policy that it asks for (see `burnish_serving.scheduling.terms`).
    """

    inputs: tuple[InputTensor, ...]
    outputs: tuple[RequestedOutput, ...] = ()
    id: str | None = None
    binary: bool = False
    timeout_seconds: float | None = None
    priority: int = 0


@dataclass(frozen=True)
class OutputTensor:
    """One output to send."""

    name: str
    datatype: str
    array: Array
    binary: bool


@dataclass(frozen=True)
class Timing:
    """Where the time of one request went: waiting for the engine, then the engine running.

    ended: when that was over, as `time.perf_counter` tells it.
    """

    queue_seconds: float
    compute_seconds: float
    ended: float


@dataclass(frozen=True)
class InferResponse:
    """An answer to encode. `engine`: the digest of the engine that computed it."""

    model_name: str
    model_version: str
    outputs: tuple[OutputTensor, ...]
    id: str | None = None
    timing: Timing | None = None
    engine: str = ""

    @property
    def size_bytes(self) -> int:
        """Of all arrays together."""
        return sum(output.array.nbytes for output in self.outputs)


@dataclass(frozen=True)
class EncodedResponse:
    """An answer as bytes, in pieces: the JSON, then each binary tensor.

    header_length: of the JSON in front of binary tensors, None without any.
    """

    pieces: tuple[bytes | memoryview, ...]
    header_length: int | None

    @property
    def body(self) -> bytes:
        """The pieces as one."""
        return b"".join(self.pieces)

    @property
    def size_bytes(self) -> int:
        """Bytes of all pieces."""
        return sum(map(len, self.pieces))
