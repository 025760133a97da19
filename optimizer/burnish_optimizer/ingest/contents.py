"""What onnx.checker lets pass, and no tool after it can work with: names that are no text, unknown types.

Also the walk over everything that a model holds, subgraphs and functions included.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto
from onnx.helper import tensor_dtype_to_np_dtype

from burnish_optimizer.errors import InvalidSource

# A dimension beyond this cannot be told to a kernel: ONNX and ONNX Runtime count in int64.
MAX_BYTES = (1 << 63) - 1
# Elements of less than a byte, which ONNX packs; older versions of it do not know all of them.
_NARROW = {"UINT2": 2, "INT2": 2, "UINT4": 4, "INT4": 4, "FLOAT4E2M1": 4, "FLOAT6E2M3": 6, "FLOAT6E3M2": 6}
NARROW_BITS = {kind: _NARROW[name] for name, kind in TensorProto.DataType.items() if name in _NARROW}


def check_contents(path: Path, model: ModelProto) -> None:
    """Names are UTF-8, and tensors are of types and sizes that exist.

    Raises: InvalidSource.
    """
    for name in names(model):
        if not isinstance(name, str):
            raise InvalidSource(
                str(path),
                found=f"the name {bytes(name)[:40]!r}",
                expected="names in UTF-8 (protobuf's strings)",
                remedy="Export the model again, or rename what is called so.",
            )
    for tensor in tensors(model):
        _check_tensor(path, tensor)


def tensor_bytes(tensor: TensorProto) -> int:
    """Bytes that the data of a tensor take: ⌈elements × bits / 8⌉, as ONNX packs them; not for strings."""
    elements = 1
    for size in tensor.dims:
        elements *= size
    return -(-elements * _bits(tensor.data_type) // 8)


def _bits(kind: int) -> int:
    """Of an element."""
    return NARROW_BITS.get(kind) or 8 * tensor_dtype_to_np_dtype(kind).itemsize


def tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Every tensor of a model: initializers, sparse ones, and those in attributes."""
    for graph in graphs(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in nodes(model):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("sparse_tensor"):
                yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
            for sparse in attribute.sparse_tensors:
                yield from (sparse.values, sparse.indices)


def names(model: ModelProto) -> Iterator[str | bytes]:
    """Names of all values, nodes, operators and tensors; what is no UTF-8 arrives as bytes."""
    for graph in graphs(model):
        for value in (*graph.input, *graph.output, *graph.value_info):
            yield value.name
            yield from (d.dim_param for d in value.type.tensor_type.shape.dim)
        yield from (tensor.name for tensor in graph.initializer)
    for node in nodes(model):
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)


def nodes(model: ModelProto) -> Iterator[NodeProto]:
    """Every node, those of subgraphs and functions too."""
    for graph in graphs(model):
        yield from graph.node
    for function in model.functions:
        yield from function.node


def graphs(model: ModelProto) -> Iterator[GraphProto]:
    """The main graph and all subgraphs. Parsing bounds how deep they nest (protobuf: 100 messages)."""
    yield from _with_inner(model.graph)
    for function in model.functions:
        yield from _inner(function.node)


def _with_inner(graph: GraphProto) -> Iterator[GraphProto]:
    yield graph
    yield from _inner(graph.node)


def _inner(members: Iterable[NodeProto]) -> Iterator[GraphProto]:
    for node in members:
        for attribute in node.attribute:
            if attribute.type in (AttributeProto.GRAPH, AttributeProto.UNDEFINED) and attribute.HasField("g"):
                yield from _with_inner(attribute.g)
            for graph in attribute.graphs:
                yield from _with_inner(graph)


def _check_tensor(path: Path, tensor: TensorProto) -> None:
    if tensor.data_type not in TensorProto.DataType.values() or tensor.data_type == TensorProto.UNDEFINED:
        raise InvalidSource(
            str(path),
            found=f"tensor {tensor.name!r} of element type {tensor.data_type}",
            expected="an element type of ONNX (TensorProto.DataType)",
            remedy="Export the model again; a newer exporter may write types that this build does not know.",
        )
    if tensor.data_type == TensorProto.STRING and tensor.data_location == TensorProto.EXTERNAL:
        raise InvalidSource(
            str(path),
            found=f"tensor {tensor.name!r}: strings in external data",
            expected="numbers there: ONNX keeps strings in the model",
            remedy="Save the model again.",
        )
    bits = 8
    for size in tensor.dims:
        bits *= max(1, size)
    if bits > MAX_BYTES:
        raise InvalidSource(
            str(path),
            found=f"tensor {tensor.name!r} of shape {list(tensor.dims)}",
            expected="a shape whose elements can be counted in 64 bits",
            remedy="Export the model again.",
        )
