"""Reading JSON that anybody may have sent: every field is checked before it is used."""

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from burnish_serving.errors import InvalidRequest

MAX_RANK = 32
# Above this no tensor could be held anyway; it keeps NumPy's own limits out of reach, which also hold
# for an empty array: [0, 2147483647, 2147483647, 2147483647] cannot be made.
MAX_DIMENSION = 2**31 - 1
MAX_ELEMENTS = 2**40


def parse_object(data: bytes) -> dict[str, Any]:
    """A JSON object, without the literals NaN and Infinity that Python would take.

    Raises: InvalidRequest: no JSON, no object, not UTF-8, nested too deeply, a number of absurd length.
    """
    try:
        value = json.loads(data, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise InvalidRequest(
            "request", found="JSON nested too deeply", expected="an inference request"
        ) from error
    except ValueError as error:
        raise InvalidRequest("request", found=str(error)[:200], expected="valid JSON") from error
    if not isinstance(value, dict):
        raise InvalidRequest("request", found=f"a JSON {type(value).__name__}", expected="a JSON object")
    return value


def text(value: Any, subject: str) -> str:
    """A string. Raises: InvalidRequest."""
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


def elements(dimensions: tuple[int, ...]) -> int:
    """How many elements a shape has: exact, however large."""
    return math.prod(dimensions)


def _wrong(value: Any, subject: str, expected: str) -> NoReturn:
    raise InvalidRequest(subject, found=_short(value), expected=expected)


def _short(value: Any) -> str:
    if isinstance(value, int | float | bool) or value is None:
        return str(value)[:60] if abs(value or 0) < 1e18 else "an enormous number"
    return f"{value[:60]!r}" if isinstance(value, str) else f"a JSON {type(value).__name__}"


def _refuse_constant(literal: str) -> NoReturn:
    raise ValueError(f"the literal {literal}, which is not JSON")
