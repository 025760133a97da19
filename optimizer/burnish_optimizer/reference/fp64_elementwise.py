"""Elementwise operators in FP64, as NumPy expressions.

Source: the operators' definitions in ONNX (opset 7 to 28) and in ONNX Runtime's contrib operators.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np

from burnish_optimizer.reference.fp64_erf import erf
from burnish_optimizer.reference.fp64_values import Call, Kernel
from burnish_runtime.session import Array

Unary = Callable[[Array], Any]
Binary = Callable[[Array, Array], Any]
SELU_ALPHA, SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875  # as the standard gives them
TANH_GELU = math.sqrt(2 / math.pi)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x), without overflow."""
    half: Array = 0.5 + 0.5 * np.tanh(0.5 * x)
    result: Array = np.where(x < -20, np.exp(np.minimum(x, 0)) / (1 + np.exp(np.minimum(x, 0))), half)
    return result


def softplus(x: Array) -> Array:
    """ln(1 + e^x)."""
    return np.asarray(np.logaddexp(0.0, x))


def gelu(x: Array) -> Array:
    """x Φ(x), Φ the normal distribution's function."""
    return np.asarray(0.5 * x * (1 + erf(x / math.sqrt(2))))


def tanh_gelu(x: Array) -> Array:
    """GELU's approximation through tanh."""
    return np.asarray(0.5 * x * (1 + np.tanh(TANH_GELU * (x + 0.044715 * x**3))))


def _elu(x: Array, alpha: float) -> Any:
    return np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)


def _selu(call: Call) -> Any:
    return call.attr("gamma", SELU_GAMMA) * _elu(call.data[0], call.attr("alpha", SELU_ALPHA))


def _celu(call: Call) -> Any:
    alpha = call.attr("alpha", 1.0)
    return _elu(call.data[0] / alpha, 1.0) * alpha


def _hard_sigmoid(call: Call) -> Any:
    return np.clip(call.attr("alpha", np.float32(0.2)) * call.data[0] + call.attr("beta", 0.5), 0, 1)


def _leaky(call: Call) -> Any:
    x = call.data[0]
    return np.where(x < 0, float(call.attr("alpha", np.float32(0.01))) * x, x)


def _thresholded(call: Call) -> Any:
    x = call.data[0]
    return np.where((x > call.attr("alpha", 1.0)) | np.isnan(x), x, 0.0)


def _gelu(call: Call) -> Any:
    return tanh_gelu(call.data[0]) if call.attr("approximate", "none") == "tanh" else gelu(call.data[0])


def _swish(call: Call) -> Any:
    x = call.data[0]
    return x * sigmoid(call.attr("alpha", 1.0) * x)


def _quick_gelu(call: Call) -> Any:
    x = call.data[0]
    return x * sigmoid(float(call.attr("alpha", np.float32(1.702))) * x)


def _bias_of(function: Unary) -> Callable[[Call], Any]:
    def run(call: Call) -> Any:
        bias = call.given(1)
        return function(call.data[0] if bias is None else call.data[0] + bias)

    return run


def _clip(call: Call) -> Any:
    low, high = call.given(1), call.given(2)
    low = call.attr("min") if low is None else low
    high = call.attr("max") if high is None else high
    x = call.data[0]
    x = x if low is None else np.maximum(x, low)
    return np.asarray(x if high is None else np.minimum(x, high))


def _divide(call: Call) -> Any:
    """Integers are divided towards 0, as C++ does; by 0 they give 0 here, and anything there."""
    a, b = call.data
    if a.dtype.kind == "f":
        return np.asarray(a / b)
    quotient = np.floor_divide(a, b)
    inexact = (quotient * b != a) & ((a < 0) != (b < 0))
    return np.asarray(np.where(inexact, quotient + 1, quotient).astype(a.dtype))


def _power(call: Call) -> Any:
    """The result has the base's type."""
    base, exponent = call.data
    if base.dtype.kind == "f" and np.size(exponent) == 1 and float(np.ravel(exponent)[0]) == 2:
        return np.asarray((base * base).reshape(np.broadcast_shapes(base.shape, exponent.shape)))
    return np.asarray(np.power(base.astype(np.float64), exponent).astype(base.dtype))


