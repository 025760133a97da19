"""Choose TCP ports on loopback."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable

LOOPBACK = "127.0.0.1"
# Below what Linux hands to outgoing connections (32768 up), so that no client takes a port
# between the moment when it is chosen and the moment when a server binds it.
QUIET_RANGE = range(20000, 32000)
TRIES = 200


def listening(port: int) -> socket.socket:
    """A listening socket on loopback. Raises: OSError if the port is taken."""
    held = socket.socket()
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((LOOPBACK, port))
        held.listen(128)
    except OSError:
        held.close()
        raise
    return held


def listen_from(port: int, listen: Callable[[int], socket.socket] = listening) -> socket.socket:
    """A socket on `port` or on the next free one above it."""
    for candidate in range(port, port + TRIES - 1):
        try:
            return listen(candidate)
        except OSError:
            continue
    return listen(port + TRIES - 1)


def free_ports(count: int) -> list[int]:
    """Distinct free ports, held together so that none is handed out twice."""
    held: list[socket.socket] = []
    try:
        for candidate in random.sample(QUIET_RANGE, TRIES):
            if len(held) == count:
                break
            try:
                held.append(listening(candidate))
            except OSError:
                continue
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()
