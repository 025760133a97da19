"""Carry connections from the machine's loopback into the cluster's network.

The listening sockets are made before the cluster's network namespace exists and are inherited:
a socket stays in the namespace that it was made in, while new connections start from ours. So
one small process stands in both, and no link or firewall rule on the machine is needed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

CHUNK = 1 << 18


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end, then close the other side's input: half-closed connections are in use."""
    with suppress(ConnectionError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def carry(target: tuple[str, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one accepted connection."""
    with suppress(OSError):
        far_reader, far_writer = await asyncio.open_connection(*target, limit=CHUNK)
        try:
            await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))
        finally:
            far_writer.close()
    writer.close()


async def serve(routes: Sequence[tuple[int, str, int]]) -> None:
    """Forward each inherited descriptor to its target, for ever."""
    for descriptor, host, port in routes:
        listener = socket.socket(fileno=descriptor)
        await asyncio.start_server(partial(carry, (host, port)), sock=listener, limit=CHUNK)
    await asyncio.Event().wait()


def parse_route(text: str) -> tuple[int, str, int]:
    """`5=10.250.0.1:6443` is descriptor 5 to that address.

    >>> parse_route("5=10.250.0.1:6443")
    (5, '10.250.0.1', 6443)
    """
    descriptor, _, target = text.partition("=")
    host, _, port = target.rpartition(":")
    return int(descriptor), host, int(port)


def main(routes: Sequence[str]) -> None:
    asyncio.run(serve([parse_route(route) for route in routes]))
