"""BF16 in the graph itself, for targets whose precision is what the graph says (TensorRT for RTX, CUDA).

BF16 has FP32's range, so nothing can overflow that did not; it has 8 bits of precision, so integers above 256
and large angles keep FP32. (OpenVINO and oneDNN take BF16 as an option of the run, and need no other graph.)
"""

from collections.abc import Collection, Mapping

import onnx_ir as ir

from burnish_optimizer.precision.floats.fp16 import UNKNOWN, NarrowReport, Store, narrowed
from burnish_optimizer.precision.floats.rules import Facts

EXACT_INTEGERS = 256


def to_bf16(
    model: ir.Model,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    keep: Collection[str] = (),
    store: Store = lambda _: None,
) -> tuple[ir.Model, NarrowReport]:
    """A typed model as one that computes in BF16, where ONNX's operators of its opset have it.

    Args: see `fp16.to_fp16`; of ranges only those of integers and angles count.
    """
    facts = Facts(ranges or UNKNOWN, frozenset(keep), exact=EXACT_INTEGERS, bounded=False)
    return narrowed(model, ir.DataType.BFLOAT16, facts, store)
