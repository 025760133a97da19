"""Tensors carry a name, and are shared between a model, its clones, and the file that they came from.

A constant that moves needs a name of its own, without touching the one that the others see.
"""

import onnx_ir as ir

# What is smaller is written anew, so that equal constants are seen to be equal.
COPIED_BYTES = 1 << 20
BYTE_BITS = 8


def renamed(held: ir.TensorProtocol, name: str) -> ir.TensorProtocol:
    """The same content under another name; of large tensors not a byte is copied."""
    dims = ir.Shape(held.shape.numpy())
    if isinstance(held, ir.StringTensor) or held.dtype == ir.DataType.STRING:
        return ir.StringTensor(held.string_data(), shape=dims, name=name)  # type: ignore[attr-defined]
    if held.nbytes <= COPIED_BYTES:
        return ir.Tensor(held.numpy(), dtype=held.dtype, shape=dims, name=name)
    return ir.LazyTensor(lambda: held, dtype=held.dtype, shape=dims, name=name)


def at_hand(held: ir.TensorProtocol) -> ir.TensorProtocol:
    """The same tensor; one that lies in a message makes its shape anew whenever it is asked for it."""
    if not isinstance(held, ir.serde.TensorProtoTensor) or held.dtype == ir.DataType.STRING:
        return held
    if held.dtype.bitwidth < BYTE_BITS:
        return held
    return ir.Tensor(
        held.numpy(),
        dtype=held.dtype,
        shape=held.shape,
        name=held.name,
        doc_string=held.doc_string,
        metadata_props=dict(held.metadata_props),
    )
