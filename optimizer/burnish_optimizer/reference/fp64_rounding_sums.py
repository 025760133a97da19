"""Local errors of sums: reductions, products of matrices, convolutions, normalizations, softmax.

Every partial sum S_k is rounded once, by at most u·|S_k|, and these errors are independent in sign (Higham
and Mary, "A New Approach to Probabilistic Rounding Error Analysis", 2019): u·√(Σ S_k²). S_k are those of the
operands at hand, at up to eight points of the sum; between them they go on evenly, and as a random walk of
the terms does. Products add u·√(Σ (a·b)²): each is rounded, or its weight was where constants are folded.
For terms of one sign this is √(n/3)·u·|y|, for terms of random signs far below √n·u·Σ|a·b|.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from burnish_optimizer.reference import fp64_linear
from burnish_optimizer.reference.fp64_linear import CHUNKS
from burnish_optimizer.reference.fp64_reduce import channelwise, reduced_axes, softmax_view
from burnish_optimizer.reference.fp64_values import Call, Magnitude
from burnish_runtime.session import Array


def walk(parts: fp64_linear.Parts, squares: Any, products: int) -> tuple[Any, Any]:
    """The sum of the parts, and √(Σ S_k²) over its partial sums.

    Args: squares: sum of the squares of all terms.   products: 1 where the terms are products, else 0.
    """
    total: Any = 0.0
    energy: Any = 0.0
    count = 0
    for part, terms in parts:
        energy = energy + terms * (total * total + total * part + part * part / 3)
        total = total + part
        count += terms
    # A walk of m terms from 0 back to 0 has a mean square of m/6 squares of a term, here in each part.
    energy = energy + squares * (products + max(count - CHUNKS, 0) / (6 * CHUNKS))
    return total, np.sqrt(np.maximum(energy, 0))


def _squared(call: Call) -> Call:
    """The same node on the squares of its first two operands."""
    data = tuple(np.square(x) if i < 2 else x for i, x in enumerate(call.data))
    return replace(call, data=data)


def _convolution(parts: Callable[..., fp64_linear.Parts]) -> Magnitude:
    def size(call: Call, outputs: Sequence[Any]) -> Sequence[Any]:
        squares, _ = next(parts(_squared(call), whole=True))
        total, wander = walk(parts(call, whole=False), squares, 1)
        bias, addend = call.given(2), call.given(3)
        found = wander + np.abs(outputs[0]) + np.abs(total)
        found = found if bias is None else found + np.abs(channelwise(bias, np.ndim(found)))
        return [found if addend is None else found + np.abs(addend)]

    return size


def _product(call: Call, outputs: Sequence[Any]) -> Sequence[Any]:
    """MatMul and Gemm, and fused ones."""
    a, b = fp64_linear.gemm_operands(call)
    squares = fp64_linear.sum_of_squares(a, b)
    total, wander = walk(fp64_linear.matmul_parts(a, b, whole=False), squares, 1)
    added = call.given(2)
    found = wander + np.abs(total) + np.abs(outputs[0])
    return [found if added is None else found + abs(call.attr("beta", 1.0)) * np.abs(added)]


def _walk_of(x: Array, axes: Sequence[int]) -> tuple[Any, Any]:
    """`walk` of a sum over some axes, which are kept with size 1."""
    squares = np.sum(np.square(x), axis=tuple(axes), keepdims=True)
    return walk(_chunked(x, axes), squares, 0)


def _chunked(x: Array, axes: Sequence[int]) -> Iterator[tuple[Array, int]]:
    """Sums of up to eight runs of the reduced elements, those axes kept with size 1."""
    rest = [a for a in range(x.ndim) if a not in axes]
    flat = np.transpose(x, [*rest, *axes]).reshape(*(x.shape[a] for a in rest), -1)
    shape = [1 if a in axes else n for a, n in enumerate(x.shape)]
    for cut in fp64_linear.chunks(flat.shape[-1]):
        yield np.sum(flat[..., cut], axis=-1).reshape(shape), cut.stop - cut.start


def _reduction(name: str) -> Magnitude:
    """Sum and Mean of x, L1 of |x|, SumSquare of x², L2 = √(SumSquare)."""

    def size(call: Call, outputs: Sequence[Any]) -> Sequence[Any]:
        x, y = call.data[0], outputs[0]
        axes = tuple(range(2, x.ndim)) if name == "GlobalAveragePool" else reduced_axes(call)
        if axes is None or x.size == 0:
            return [np.abs(y)]
        terms = np.abs(x) if name == "ReduceL1" else x * x if name in {"ReduceL2", "ReduceSumSquare"} else x
        _, wander = _walk_of(terms, axes)
        wander = wander.reshape(y.shape)
        if name in {"ReduceMean", "GlobalAveragePool"}:
            wander = wander * y.size / x.size
        elif name == "ReduceL2":
            wander = wander / np.maximum(2 * y, np.finfo(np.float64).tiny)
        return [wander + 2 * np.abs(y)]

    return size


def _softmax(call: Call, outputs: Sequence[Any]) -> Sequence[Any]:
    """The exponent x - max x is rounded, e^x is, the sum of n positive terms is, and the quotient."""
    view, axis = softmax_view(call)
    top = np.max(view, axis=axis, keepdims=True, initial=-np.inf)
    relative = 4 + np.abs(view - top) + np.sqrt(view.shape[axis] / 3) + 0 * top
    relative = relative.reshape(outputs[0].shape)
    return [
        relative * np.abs(outputs[0]) if call.node.op_type == "Softmax" else relative + np.abs(outputs[0])
    ]


def _batch_norm(call: Call, outputs: Sequence[Any]) -> Sequence[Any]:
    """Kernels compute x·s + (bias - mean·s): every term of it is rounded, whatever cancels."""
    x = call.data[0]
    scale, bias, mean, variance = (channelwise(v, x.ndim) for v in call.data[1:5])
    factor = np.abs(scale) / np.sqrt(np.abs(variance + call.attr("epsilon", 1e-5)))
    return [2 * (np.abs(x) + np.abs(mean)) * factor + np.abs(bias) + np.abs(outputs[0])]


def _normalized(x: Array, axes: Sequence[int], scale: Any, *, centred: bool, terms: Any = 0.0) -> Any:
    """Error of scale·(x - mean) / σ, both from sums of n terms; without the mean where not `centred`.

    Args: terms: Σ|addends| of x, where the kernel adds them up itself.
    """
    count = np.prod([x.shape[a] for a in axes])
    mean, wander = _walk_of(x, axes)
    mean, wander = (mean / count, wander / count) if centred else (0.0, 0.0)
    square, rough = _walk_of(np.square(x - mean), axes)
    square = np.maximum(square, np.finfo(np.float64).tiny)
    sigma = np.sqrt(square / count)
    shift = np.abs(x) + np.abs(mean) + wander + terms
    return np.abs(scale) * (shift + np.abs(x - mean) * (4 + rough / square / 2)) / sigma


def _layer_norm(call: Call, outputs: Sequence[Any]) -> Sequence[Any]:
    """ε lessens it; that is left out."""
    x, bias = call.data[0], call.given(2)
    axes = tuple(range(call.attr("axis", -1) % x.ndim, x.ndim))
    found = _normalized(x, axes, call.data[1], centred=call.node.op_type == "LayerNormalization")
    return [found + np.abs(outputs[0]) + (0.0 if bias is None else np.abs(bias))]


def _skip_norm(call: Call, outputs: Sequence[Any]) -> Sequence[Any]:
    """Outputs: the result, mean, 1/σ, the sum that was normalized."""
    centred = call.node.op_type == "SkipLayerNormalization"
    beta, bias = (call.given(3), call.given(4)) if centred else (None, call.given(3))
    addends = [x for x in (*call.data[:2], bias) if x is not None]
    total, terms = sum(addends), sum(np.abs(x) for x in addends)
    found = _normalized(total, (total.ndim - 1,), call.data[2], centred=centred, terms=terms)
    found = found + np.abs(outputs[0]) + (0.0 if beta is None else np.abs(beta))
    return [found, *(0.0 if y is None else np.abs(y) for y in outputs[1:3]), *[terms] * len(outputs[3:])]


def _instance_norm(call: Call, outputs: Sequence[Any]) -> Sequence[Any]:
    x = call.data[0]
    found = _normalized(x, tuple(range(2, x.ndim)), channelwise(call.data[1], x.ndim), centred=True)
    return [found + np.abs(outputs[0]) + np.abs(channelwise(call.data[2], x.ndim))]


MAGNITUDES: Mapping[str, Magnitude] = {
    **{name: _reduction(name) for name in ("ReduceSum", "ReduceMean", "ReduceL1", "ReduceL2",
                                           "ReduceSumSquare", "GlobalAveragePool")},
    **dict.fromkeys(("LayerNormalization", "com.microsoft::LayerNormalization", "RMSNormalization",
                     "SimplifiedLayerNormalization"), _layer_norm),
    **dict.fromkeys(("MatMul", "Gemm", "com.microsoft::FusedMatMul", "com.microsoft::FusedGemm"), _product),
    **dict.fromkeys(("Conv", "com.microsoft::FusedConv"), _convolution(fp64_linear.conv_parts)),
    "ConvTranspose": _convolution(fp64_linear.conv_transpose_parts),
    "Softmax": _softmax, "LogSoftmax": _softmax,
    "BatchNormalization": _batch_norm, "InstanceNormalization": _instance_norm,
    "com.microsoft::SkipLayerNormalization": _skip_norm,
    "com.microsoft::SkipSimplifiedLayerNormalization": _skip_norm,
}  # fmt: skip
