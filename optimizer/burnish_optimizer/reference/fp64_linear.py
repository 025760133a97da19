"""Sums of products in FP64: MatMul, Gemm, Conv, ConvTranspose, and how far their sums wander.

Each is written as a sequence of partial products whose sum is the result. In FP64 the result is what counts;
the partial sums tell how much a sum in a narrower type can round away (see `fp64_rounding`).
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np

from burnish_optimizer.reference.fp64_values import Call
from burnish_runtime.session import Array

CHUNKS = 8
Parts = Iterator[tuple[Array, int]]


def chunks(length: int) -> list[slice]:
    """At most CHUNKS slices that cover `length`, in order."""
    edges = np.linspace(0, length, min(CHUNKS, max(length, 1)) + 1).astype(int)
    return [slice(int(a), int(b)) for a, b in pairwise(edges)]


def matmul_parts(a: Array, b: Array, *, whole: bool) -> Parts:
    """A·B as NumPy's matmul, cut along the summed axis (one part where `whole`)."""
    length = a.shape[-1]
    if whole or not length:
        yield np.asarray(np.matmul(a, b)), length
        return
    for cut in chunks(length):
        rows = b[cut] if b.ndim == 1 else b[..., cut, :]
        yield np.asarray(np.matmul(a[..., cut], rows)), cut.stop - cut.start


def sum_of_squares(a: Array, b: Array) -> Array:
    """A²·B², element by element squared, without the squares of all of B at once: weights may be large."""
    parts = ((a[..., cut], b[cut] if b.ndim == 1 else b[..., cut, :]) for cut in chunks(a.shape[-1]))
    return np.asarray(sum(np.matmul(np.square(x), np.square(y)) for x, y in parts))


def gemm_operands(call: Call) -> tuple[Array, Array]:
    """A and B of Gemm or FusedMatMul, transposed as the attributes say, A scaled."""
    a, b = call.data[0], call.data[1]
    a, b = (np.swapaxes(x, -1, -2) if call.attr(t, 0) and x.ndim > 1 else x
            for x, t in ((a, "transA"), (b, "transB")))  # fmt: skip
    return a * call.attr("alpha", 1.0), b


