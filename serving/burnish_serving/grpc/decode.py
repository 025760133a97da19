"""Bytes of a ModelInferRequest -> `InferRequest`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from burnish_serving.errors import BodyTooLarge, InvalidRequest
from burnish_serving.grpc import typed_contents, wire
from burnish_serving.grpc.proto.open_inference_pb2 import InferParameter, ModelInferRequest
from burnish_serving.protocol import binary_data, fields, schedule_policy
from burnish_serving.protocol.datatypes import BOOL, BYTES, dtype_of
from burnish_serving.protocol.decode import MAX_JSON_BYTES
from burnish_serving.protocol.messages import InferRequest, InputTensor, RequestedOutput

RAW_INPUT_CONTENTS = ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER
_REFUSED: Mapping[str, str] = MappingProxyType(
    {"shared_memory_region": "tensors in the request: memory is not shared with clients"}
)
_POLICY = (schedule_policy.TIMEOUT, schedule_policy.PRIORITY)
AnyMessage = TypeVar("AnyMessage", bound=Message)


@dataclass(frozen=True)
class Received:
    """A request as it arrived: the message without its raw contents, and views of those."""

    message: ModelInferRequest
    raw: Sequence[memoryview]

    @classmethod
    def read(cls, message: bytes, raw: Sequence[memoryview]) -> "Received":
        """Of what `split` gave. Raises: InvalidRequest."""
        return cls(parse(ModelInferRequest, message), raw)

    @property
    def work_bytes(self) -> int:
        """How much there is to read, element by element: raw numbers are not, they become views."""
        visited = any(item.datatype in (BOOL, BYTES) for item in self.message.inputs)
        return self.message.ByteSize() + (wire.size(self.raw) if visited else 0)


def parse(kind: type[AnyMessage], data: bytes) -> AnyMessage:
    """A message from its bytes. Raises: InvalidRequest."""
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise InvalidRequest(
            "request", found="bytes that do not parse", expected=f"inference.{kind.__name__} in protobuf"
        ) from error


def split(data: bytes, max_message_bytes: int = MAX_JSON_BYTES) -> tuple[bytes, Sequence[memoryview]]:
    """A request's message without its raw contents, and views of those. Fast, however large they are.

    Args: max_message_bytes: of the message alone; typed contents grow severalfold when they are read.
    Raises: InvalidRequest; BodyTooLarge: the message alone.
    """
    message, raw = wire.split(data, RAW_INPUT_CONTENTS)
    if len(message) > max_message_bytes:
        raise BodyTooLarge(
            "request",
            found=f"{len(message)} bytes beside raw contents",
            expected=f"at most {max_message_bytes} bytes",
            remedy="Send tensors as raw contents, or raise --max-json-bytes.",
        )
    return message, raw


def decode(received: Received) -> InferRequest:
    """The request with its arrays: views of what arrived, where the contents are raw.

    Source: open_inference_grpc.proto, ModelInferRequest.
    Raises: InvalidRequest.
    """
    message, raw = received.message, received.raw
    if raw and len(raw) != len(message.inputs):
        raise InvalidRequest(
            "raw_input_contents",
            found=f"{len(raw)} contents",
            expected=f"one for each of the {len(message.inputs)} inputs, or none at all",
        )
    _refuse(message.parameters, "request")
    contents: Sequence[memoryview | None] = raw or [None] * len(message.inputs)
    inputs = tuple(_input(item, data) for item, data in zip(message.inputs, contents, strict=True))
    outputs = tuple(_output(item) for item in message.outputs)
    fields.check_unique([tensor.name for tensor in inputs], "inputs")
    fields.check_unique([output.name for output in outputs], "outputs")
    policy = {name: _value(message.parameters[name]) for name in _POLICY if name in message.parameters}
    return InferRequest(
        inputs,
        outputs,
        message.id or None,
        binary=True,
        timeout_seconds=schedule_policy.timeout_seconds(policy),
        priority=schedule_policy.priority(policy),
    )


def _value(parameter: InferParameter) -> object:
    kind = parameter.WhichOneof("parameter_choice")
    return None if kind is None else getattr(parameter, kind)


def _input(item: ModelInferRequest.InferInputTensor, raw: memoryview | None) -> InputTensor:
    subject = f"input {item.name[:80]!r}"
    _refuse(item.parameters, subject)
    dtype_of(item.datatype, subject)
    shape = fields.shape(list(item.shape[: fields.MAX_RANK + 1]), f"{subject}, shape")
    typed = item.HasField("contents") and item.contents.ByteSize() > 0
    if raw is None:
        array = typed_contents.decode(item.contents, item.datatype, shape, subject)
    elif typed:
        raise InvalidRequest(
            subject, found="both contents and raw_input_contents", expected="one of them for all inputs"
        )
    else:
        array = binary_data.decode(raw, item.datatype, shape, subject)
    return InputTensor(item.name, item.datatype, array)


def _output(item: ModelInferRequest.InferRequestedOutputTensor) -> RequestedOutput:
    subject = f"output {item.name[:80]!r}"
    _refuse(item.parameters, subject)
    classes = _whole_number(item.parameters, "classification", subject)
    return RequestedOutput(item.name, classes=classes)


def _whole_number(parameters: Mapping[str, InferParameter], name: str, subject: str) -> int:
    """A parameter that counts something, 0 where it is not there. Raises: InvalidRequest."""
    if name not in parameters:
        return 0
    kind = parameters[name].WhichOneof("parameter_choice")
    return fields.size(getattr(parameters[name], kind) if kind else None, f"{subject}, {name}")


def _refuse(parameters: Mapping[str, InferParameter], subject: str) -> None:
    for name, expected in _REFUSED.items():
        if name in parameters:
            raise InvalidRequest(subject, found=f"the parameter {name!r}", expected=expected)
