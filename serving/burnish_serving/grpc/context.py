"""A call, as bytes: read, written, ended with a code. A caller who is gone cancels, whenever that shows.

gRPC cancels a handler whose caller went away; where an answer is on its way at that moment, it raises
an internal error instead, and logs it. Anybody could fill a disk with that.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeAlias

from grpc import StatusCode
from grpc.aio import EOF, InternalError, ServicerContext

# Messages are parsed and written by the handlers, where what is wrong can be told.
Context: TypeAlias = ServicerContext[bytes, bytes]


def headers(context: Context) -> dict[bytes, bytes]:
    """What came with the call as metadata, by lower-case name, as HTTP's headers come."""
    return {
        name.encode(): value.encode() if isinstance(value, str) else value
        for name, value in context.invocation_metadata() or ()
    }


async def next_message(context: Context) -> bytes | None:
    """The next message of a call, None where its client sends no more."""
    with _gone_is_cancelled():
        message: Any = await context.read()
    return None if message is EOF else message


async def write(context: Context, data: bytes) -> None:
    """Send one message of a stream."""
    with _gone_is_cancelled():
        await context.write(data)


async def abort(
    context: Context, code: StatusCode, details: str, trailing: tuple[tuple[str, str], ...] = ()
) -> NoReturn:
    """End the call with a code. Raises: grpc.aio.AbortError, which is gRPC's own and must get through."""
    with _gone_is_cancelled():
        await context.abort(code, details, trailing)
    raise AssertionError("abort raises")


@contextmanager
def _gone_is_cancelled() -> Iterator[None]:
    try:
        yield
    except InternalError:
        raise asyncio.CancelledError from None
