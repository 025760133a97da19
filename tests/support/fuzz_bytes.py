"""Bytes that were a request once."""

import random

from support.fuzz_requests import encoded, mutated, right

# What parsers of HTTP stumble over.
TOKENS = (
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b":",
        b" ",
        b"\t",
        b"\r\n\r\n",
        b"\xff",
        b"%00",
        b"HTTP/1.1",
        b"HTTP/0.9",
    ),
    *(b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"Content-Length: 99999999999999999999\r\n"),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Transfer-Encoding: x, chunked\r\n",
    ),
    *(b"Connection: close\r\n", b"Upgrade: h2c\r\nConnection: Upgrade\r\n", b"Expect: 100-continue\r\n"),
    *(
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\n",
        b"ffffffffffffffff\r\n",
        b"0\r\n\r\n",
    ),
    *(b"GET / HTTP/1.1\r\n\r\n", b" folded: yes\r\n", b"X" * 3000, b"\x16\x03\x01\x02\x00\x01\x00"),
)


def broken(dice: random.Random) -> bytes:
    """A request after one to four changes to its bytes, mostly in its head."""
    data = bytearray(encoded(dice.choice([right, mutated])(dice), dice))
    for _ in range(dice.choice([1, 1, 2, 4])):
        end = len(data) if dice.random() < 0.2 else min(len(data), 250)
        _change(data, dice.randrange(end) if end else 0, dice)
    return bytes(data)


def _change(data: bytearray, at: int, dice: random.Random) -> None:
    kind = dice.random()
    if kind < 0.25 and data:
        data[at] = dice.randrange(256)
    elif kind < 0.4:
        del data[at : at + dice.choice([1, 2, 10, 100])]
    elif kind < 0.8:
        data[at:at] = dice.choice(TOKENS)
    elif kind < 0.9:
        data[at:at] = data[at : at + dice.choice([1, 20, 200])]
    else:
        del data[at:]
