"""Reading JSON that anybody may have sent: every field is checked before it is used."""

import math
from collections.abc import Mapping
from typing import Any, NoReturn

import orjson

from burnish_serving.errors import InvalidRequest

MAX_RANK = 32
# Above this no tensor could be held anyway; it keeps NumPy's own limits out of reach, which also hold
# for an empty array: [0, 2147483647, 2147483647, 2147483647] cannot be made.
MAX_DIMENSION = 2**31 - 1
MAX_ELEMENTS = 2**40
MAX_CONTAINERS = 1 << 20
# Of names and ids, not of the strings in tensors.
MAX_TEXT_CHARACTERS = 4096


def parse_object(data: bytes | bytearray | memoryview) -> dict[str, Any]:
    """A JSON object, by the letter of RFC 8259: no NaN or Infinity, Unicode alone, numbers of finite value.

    Raises: InvalidRequest: no JSON, no object, nested too deeply, lists without end.
    """
    if len(data) > MAX_CONTAINERS:
        _check_containers(bytes(data))
    try:
        value = orjson.loads(data)
    except ValueError as error:
        raise InvalidRequest("request", found=str(error)[:200], expected="valid JSON") from error
    if not isinstance(value, dict):
        raise InvalidRequest("request", found=f"a JSON {type(value).__name__}", expected="a JSON object")
    return value


def text(value: Any, subject: str) -> str:
    """A string: a name, an id, a datatype. Raises: InvalidRequest: another type, or endless."""
    if isinstance(value, str) and len(value) > MAX_TEXT_CHARACTERS:
        raise InvalidRequest(
            subject, found=f"{len(value)} characters", expected=f"at most {MAX_TEXT_CHARACTERS}"
        )
    return value if isinstance(value, str) else _wrong(value, subject, "a string")


def items(value: Any, subject: str) -> list[Any]:
    """A list. Raises: InvalidRequest."""
    return value if isinstance(value, list) else _wrong(value, subject, "a list")


def mapping(value: Any, subject: str) -> Mapping[str, Any]:
    """An object. Raises: InvalidRequest."""
    return value if isinstance(value, dict) else _wrong(value, subject, "an object")


def flag(value: Any, subject: str) -> bool:
    """A boolean. Raises: InvalidRequest."""
    return value if isinstance(value, bool) else _wrong(value, subject, "true or false")


def size(value: Any, subject: str) -> int:
    """A whole number, 0 or more. Raises: InvalidRequest."""
    return value if type(value) is int and value >= 0 else _wrong(value, subject, "a whole number, 0 or more")


def shape(value: Any, subject: str) -> tuple[int, ...]:
    """A tensor's shape: at most 32 whole numbers, none negative.

    Raises: InvalidRequest.
    """
    sizes = items(value, subject)
    if len(sizes) > MAX_RANK:
        raise InvalidRequest(subject, found=f"{len(sizes)} dimensions", expected=f"at most {MAX_RANK}")
    for dimension in sizes:
        if type(dimension) is not int or not 0 <= dimension <= MAX_DIMENSION:
            _wrong(dimension, subject, f"whole numbers from 0 to {MAX_DIMENSION}")
    if elements(tuple(size or 1 for size in sizes)) > MAX_ELEMENTS:
        raise InvalidRequest(subject, found=str(sizes), expected=f"at most {MAX_ELEMENTS} elements")
    return tuple(sizes)


def check_unique(names: list[str], subject: str) -> None:
    """Every name once. Raises: InvalidRequest."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidRequest(subject, found=f"{name[:80]!r} twice", expected="every name once")
        seen.add(name)


def elements(dimensions: tuple[int, ...]) -> int:
    """How many elements a shape has: exact, however large."""
    return math.prod(dimensions)


def _wrong(value: Any, subject: str, expected: str) -> NoReturn:
    raise InvalidRequest(subject, found=_short(value), expected=expected)


def _short(value: Any) -> str:
    if isinstance(value, int | float | bool) or value is None:
        return str(value)[:60] if abs(value or 0) < 1e18 else "an enormous number"
    return f"{value[:60]!r}" if isinstance(value, str) else f"a JSON {type(value).__name__}"


def _check_containers(data: bytes) -> None:
    # `[[],[],` takes three bytes a list, and a list takes seventy: counted before any is made.
    found = data.count(b"[") + data.count(b"{")
    if found > MAX_CONTAINERS:
        raise InvalidRequest(
            "request",
            found=f"{found} lists and objects of JSON",
            expected=f"at most {MAX_CONTAINERS}",
            remedy="Send data as flat lists, or as binary tensors.",
        )
