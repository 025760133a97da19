"""Reductions, softmax, normalization and pooling in FP64.

Source: the operators' definitions in ONNX (opset 7 to 28) and in ONNX Runtime's contrib operators.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from burnish_optimizer.errors import NoTruth
from burnish_optimizer.reference.fp64_linear import window
from burnish_optimizer.reference.fp64_values import Call, Kernel, LeftToReference
from burnish_runtime.session import Array

Axes = tuple[int, ...]
DEFAULT_EPSILON = np.float32(1e-5)
SKIP_EPSILON = np.float32(1e-12)  # SkipLayerNormalization's and EmbedLayerNormalization's default


def reduced_axes(call: Call) -> Axes | None:
    """Axes from the attribute or (newer opsets) the second input, made positive; None: nothing is reduced."""
    rank, given = np.ndim(call.data[0]), call.given(1)
    axes = call.attr("axes") if given is None else [int(a) for a in given]
    if not axes:
        return None if call.attr("noop_with_empty_axes", 0) else tuple(range(rank))
    return tuple(axis % rank for axis in axes)


def _log_sum_exp(x: Array, axis: Axes, keepdims: bool) -> Array:
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0.0)
    total = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return np.asarray(total if keepdims else np.squeeze(total, axis))


def _mean(x: Array, axis: Axes, keepdims: bool) -> Array:
    count = math.prod(x.shape[a] for a in axis)
    return np.asarray(np.sum(x, axis=axis, keepdims=keepdims) / count)


REDUCTIONS: Mapping[str, Callable[..., Any]] = {
    "ReduceSum": np.sum, "ReduceProd": np.prod, "ReduceMean": _mean, "ReduceLogSumExp": _log_sum_exp,
    "ReduceMax": lambda x, axis, keepdims: np.max(x, axis=axis, keepdims=keepdims, initial=_least(x)),
    "ReduceMin": lambda x, axis, keepdims: np.min(x, axis=axis, keepdims=keepdims, initial=_most(x)),
    "ReduceL1": lambda x, **over: np.sum(np.abs(x), **over),
    "ReduceL2": lambda x, **over: np.sqrt(np.sum(np.square(x), **over)),
    "ReduceSumSquare": lambda x, **over: np.sum(np.square(x), **over),
    "ReduceLogSum": lambda x, **over: np.log(np.sum(x, **over)),
}  # fmt: skip


def _least(x: Array) -> Any:
    return {"f": -np.inf, "b": False}.get(x.dtype.kind) if x.dtype.kind in "fb" else np.iinfo(x.dtype).min


def _most(x: Array) -> Any:
    return {"f": np.inf, "b": True}.get(x.dtype.kind) if x.dtype.kind in "fb" else np.iinfo(x.dtype).max


def _reduce(name: str) -> Kernel:
    def run(call: Call) -> Sequence[Any]:
        x, axes = call.data[0], reduced_axes(call)
        if axes is None:
            return [x]
        y = REDUCTIONS[name](x, axis=axes, keepdims=bool(call.attr("keepdims", 1)))
        return [np.asarray(y).astype(x.dtype)]

    return run


def softmax(x: Array, axis: int) -> Array:
    """e^x over its sum along `axis`."""
    with np.errstate(invalid="ignore"):
        powers = np.exp(x - np.max(x, axis=axis, keepdims=True, initial=-np.inf))
    return np.asarray(powers / np.sum(powers, axis=axis, keepdims=True))


def softmax_view(call: Call) -> tuple[Array, int]:
    """The array and axis to normalize: before opset 13 all axes from `axis` on count as one."""
    x, axis = call.data[0], call.attr("axis", -1 if call.version >= 13 else 1)
    if call.version >= 13 or x.ndim == 0:
        return x, axis
    return x.reshape(math.prod(x.shape[: axis % x.ndim]), -1), -1


def _softmax(call: Call) -> Sequence[Array]:
    view, axis = softmax_view(call)
    return [softmax(view, axis).reshape(call.data[0].shape)]


def _log_softmax(call: Call) -> Sequence[Array]:
    view, axis = softmax_view(call)
    return [(view - _log_sum_exp(view, (axis,), True)).reshape(call.data[0].shape)]


def channelwise(values: Array, rank: int) -> Array:
    """[C] made to broadcast over [N, C, …]."""
    return values.reshape(1, -1, *(1,) * (rank - 2)) if rank > 1 else values


def _batch_norm(call: Call) -> Sequence[Array]:
    if call.attr("training_mode", 0) or (call.version < 14 and len(call.node.outputs) > 1):
        raise NoTruth("BatchNormalization", "it is in training mode")
    x = call.data[0]
    scale, bias, mean, variance = (channelwise(v, x.ndim) for v in call.data[1:5])
    return [(x - mean) / np.sqrt(variance + float(call.attr("epsilon", DEFAULT_EPSILON))) * scale + bias]


def _instance_norm(call: Call) -> Sequence[Array]:
    x = call.data[0]
    y, _, _ = normalized(x, tuple(range(2, x.ndim)), float(call.attr("epsilon", DEFAULT_EPSILON)))
    return [y * channelwise(call.data[1], x.ndim) + channelwise(call.data[2], x.ndim)]


def _group_norm(call: Call) -> Sequence[Array]:
    """Before opset 21 scale and bias are per group, then per channel."""
    x, groups = call.data[0], call.attr("num_groups")
    split = x.reshape(x.shape[0], groups, -1)
    y, _, _ = normalized(split, (2,), float(call.attr("epsilon", DEFAULT_EPSILON)))
    each = x.shape[1] // groups
    scale, bias = (np.repeat(v, each) if call.version < 21 else v for v in call.data[1:3])
    return [y.reshape(x.shape) * channelwise(scale, x.ndim) + channelwise(bias, x.ndim)]


def _mean_variance_norm(call: Call) -> Sequence[Array]:
    """(x - mean) / (√(mean(x²) - mean²) + 1e-9)."""
    x, axes = call.data[0], tuple(call.attr("axes", (0, 2, 3)))
    deviation = np.std(x, axis=axes, keepdims=True)
    return [(x - np.mean(x, axis=axes, keepdims=True)) / (deviation + 1e-9)]


def normalized(x: Array, axes: Axes, epsilon: float) -> tuple[Array, Array, Array]:
    """(x - mean) / √(variance + ε), the mean, and 1 / √(variance + ε)."""
    mean = np.mean(x, axis=axes, keepdims=True)
    inverse = 1 / np.sqrt(np.mean(np.square(x - mean), axis=axes, keepdims=True) + epsilon)
    return (x - mean) * inverse, mean, inverse


def rms_normalized(x: Array, axes: Axes, epsilon: float) -> tuple[Array, Array]:
    """x / √(mean(x²) + ε), and 1 / √(mean(x²) + ε)."""
    inverse = 1 / np.sqrt(np.mean(np.square(x), axis=axes, keepdims=True) + epsilon)
    return x * inverse, inverse


def _layer_norm(call: Call) -> Sequence[Array]:
    x, bias = call.data[0], call.given(2)
    axes = tuple(range(call.attr("axis", -1) % x.ndim, x.ndim))
    y, mean, inverse = normalized(x, axes, float(call.attr("epsilon", DEFAULT_EPSILON)))
    y = y * call.data[1]
    return [y if bias is None else y + bias, mean, inverse]


def _rms_norm(call: Call) -> Sequence[Array]:
    x = call.data[0]
    axes = tuple(range(call.attr("axis", -1) % x.ndim, x.ndim))
    y, inverse = rms_normalized(x, axes, float(call.attr("epsilon", DEFAULT_EPSILON)))
    return [y * call.data[1], inverse]


def _skip_layer_norm(call: Call) -> Sequence[Any]:
    """Inputs: input, skip, gamma, beta, bias. Outputs: result, mean, 1/σ, input + skip + bias."""
    beta, bias = call.given(3), call.given(4)
    total = call.data[0] + call.data[1] + (0.0 if bias is None else bias)
    y, mean, inverse = normalized(total, (total.ndim - 1,), float(call.attr("epsilon", SKIP_EPSILON)))
    y = y * call.data[2]
    return [y if beta is None else y + beta, mean, inverse, total]


def _skip_rms_norm(call: Call) -> Sequence[Any]:
    """Inputs: input, skip, gamma, bias. Outputs: result, mean (none), 1/rms, input + skip + bias."""
    bias = call.given(3)
    total = call.data[0] + call.data[1] + (0.0 if bias is None else bias)
    y, inverse = rms_normalized(total, (total.ndim - 1,), float(call.attr("epsilon", SKIP_EPSILON)))
    return [y * call.data[2], None, inverse, total]


def _global_pool(function: Callable[..., Any]) -> Kernel:
    return lambda call: [function(call.data[0], axis=tuple(range(2, call.data[0].ndim)), keepdims=True)]


def pool_windows(call: Call, fill: float) -> list[Array]:
    """What each position of the window sees, for all outputs: one array [N, C, *out] a position."""
    x, kernel = call.data[0], call.attr("kernel_shape")
    rank = len(kernel)
    strides, dilations = call.attr("strides", [1] * rank), call.attr("dilations", [1] * rank)
    pads = call.attr("pads", [0] * 2 * rank)
    if call.attr("auto_pad", "NOTSET") != "NOTSET" or call.attr("ceil_mode", 0):
        raise LeftToReference
    padding = [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:], strict=True)]
    x = np.pad(x, padding, constant_values=fill)
    out = [(n - (k - 1) * d - 1) // s + 1
           for n, k, d, s in zip(x.shape[2:], kernel, dilations, strides, strict=True)]  # fmt: skip
    return [x[window(tap, strides, dilations, out)] for tap in product(*map(range, kernel))]


def _max_pool(call: Call) -> Sequence[Array]:
    if sum(bool(v.name) for v in call.node.outputs) > 1 or call.data[0].dtype.kind != "f":
        raise LeftToReference
    return [np.maximum.reduce(pool_windows(call, -np.inf))]


def _average_pool(call: Call) -> Sequence[Array]:
    windows = pool_windows(call, 0.0)
    counted: Any = len(windows)
    if any(call.attr("pads", [])) and not call.attr("count_include_pad", 0):
        # ONNX's reference implementation marks pads by NaN, and so loses the NaN that a model computes.
        there = np.ones((1, 1, *call.data[0].shape[2:]))
        counted = sum(pool_windows(replace(call, data=(there,)), 0.0))
    return [np.asarray(sum(windows) / counted)]


KERNELS: Mapping[str, Kernel] = {
    **{name: _reduce(name) for name in REDUCTIONS},
    "Softmax": _softmax, "LogSoftmax": _log_softmax, "BatchNormalization": _batch_norm,
    "InstanceNormalization": _instance_norm, "LayerNormalization": _layer_norm,
    "GroupNormalization": _group_norm, "MeanVarianceNormalization": _mean_variance_norm,
    "RMSNormalization": _rms_norm, "SimplifiedLayerNormalization": _rms_norm,
    "GlobalAveragePool": _global_pool(np.mean), "GlobalMaxPool": _global_pool(np.max),
    "MaxPool": _max_pool, "AveragePool": _average_pool,
    "com.microsoft::LayerNormalization": _layer_norm,
    "com.microsoft::SkipLayerNormalization": _skip_layer_norm,
    "com.microsoft::SkipSimplifiedLayerNormalization": _skip_rms_norm,
}  # fmt: skip
