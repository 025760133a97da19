"""Inference requests for a model of identities, right ones and mutated ones, all well framed."""

import gzip
import json
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onnx import helper

from burnish_engine.descriptor import TensorSpec
from support.onnx_models import model_of, write_running_engine
from support.raw_http import INFER

# One input and one output for each: `x_FP32` -> `y_FP32`.
DTYPES = {
    "BOOL": ("bool", "?"),
    "UINT8": ("uint8", "B"),
    "INT8": ("int8", "b"),
    "INT64": ("int64", "q"),
    "UINT64": ("uint64", "Q"),
    "FP16": ("float16", "e"),
    "FP32": ("float32", "f"),
    "FP64": ("float64", "d"),
    "BYTES": ("object", ""),
}
HEADER_LENGTH = "Inference-Header-Content-Length"


def write_identities(folder: Path) -> Path:
    """The engine: every output is its input."""
    inputs = tuple(TensorSpec(name=f"x_{n}", dtype=d, shape=(None, 2)) for n, (d, _) in DTYPES.items())
    outputs = tuple(TensorSpec(name=f"y_{n}", dtype=d, shape=(None, 2)) for n, (d, _) in DTYPES.items())
    nodes = [helper.make_node("Identity", [f"x_{name}"], [f"y_{name}"]) for name in DTYPES]
    return write_running_engine(folder, model_of(nodes, inputs, outputs), inputs, outputs)


@dataclass
class Request:
    """One request before it becomes bytes. `tail`: binary tensors behind the JSON."""

    document: Any
    tail: bytes = b""
    path: str = INFER
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    json_text: bytes | None = None
    chunked: bool = False

    def body(self) -> bytes:
        """JSON and tensors."""
        text = json.dumps(self.document).encode() if self.json_text is None else self.json_text
        if self.tail:
            self.headers.setdefault(HEADER_LENGTH, str(len(text)))
        return text + self.tail


def right(dice: random.Random) -> Request:
    """A request that must be answered with what it holds."""
    rows = dice.choice([0, 1, 1, 2, 5])
    inputs, tail = [], b""
    for name in DTYPES:
        values = [_value(name, dice) for _ in range(rows * 2)]
        item: dict[str, Any] = {"name": f"x_{name}", "datatype": name, "shape": [rows, 2]}
        if dice.random() < 0.5:
            data = _packed(name, values)
            item["parameters"], tail = {"binary_data_size": len(data)}, tail + data
        else:
            item["data"] = values
        inputs.append(item)
    document: dict[str, Any] = {"inputs": inputs, "id": str(dice.random())}
    if dice.random() < 0.5:
        document["parameters"] = {"binary_data_output": dice.random() < 0.5}
    if dice.random() < 0.5:
        names = dice.sample(list(DTYPES), dice.randint(1, len(DTYPES)))
        document["outputs"] = [
            {"name": f"y_{name}", "parameters": {"binary_data": dice.random() < 0.5}} for name in names
        ]
    return Request(document, tail, chunked=dice.random() < 0.2)


def mutated(dice: random.Random) -> Request:
    """A right request after one to three changes."""
    request = right(dice)
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        dice.choice(MUTATIONS)(request, dice)
    return request


def encoded(request: Request, dice: random.Random) -> bytes:
    """The bytes on the wire, framed as HTTP wants it."""
    body = request.body()
    framing = {"Transfer-Encoding": "chunked"} if request.chunked else {"Content-Length": str(len(body))}
    headers = {"Host": "fuzz", **request.headers, **framing}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"{request.method} {request.path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")
    return head + (_chunks(body, dice) if request.chunked else body)


def _value(name: str, dice: random.Random) -> Any:
    if name == "BYTES":
        return dice.choice(["", "a", "é\N{SNOWMAN}", "[" * 30, "x" * 300])
    if name == "BOOL":
        return dice.random() < 0.5
    if name.startswith("FP"):
        return dice.choice([0.0, -1.5, 0.25, 60000.0])
    return dice.choice([0, 1, 127, 2**63 - 1 if name == "INT64" else 2**64 - 1 if name == "UINT64" else 3])


def _packed(name: str, values: list[Any]) -> bytes:
    if name == "BYTES":
        return b"".join(struct.pack("<I", len(v.encode())) + v.encode() for v in values)
    return struct.pack(f"<{len(values)}{DTYPES[name][1]}", *values)


def _chunks(body: bytes, dice: random.Random) -> bytes:
    out, start = b"", 0
    while start < len(body):
        size = dice.choice([1, 7, 100, 5000])
        piece = body[start : start + size]
        out, start = out + b"%x\r\n%s\r\n" % (len(piece), piece), start + size
    return out + b"0\r\n\r\n"


def anything(dice: random.Random, depth: int = 0) -> Any:
    """Any JSON, mostly of the kind that breaks things."""
    plain = [
        None,
        True,
        0,
        -1,
        2**31,
        2**63,
        2**64,
        10**40,
        1.5,
        -1e308,
        "",
        "FP32",
        "x_FP32",
        "\x00",
        "é" * 50,
    ]
    if depth > 2 or dice.random() < 0.7:
        return dice.choice(plain)
    inner = [anything(dice, depth + 1) for _ in range(dice.randint(0, 3))]
    return inner if dice.random() < 0.5 else {f"k{n}": value for n, value in enumerate(inner)}


def _any_node(request: Request, dice: random.Random) -> None:
    """Replace, drop or double something anywhere in the document."""
    places: list[tuple[Any, Any]] = []
    stack = [request.document]
    while stack:
        node = stack.pop()
        if isinstance(node, dict | list):
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            places += [(node, key) for key in keys]
            stack += [node[key] for key in keys]
    if not places:
        return
    node, key = dice.choice(places)
    change = dice.random()
    if change < 0.6:
        node[key] = anything(dice)
    elif change < 0.8 or isinstance(node, dict):
        del node[key]
    else:
        node.insert(key, node[key])