def _prelu(call: Call) -> Any:
    x, slope = call.data
    return np.where(x < 0, x * slope, x)


def _mean(call: Call) -> Any:
    return np.asarray(reduce(np.add, call.data) / len(call.data))


def _unary(function: Unary) -> Kernel:
    return lambda call: [function(call.data[0])]


def _single(function: Callable[[Call], Any]) -> Kernel:
    return lambda call: [function(call)]


def _folded(function: Binary) -> Kernel:
    return lambda call: [np.asarray(reduce(function, call.data))]


UNARY: Mapping[str, Unary] = {
    "Neg": np.negative, "Abs": np.abs, "Sqrt": np.sqrt, "Exp": np.exp, "Log": np.log, "Tanh": np.tanh,
    "Sigmoid": sigmoid, "Erf": erf, "Relu": lambda x: np.maximum(x, 0), "Softplus": softplus,
    "Softsign": lambda x: x / (1 + np.abs(x)), "Mish": lambda x: x * np.tanh(softplus(x)),
    "HardSwish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1), "Reciprocal": lambda x: 1 / x,
    "Sin": np.sin, "Cos": np.cos, "Tan": np.tan, "Atan": np.arctan, "Floor": np.floor, "Ceil": np.ceil,
    "Round": np.rint, "Sign": np.sign, "Not": np.logical_not, "Identity": lambda x: x, "IsNaN": np.isnan,
}  # fmt: skip
FOLDED: Mapping[str, Binary] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Sum": np.add,
    "Max": np.maximum, "Min": np.minimum, "Equal": np.equal, "Less": np.less, "Greater": np.greater,
    "LessOrEqual": np.less_equal, "GreaterOrEqual": np.greater_equal,
    "And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor,
}  # fmt: skip
OTHERS: Mapping[str, Callable[[Call], Any]] = {
    "Elu": lambda call: _elu(call.data[0], call.attr("alpha", 1.0)),
    "Selu": _selu, "Celu": _celu, "HardSigmoid": _hard_sigmoid, "LeakyRelu": _leaky, "Clip": _clip,
    "ThresholdedRelu": _thresholded, "Gelu": _gelu, "Swish": _swish, "Div": _divide, "Pow": _power,
    "PRelu": _prelu, "Mean": _mean, "Where": lambda call: np.where(*call.data),
}  # fmt: skip
CONTRIB: Mapping[str, Callable[[Call], Any]] = {
    "Gelu": lambda call: gelu(call.data[0]),
    "QuickGelu": _quick_gelu, "BiasGelu": _bias_of(gelu), "FastGelu": _bias_of(tanh_gelu),
}  # fmt: skip


def _table(entries: Mapping[str, Callable[[Call], Any]], prefix: str = "") -> Mapping[str, Kernel]:
    return {prefix + name: _single(function) for name, function in entries.items()}


KERNELS: Mapping[str, Kernel] = {
    **{name: _unary(function) for name, function in UNARY.items()},
    **{name: _folded(function) for name, function in FOLDED.items()},
    **_table(OTHERS),
    **_table(CONTRIB, "com.microsoft::"),
}
ACTIVATIONS: Mapping[str, Callable[[Array, Sequence[float]], Any]] = {
    "Relu": lambda x, _: np.maximum(x, 0),
    "Tanh": lambda x, _: np.tanh(x),
    "Sigmoid": lambda x, _: sigmoid(x),
    "LeakyRelu": lambda x, p: np.where(x < 0, (p[0] if p else float(np.float32(0.01))) * x, x),
    "Clip": lambda x, p: np.clip(x, p[0], p[1]),
    "HardSigmoid": lambda x, p: np.clip(p[0] * x + p[1], 0, 1),
    "HardSwish": lambda x, p: x * np.clip(x / 6 + 0.5, 0, 1),
    "Gelu": lambda x, _: gelu(x),
}
