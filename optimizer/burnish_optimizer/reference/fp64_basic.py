"""Operators that make or retype values, and the linear ones with what fused kernels do after them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish_optimizer.errors import NoTruth
from burnish_optimizer.reference import fp64_linear
from burnish_optimizer.reference.fp64_elementwise import ACTIVATIONS
from burnish_optimizer.reference.fp64_linear import gemm_operands
from burnish_optimizer.reference.fp64_reduce import channelwise
from burnish_optimizer.reference.fp64_values import Call, DType, Kernel, element_type, is_float, widen
from burnish_runtime.session import Array

# Where a constant's value may stand, and its element type.
VALUES: Mapping[str, Any] = {
    "value": None, "value_float": np.float32, "value_floats": np.float32, "value_int": np.int64,
    "value_ints": np.int64, "value_string": object, "value_strings": object,
}  # fmt: skip


def target_type(call: Call) -> DType | None:
    """The element type that the node itself names (Cast's `to`, a constant's), None where it names none."""
    name = call.node.op_type
    if name == "Cast":
        return element_type(ir.DataType(call.attr("to")))
    if name == "CastLike":
        return call.dtype(1)
    if name == "Constant" or (name == "ConstantOfShape" and call.attr("value") is not None):
        return _constant_value(call).dtype
    if name in {"EyeLike", "RandomNormal"} and call.attr("dtype") is not None:
        return element_type(ir.DataType(call.attr("dtype")))
    return None


def _constant_value(call: Call) -> Array:
    for name, kind in VALUES.items():
        value = call.attr(name)
        if value is not None:
            return np.asarray(value.numpy() if name == "value" else value, dtype=kind)
    raise NoTruth(call.node.op_type, "its value is sparse")


def _constant(call: Call) -> Sequence[Array]:
    value = _constant_value(call)
    return [widen(value, value.dtype)]


def _constant_of_shape(call: Call) -> Sequence[Array]:
    given = call.attr("value")
    value = np.zeros(1, np.float32) if given is None else np.asarray(given.numpy())
    value = widen(value, value.dtype)
    return [np.full([int(n) for n in call.data[0]], value.ravel()[0], dtype=value.dtype)]


def _cast(call: Call) -> Sequence[Array]:
    """Floats stay FP64; to integers towards 0; narrower rounding is the node's local error."""
    to, x = target_type(call), call.data[0]
    if to is None or to.kind in "OUS" or x.dtype.kind in "OUS":
        raise NoTruth(call.node.op_type, "from or to strings")
    if is_float(to):
        return [x.astype(np.float64)]
    if to.kind == "V":
        return [widen(x.astype(to), to)]
    return [x.astype(to)]


def _matmul(call: Call) -> Sequence[Array]:
    return [np.matmul(call.data[0], call.data[1])]


def _gemm(call: Call) -> Sequence[Array]:
    a, b = gemm_operands(call)
    c = call.given(2)
    y = np.matmul(a, b)
    return [np.asarray(y if c is None else y + call.attr("beta", 1.0) * c)]


def _conv(call: Call) -> Sequence[Array]:
    (y, _), bias = next(fp64_linear.conv_parts(call, whole=True)), call.given(2)
    return [y if bias is None else y + channelwise(bias, y.ndim)]


def _conv_transpose(call: Call) -> Sequence[Array]:
    (y, _), bias = next(fp64_linear.conv_transpose_parts(call, whole=True)), call.given(2)
    return [y if bias is None else y + channelwise(bias, y.ndim)]


def _activated(kernel: Kernel) -> Kernel:
    """A fused kernel: the operator, the fourth input added, then the activation that the attributes name."""

    def run(call: Call) -> Sequence[Array]:
        y = kernel(call)[0]
        name, addend = call.attr("activation", ""), call.given(3)
        if addend is not None:
            y = y + addend
        if name and name not in ACTIVATIONS:
            raise NoTruth(call.node.op_type, f"activation {name}")
        return [ACTIVATIONS[name](y, _parameters(call)) if name else y]

    return run


def _parameters(call: Call) -> list[float]:
    """FusedConv has a list; FusedGemm an attribute for each."""
    single = [call.attr(f"activation_{name}") for name in ("alpha", "beta", "gamma")]
    return list(call.attr("activation_params", [])) or [v for v in single if v is not None]


def _transposed(call: Call) -> Sequence[Any]:
    return [np.transpose(call.data[0], call.attr("perm"))]


def _expand(call: Call) -> Sequence[Any]:
    x, shape = call.data[0], tuple(int(n) for n in call.data[1])
    return [np.broadcast_to(x, np.broadcast_shapes(x.shape, shape))]


LINEAR = frozenset({"MatMul", "Gemm", "Conv", "ConvTranspose"})
KERNELS: Mapping[str, Kernel] = {
    "Constant": _constant, "ConstantOfShape": _constant_of_shape, "Cast": _cast, "CastLike": _cast,
    "MatMul": _matmul, "Gemm": _gemm, "Conv": _conv, "ConvTranspose": _conv_transpose,
    "Transpose": _transposed, "Expand": _expand,
    "com.microsoft::FusedConv": _activated(_conv), "com.microsoft::FusedGemm": _activated(_gemm),
    "com.microsoft::FusedMatMul": _gemm,
}  # fmt: skip
