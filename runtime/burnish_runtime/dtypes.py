"""Element types, by NumPy's names, as the backends spell them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

BFLOAT16 = "bfloat16"
STRING = "object"

ONNXRUNTIME_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "tensor(float)": "float32",
        "tensor(double)": "float64",
        "tensor(float16)": "float16",
        "tensor(bfloat16)": BFLOAT16,
        "tensor(bool)": "bool",
        "tensor(string)": STRING,
        **{f"tensor(int{bits})": f"int{bits}" for bits in (8, 16, 32, 64)},
        **{f"tensor(uint{bits})": f"uint{bits}" for bits in (8, 16, 32, 64)},
    }
)

# Strings are left out on purpose: OpenVINO 2026.4 corrupts the heap on a string model (seen: "munmap_chunk").
OPENVINO_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "f32": "float32",
        "f64": "float64",
        "f16": "float16",
        "bf16": BFLOAT16,
        "boolean": "bool",
        **{f"i{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
        **{f"u{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    }
)

# TensorRT has no 16-bit integers, no unsigned ones beyond 8 bits and no double.
TENSORRT_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "FLOAT": "float32",
        "HALF": "float16",
        "BF16": BFLOAT16,
        "BOOL": "bool",
        "INT8": "int8",
        "INT32": "int32",
        "INT64": "int64",
        "UINT8": "uint8",
    }
)


def numbers(array: "np.ndarray[Any, Any]", dtype: str) -> "np.ndarray[Any, Any]":
    """The values to compare and count with: what bfloat16's raw bits mean, exactly, as float32."""
    return (array.astype(np.uint32) << 16).view(np.float32) if dtype == BFLOAT16 else array


def carrier(dtype: str) -> np.dtype[Any]:
    """The NumPy type in which arrays of this element type travel: raw uint16 for bfloat16."""
    return np.dtype(np.uint16 if dtype == BFLOAT16 else dtype)
