"""`grpc.reflection.v1` (and v1alpha, the same bytes): tools such as grpcurl need no `.proto` files.

Source: https://github.com/grpc/grpc/blob/master/doc/server-reflection.md
"""

from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc import StatusCode

from burnish_serving.errors import InvalidRequest
from burnish_serving.grpc.context import Context, next_message, write
from burnish_serving.grpc.decode import parse
from burnish_serving.grpc.proto.pool import POOL
from burnish_serving.grpc.proto.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

SERVICES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


class Reflection:
    """Tells of the services by name, and of the files that describe them. No file imports another."""

    def __init__(self, services: tuple[str, ...]) -> None:
        self._services = services

    async def stream(self, _: Any, context: Context) -> None:
        """Answer each question of a stream."""
        while (data := await next_message(context)) is not None:
            await write(context, self.answer(data).SerializeToString())

    def answer(self, data: bytes) -> ServerReflectionResponse:
        """The answer to one question; a question that has none is answered by an error."""
        try:
            request = parse(ServerReflectionRequest, data)
        except InvalidRequest as error:
            return _error(ServerReflectionRequest(), StatusCode.INVALID_ARGUMENT, str(error))
        answer = ServerReflectionResponse(valid_host=request.host, original_request=request)
        kind = request.WhichOneof("message_request")
        if kind == "list_services":
            for name in self._services:
                answer.list_services_response.service.add(name=name)
            return answer
        try:
            file = _file(kind, request)
        except KeyError:
            return _error(request, StatusCode.NOT_FOUND, f"found no {kind or 'question'} of that name")
        answer.file_descriptor_response.file_descriptor_proto.append(file)
        return answer


def _file(kind: str | None, request: ServerReflectionRequest) -> bytes:
    if kind == "file_by_filename":
        found = POOL.FindFileByName(request.file_by_filename)
    elif kind == "file_containing_symbol":
        found = POOL.FindFileContainingSymbol(request.file_containing_symbol)
    else:  # proto3 has no extensions
        raise KeyError(kind)
    copied = FileDescriptorProto()
    found.CopyToProto(copied)
    return copied.SerializeToString()


def _error(request: ServerReflectionRequest, code: StatusCode, message: str) -> ServerReflectionResponse:
    answer = ServerReflectionResponse(valid_host=request.host, original_request=request)
    answer.error_response.error_code, answer.error_response.error_message = code.value[0], message
    return answer
