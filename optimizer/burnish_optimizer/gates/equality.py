"""Byte-equality, as exact passes promise it."""

from typing import Any

import numpy as np


def difference(found: Any, expected: Any) -> str | None:
    """How two values differ; None where they are the same, bit for bit (any NaN equals any NaN)."""
    if isinstance(expected, list | tuple):
        return _of_lists(found, expected)
    if expected is None or not isinstance(expected, np.ndarray):
        return None if found == expected else "a value differs"
    if not isinstance(found, np.ndarray) or found.dtype != expected.dtype or found.shape != expected.shape:
        return f"{_kind(found)} in the place of {_kind(expected)}"
    if expected.dtype.kind in "OUS":
        return None if np.array_equal(found, expected) else "strings differ"
    if found.tobytes() == expected.tobytes():
        return None
    return _of_numbers(found, expected)


def _of_numbers(found: Any, expected: Any) -> str | None:
    bits = np.dtype(f"u{expected.dtype.itemsize}") if expected.dtype.itemsize in (1, 2, 4, 8) else None
    if bits is None or expected.dtype.kind != "f":
        wrong = found != expected
    else:
        both_nan = np.isnan(found) & np.isnan(expected)
        wrong = (
            np.ascontiguousarray(found).view(bits) != np.ascontiguousarray(expected).view(bits)
        ) & ~both_nan
    if not wrong.any():
        return None
    first = int(np.argmax(wrong))
    values = f"{found.flat[first]} for {expected.flat[first]}"
    return f"{int(wrong.sum())} of {wrong.size} elements differ, first {values}"


def _of_lists(found: Any, expected: Any) -> str | None:
    if not isinstance(found, list | tuple) or len(found) != len(expected):
        return "a sequence of another length"
    pairs = zip(found, expected, strict=True)
    return next((said for f, e in pairs if (said := difference(f, e))), None)


def _kind(value: Any) -> str:
    return f"{value.dtype}{list(value.shape)}" if isinstance(value, np.ndarray) else type(value).__name__
