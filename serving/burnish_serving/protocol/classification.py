"""Triton's classification extension: the highest values of an output with their indices.

Source: triton-inference-server/server, `docs/protocol/extension_classification.md`.
"""

import numpy as np

from burnish_runtime.session import Array
from burnish_serving.errors import InvalidRequest
from burnish_serving.protocol import bfloat16
from burnish_serving.protocol.datatypes import BF16, BOOL, BYTES
from burnish_serving.protocol.fields import elements


def classify(array: Array, datatype: str, classes: int, subject: str) -> Array:
    """Strings `value:index`, best first, as an object array.

    Args: array: [n] or [batch, …]; everything behind the first axis is one row.
    Returns: [k] or [batch, k], k = the smaller of `classes` and a row's size. Ties go by index, NaN
        comes last.
    Raises: InvalidRequest: a datatype without an order, or a scalar.
    """
    if datatype in (BYTES, BOOL) or not array.ndim:
        raise InvalidRequest(
            subject, found=f"{datatype}, rank {array.ndim}", expected="rows of numbers to classify"
        )
    values = bfloat16.widen(array) if datatype == BF16 else array
    rows = values.reshape(values.shape[0], elements(values.shape[1:])) if values.ndim > 1 else values[None]
    best = _best(rows, min(classes, rows.shape[1]))
    strings = np.empty(best.shape, dtype=object)
    for row, indices in enumerate(best):
        strings[row] = [f"{rows[row, index]}:{index}" for index in indices]
    return strings if array.ndim > 1 else strings.reshape(-1)


def _best(rows: Array, count: int) -> Array:
    # Sorted from behind, so that a stable sort leaves the lower index first among equals.
    keys = np.where(np.isnan(rows), -np.inf, rows) if rows.dtype.kind == "f" else rows
    backwards = np.argsort(keys[:, ::-1], axis=1, kind="stable")[:, ::-1][:, :count]
    return np.asarray(rows.shape[1] - 1 - backwards)
