"""The protocol's datatypes and the element types that carry them."""

from collections.abc import Mapping
from types import MappingProxyType

from burnish_serving.errors import InvalidRequest

# BF16 travels as raw bits (see `burnish_runtime.session`); BYTES is an object array of `str`.
BF16 = "BF16"
BYTES = "BYTES"
BOOL = "BOOL"
DTYPES: Mapping[str, str] = MappingProxyType(
    {
        BOOL: "bool",
        **{f"UINT{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
        **{f"INT{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
        "FP16": "float16",
        "FP32": "float32",
        "FP64": "float64",
        BF16: "bfloat16",
        BYTES: "object",
    }
)
DATATYPES: Mapping[str, str] = MappingProxyType({dtype: datatype for datatype, dtype in DTYPES.items()})


def dtype_of(datatype: str, subject: str) -> str:
    """NumPy's name for a datatype.

    Raises: InvalidRequest.
    """
    if datatype not in DTYPES:
        raise InvalidRequest(subject, found=f"datatype {datatype[:40]!r}", expected=", ".join(DTYPES))
    return DTYPES[datatype]
