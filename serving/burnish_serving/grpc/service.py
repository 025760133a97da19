"""The table of calls: which method answers which, and how errors leave.

No serializers are given to gRPC: every handler takes and returns bytes, so that a message which does not
parse is told as such instead of as an internal error.
"""

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc
from google.protobuf import message_factory
from google.protobuf.message import Message
from grpc import GenericRpcHandler, RpcMethodHandler, StatusCode

from burnish_engine.errors import BurnishError
from burnish_serving.grpc import failures, reflection
from burnish_serving.grpc.context import Context, abort
from burnish_serving.grpc.decode import parse
from burnish_serving.grpc.documents import Answer, Documents
from burnish_serving.grpc.health import Health
from burnish_serving.grpc.infer import InferEndpoint
from burnish_serving.grpc.proto import health_pb2, open_inference_pb2
from burnish_serving.grpc.repository import Repository
from burnish_serving.models import Models
from burnish_serving.swap import Swaps

LOG = logging.getLogger("burnish.serving")
INFERENCE = open_inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"]
Methods: TypeAlias = "dict[str, RpcMethodHandler[Any, Any]]"
Unary: TypeAlias = Callable[[bytes, Context], Awaitable[bytes]]


def handlers(models: Models, infer: InferEndpoint, swaps: Swaps | None = None) -> list[GenericRpcHandler]:
    """Every service of the server. swaps: what changes engines by request; None: that is refused."""
    told = reflection.Reflection((INFERENCE.full_name, HEALTH.full_name, *reflection.SERVICES))
    described: Methods = {"ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(told.stream)}
    return [
        _service(INFERENCE.full_name, _inference(models, infer, swaps)),
        _service(HEALTH.full_name, _health(models)),
        *(_service(name, described) for name in reflection.SERVICES),
    ]


def _service(name: str, methods: Methods) -> GenericRpcHandler:
    return grpc.method_handlers_generic_handler(name, methods)


def _inference(models: Models, infer: InferEndpoint, swaps: Swaps | None) -> Methods:
    documents, repository = Documents(models), Repository(swaps)
    answers = {call.name: documents.answer_to(call.name) for call in INFERENCE.methods}
    answers |= {"RepositoryModelLoad": repository.load, "RepositoryModelUnload": repository.unload}
    table: Methods = {
        call.name: grpc.unary_unary_rpc_method_handler(_told(_request_class(call), answers[call.name]))
        for call in INFERENCE.methods
    }
    # On the wire one request is a stream of one: this way it is read when the handler wants it.
    table["ModelInfer"] = grpc.stream_unary_rpc_method_handler(infer.unary)
    table["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(infer.stream)
    return table


def _health(models: Models) -> Methods:
    health = Health(models, (INFERENCE.full_name,))
    return {
        "Check": grpc.unary_unary_rpc_method_handler(_told(health_pb2.HealthCheckRequest, health.check)),
        "Watch": grpc.unary_stream_rpc_method_handler(health.watch),
    }


def _request_class(call: Any) -> type[Message]:
    return message_factory.GetMessageClass(call.input_type)


def _told(kind: type[Message], answer: Answer) -> Unary:
    """A handler around a function of messages: bytes in and out, errors as codes."""

    async def handle(data: bytes, context: Context) -> bytes:
        try:
            found = answer(parse(kind, data))
            message: Message = await found if inspect.isawaitable(found) else found
            return message.SerializeToString()
        except BurnishError as error:
            code, details = failures.code_of(error), failures.details_of(error)
            pushback = failures.pushback_of(error)
        except Exception:
            LOG.exception("a call failed unexpectedly", extra={"call": kind.__name__})
            code, details, pushback = StatusCode.INTERNAL, "internal error", ()
        return await abort(context, code, details, pushback)

    return handle