def _input(request: Request, dice: random.Random, **changes: Callable[[], Any]) -> None:
    items = request.document.get("inputs") if isinstance(request.document, dict) else None
    if isinstance(items, list) and items and isinstance(item := dice.choice(items), dict):
        item |= {name: change() for name, change in changes.items()}


def _shape(request: Request, dice: random.Random) -> None:
    sizes = [-1, 0, 1, 2, 3, 2**31 - 1, 2**31, 2**63, 2**64, 1.0, True, "2", None, [2]]
    _input(
        request, dice, shape=lambda: [dice.choice(sizes) for _ in range(dice.choice([0, 1, 2, 2, 2, 8, 40]))]
    )


def _datatype(request: Request, dice: random.Random) -> None:
    _input(request, dice, datatype=lambda: dice.choice([*DTYPES, "BF16", "FP8", "", "fp32", 7]))


def _size(request: Request, dice: random.Random) -> None:
    sizes = [-1, 0, 1, 7, 8, 16, 2**31, 2**63, 1.0, "8", None, True]
    _input(request, dice, parameters=lambda: {"binary_data_size": dice.choice(sizes)})


def _outputs(request: Request, dice: random.Random) -> None:
    if isinstance(request.document, dict):
        flags = [True, False, 1, None, "true"]
        counts = [0, 1, 2, 1000, -1, 2**70, 1.5, "3", None]
        request.document["outputs"] = [
            {
                "name": dice.choice([*(f"y_{name}" for name in DTYPES), "y", "", 7]),
                "parameters": dice.choice(
                    [
                        {"binary_data": dice.choice(flags)},
                        {"classification": dice.choice(counts)},
                        {},
                        None,
                        [],
                    ]
                ),
            }
            for _ in range(dice.randint(0, 3))
        ]


def _tail(request: Request, dice: random.Random) -> None:
    cut = dice.randint(0, len(request.tail))
    noise = bytes(dice.randrange(256) for _ in range(dice.choice([0, 1, 4, 50])))
    request.tail = dice.choice([request.tail[:cut], request.tail + noise, noise, request.tail[:cut] + noise])


def _header_length(request: Request, dice: random.Random) -> None:
    lengths = ["0", "-1", "1", "10", "100", "99999999", "9" * 40, "0x10", "", " 5", "1e3", "²", "+7"]
    request.headers[HEADER_LENGTH] = dice.choice(lengths)


def _encoding(request: Request, dice: random.Random) -> None:
    body = request.body()
    pack = dice.choice(
        [gzip.compress, zlib.compress, lambda data: data, lambda _: gzip.compress(bytes(1 << 22))]
    )
    packed = bytearray(pack(body))
    if dice.random() < 0.3 and packed:
        packed[dice.randrange(len(packed))] ^= 1 << dice.randrange(8)
    request.json_text, request.tail = bytes(packed[: dice.choice([len(packed), len(packed) // 2])]), b""
    request.headers["Content-Encoding"] = dice.choice(["gzip", "deflate", "identity", "br", "gzip, gzip", ""])


def _text(request: Request, dice: random.Random) -> None:
    text = request.body()[: len(request.body()) - len(request.tail)]
    depth = dice.choice([10, 2000, 100_000])
    request.json_text = dice.choice(
        [
            b"[" * depth,
            b'{"inputs":' * depth,
            text.replace(b"0.25", b"NaN").replace(b"1", b"1e999"),
            text.replace(b"0", b"Infinity"),
            text.replace(b'"', b"'"),
            text[: dice.randint(0, len(text))],
            text + text,
            b"\xef\xbb\xbf" + text,
            text.decode("latin-1").encode("utf-16"),
            text.replace(b"a", b"\\ud800"),
            b"\xff" * 20,
            b"",
            b"null",
        ]
    )


def _path(request: Request, dice: random.Random) -> None:
    request.path = dice.choice(
        [
            *(
                f"/v2/models/{name}/infer"
                for name in ("other", "%00", "%2e%2e", "tiny%2F", "t" * 5000, "%ff", "%")
            ),
            *(f"/v2/models/tiny/versions/{version}/infer" for version in ("1", "2", "-1", "", "%31", "1%0a")),
            *(f"{INFER}{end}" for end in ("/", "?", "?a=b", "#f", "%0d%0aX:%20y", "//")),
            *("/", "//", "*", "/v2", "/v2/models/tiny", "/v2/repository/index", "http://x/v2"),
        ]
    )


def _method(request: Request, dice: random.Random) -> None:
    request.method = dice.choice(["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])


def _headers(request: Request, dice: random.Random) -> None:
    name, value = dice.choice(
        [
            (
                "Accept-Encoding",
                dice.choice(["gzip", "deflate", "br", "gzip;q=0", ";;", "*", "gzip, deflate"]),
            ),
            ("Content-Type", "text/plain"),
            ("traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + dice.choice(["-01", "-zz", ""])),
            ("Connection", dice.choice(["close", "keep-alive", "Upgrade", ""])),
            ("X-Filler", "x" * dice.choice([10, 5000, 60_000])),
            ("Expect", "something"),
        ]
    )
    request.headers[name] = value


MUTATIONS: tuple[Callable[[Request, random.Random], None], ...] = (
    *(_any_node, _any_node, _any_node, _shape, _shape, _datatype, _size, _outputs, _outputs),
    *(_tail, _header_length, _encoding, _text, _path, _method, _headers),
)