def _pads(call: Call, sizes: Sequence[int], spans: Sequence[int], strides: Sequence[int]) -> list[int]:
    """Begin of every axis, then end. spans: the kernel's reach with its dilations."""
    mode = call.attr("auto_pad", "NOTSET")
    if mode == "NOTSET":
        return list(call.attr("pads", [0] * 2 * len(sizes)))
    if mode == "VALID":
        return [0] * 2 * len(sizes)
    total = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(sizes, spans, strides, strict=True)]
    small, large = [t // 2 for t in total], [t - t // 2 for t in total]
    return small + large if mode == "SAME_UPPER" else large + small


def conv_parts(call: Call, *, whole: bool) -> Parts:
    """Y[n, m, i] = Σ_c Σ_k X[n, c, i·stride + k·dilation - pad] W[m, c, k], by kernel taps or channels."""
    x, w = call.data[0], call.data[1]
    rank, group = x.ndim - 2, call.attr("group", 1)
    strides, dilations = call.attr("strides", [1] * rank), call.attr("dilations", [1] * rank)
    spans = [(k - 1) * d + 1 for k, d in zip(w.shape[2:], dilations, strict=True)]
    pads = _pads(call, x.shape[2:], spans, strides)
    x = np.pad(x, [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:], strict=True)])
    out = [(n - k) // s + 1 for n, k, s in zip(x.shape[2:], spans, strides, strict=True)]
    x = x.reshape(x.shape[0], group, x.shape[1] // group, *x.shape[2:])
    w = w.reshape(group, w.shape[0] // group, *w.shape[1:])
    seen = [window(tap, strides, dilations, out) for tap in product(*map(range, w.shape[3:]))]
    if w.shape[2] == 1:
        yield from _depthwise(x, w, seen, whole=whole)
        return
    flat = w.reshape(*w.shape[:2], int(np.prod(w.shape[2:])))
    for cut in [slice(0, flat.shape[2])] if whole else chunks(flat.shape[2]):
        y = np.empty((x.shape[0], *flat.shape[:2], int(np.prod(out))))
        for row, image in enumerate(x):
            y[row] = np.matmul(flat[:, :, cut], _columns(image, seen, cut))
        yield _merged(y.reshape(*y.shape[:3], *out)), cut.stop - cut.start


def _columns(image: Array, seen: Sequence[Any], cut: slice) -> Array:
    """What the terms `cut` of every sum take from image [g, c, …]: [g, terms, positions] (im2col)."""
    if len(seen) == 1:
        return np.asarray(image[:, cut][seen[0]].reshape(image.shape[0], cut.stop - cut.start, -1))
    terms = [divmod(term, len(seen)) for term in range(cut.start, cut.stop)]
    return np.stack(
        [image[:, channel][seen[tap]].reshape(image.shape[0], -1) for channel, tap in terms], axis=1
    )


def _depthwise(x: Array, w: Array, seen: Sequence[Any], *, whole: bool) -> Parts:
    """One channel in a group: the taps are all there is to sum. x [n, g, 1, …], w [g, m, 1, …]."""
    taps = w.reshape(*w.shape[:2], len(seen))
    parts = [x[index] * taps[None, :, :, tap].reshape(1, *taps.shape[:2], *(1,) * (x.ndim - 3))
             for tap, index in enumerate(seen)]  # fmt: skip
    if whole:
        yield _merged(np.asarray(sum(parts))), len(parts)
        return
    for part in parts:
        yield _merged(part), 1


def _merged(y: Array) -> Array:
    """Groups and their channels as channels: [n, g, m, …] becomes [n, g·m, …], n may be 0."""
    return y.reshape(y.shape[0], y.shape[1] * y.shape[2], *y.shape[3:])


def window(tap: Sequence[int], strides: Sequence[int], dilations: Sequence[int], count: Sequence[int]) -> Any:
    """The index, on the last axes, of what one position of the kernel meets in `count` steps."""
    each = zip(tap, strides, dilations, count, strict=True)
    return (..., *(slice(t * d, t * d + (n - 1) * s + 1, s) for t, s, d, n in each))


def conv_transpose_parts(call: Call, *, whole: bool) -> Parts:
    """Y[n, m, i·stride + k·dilation - pad] += Σ_c X[n, c, i] W[c, m, k], by slices of the channels."""
    x, w = call.data[0], call.data[1]
    rank, group = x.ndim - 2, call.attr("group", 1)
    strides, dilations = call.attr("strides", [1] * rank), call.attr("dilations", [1] * rank)
    full = [(n - 1) * s + (k - 1) * d + 1
            for n, s, k, d in zip(x.shape[2:], strides, w.shape[2:], dilations, strict=True)]  # fmt: skip
    pads, extra = _transpose_pads(call, x.shape[2:], full, strides)
    xs = x.reshape(x.shape[0], group, x.shape[1] // group, int(np.prod(x.shape[2:])))
    ws = w.reshape(group, w.shape[0] // group, *w.shape[1:])
    for cut in [slice(0, ws.shape[1])] if whole else chunks(ws.shape[1]):
        y = np.zeros((x.shape[0], group, ws.shape[2], *(n + e for n, e in zip(full, extra, strict=True))))
        for tap in product(*map(range, w.shape[2:])):
            part = np.matmul(np.swapaxes(ws[(slice(None), cut, slice(None), *tap)], 1, 2), xs[:, :, cut])
            y[window(tap, strides, dilations, x.shape[2:])] += part.reshape(*part.shape[:3], *x.shape[2:])
        keep = tuple(slice(a, n + e - b)
                     for a, b, n, e in zip(pads[:rank], pads[rank:], full, extra, strict=True))  # fmt: skip
        yield (
            _merged(y)[(slice(None), slice(None), *keep)],
            (cut.stop - cut.start) * int(np.prod(w.shape[2:])),
        )


def _transpose_pads(
    call: Call, sizes: Sequence[int], full: Sequence[int], strides: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Pads (begins, then ends) and output padding of ConvTranspose, from whichever attribute gives them."""
    extra = list(call.attr("output_padding", [0] * len(sizes)))
    mode, wanted = call.attr("auto_pad", "NOTSET"), call.attr("output_shape")
    if mode in ("SAME_UPPER", "SAME_LOWER") and wanted is None:
        wanted = [n * s for n, s in zip(sizes, strides, strict=True)]
    if wanted is None:
        return list(call.attr("pads", [0] * 2 * len(sizes))), extra
    total = [n + e - o for n, e, o in zip(full, extra, wanted, strict=True)]
    extra = [e - min(t, 0) for e, t in zip(extra, total, strict=True)]
    total = [max(t, 0) for t in total]
    small, large = [t // 2 for t in total], [t - t // 2 for t in total]
    return (small + large if mode == "SAME_UPPER" else large + small), extra
