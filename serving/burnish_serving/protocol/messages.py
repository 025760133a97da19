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
    """One output that is asked for. `binary`: as raw bytes, None: as the whole request says."""

    name: str
    binary: bool | None = None


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
class InferResponse:
    """An answer to encode."""

    model_name: str
    model_version: str
    outputs: tuple[OutputTensor, ...]
    id: str | None = None


@dataclass(frozen=True)
class EncodedResponse:
    """An answer as bytes. `header_length`: of the JSON in front of binary tensors, None without any."""

    body: bytes
    header_length: int | None
