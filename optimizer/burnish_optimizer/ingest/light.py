"""A model without the numbers of its large weights: those go from file to file, piece by piece.

Read whole, a model takes its size twice, as bytes and as a message, and one small tensor that is kept keeps
all of the message. What is not written as exporters write it is read whole.
"""

import mmap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto

from burnish_optimizer.ingest import wire
from burnish_optimizer.ingest.contents import tensor_bytes
from burnish_optimizer.ingest.wire import BYTES, GRAPH_INITIALIZER, MODEL_GRAPH, TENSOR_RAW_DATA, Field

# Smaller ones are read whole: the walk is for memory, not for speed.
LIGHT_BYTES = 32 << 20
INLINE_BYTES = 1 << 16
PIECE_BYTES = 1 << 20
OTHER_NUMBERS = {
    f"{kind}_data" for kind in ("float", "int32", "string", "int64", "double", "uint64", "external")
}

# Told the tensor without its numbers, the file at their place, and their bytes; it may change the tensor.
Keep = Callable[[TensorProto, IO[bytes], int], None]


def is_light(path: Path) -> bool:
    """Whether `load` leaves large weights out."""
    return path.stat().st_size >= LIGHT_BYTES


def load(path: Path, keep: Keep) -> ModelProto:
    """The model; `keep` has the large weights of the main graph, where the file is large.

    External data are not read. Raises: OSError, DecodeError.
    """
    if is_light(path):
        try:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _Walk(data, file, keep).model()
        except wire.Malformed:
            pass  # protobuf has the last word, and tells what is wrong
    return onnx.load(str(path), load_external_data=False)


def forget(tensor: TensorProto, _file: IO[bytes], _size: int) -> None:
    """A `Keep` for reading alone: the tensor becomes an empty one, which is valid."""
    tensor.dims[:] = [0]
    tensor.raw_data = b""


class _Walk:
    def __init__(self, data: mmap.mmap, file: IO[bytes], keep: Keep) -> None:
        self._data, self._file, self._keep = data, file, keep

    def model(self) -> ModelProto:
        parts = list(wire.fields(self._data, 0, len(self._data)))
        graphs = [f for f in parts if f.number == MODEL_GRAPH and f.wire == BYTES]
        model: ModelProto = ModelProto.FromString(b"".join(self._bytes(f) for f in parts if f not in graphs))
        for graph in graphs:
            for part in _joined(self._graph(graph)):
                model.graph.MergeFromString(part)
        return model

    def _graph(self, graph: Field) -> Iterator[bytes]:
        for field in wire.fields(self._data, graph.body, graph.end):
            light = self._light(field) if _may_be_large(field) else None
            yield self._bytes(field) if light is None else light

    def _light(self, field: Field) -> bytes | None:
        """A tensor as a field of its own, without its numbers; None: it stays as it is."""
        inner = list(wire.fields(self._data, field.body, field.end))
        raw = [f for f in inner if f.number == TENSOR_RAW_DATA]
        if len(raw) != 1 or raw[0].size <= INLINE_BYTES:
            return None
        tensor = _parsed(b"".join(self._bytes(f) for f in inner if f not in raw))
        if tensor is None or not _takes(tensor, raw[0].size):
            return None
        self._file.seek(raw[0].body)
        self._keep(tensor, self._file, raw[0].size)
        data: bytes = tensor.SerializeToString()
        return wire.head(GRAPH_INITIALIZER, len(data)) + data

    def _bytes(self, field: Field) -> bytes:
        return self._data[field.start : field.end]


def _joined(parts: Iterator[bytes]) -> Iterator[bytes]:
    """In pieces that are quick to merge: constants that are no initializers would be in memory twice."""
    held = bytearray()
    for part in parts:
        held += part
        if len(held) > PIECE_BYTES:
            yield bytes(held)
            held.clear()
    yield bytes(held)


def _may_be_large(field: Field) -> bool:
    return field.number == GRAPH_INITIALIZER and field.wire == BYTES and field.size > INLINE_BYTES


def _parsed(data: bytes) -> TensorProto | None:
    try:
        tensor: TensorProto = TensorProto.FromString(data)
    except DecodeError:
        return None
    return tensor


def _takes(tensor: TensorProto, size: int) -> bool:
    """Whether it is a plain tensor that takes as many bytes: the checks have a word on others."""
    kinds = set(TensorProto.DataType.values()) - {TensorProto.UNDEFINED, TensorProto.STRING}
    if tensor.data_type not in kinds or any(dim < 0 for dim in tensor.dims):
        return False
    others = {field.name for field, _ in tensor.ListFields()} & OTHER_NUMBERS
    return not others and tensor.data_location != TensorProto.EXTERNAL and tensor_bytes(tensor) == size
