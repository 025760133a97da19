"""Writes a model whose weights lie in files: its graph is small, and numbers go from file to file."""

from collections.abc import Iterable
from pathlib import Path
from typing import IO

import onnx
import onnx_ir as ir
from onnx import ModelProto, TensorProto

from burnish_optimizer.ingest import wire
from burnish_optimizer.ingest.contents import graphs
from burnish_optimizer.ingest.wire import GRAPH_INITIALIZER, MODEL_GRAPH, TENSOR_RAW_DATA

MAX_FILE_BYTES = (1 << 31) - (1 << 24)  # protobuf's limit, with room for the graph
EXTERNAL_BYTES = 1024


def save(model: ir.Model, output: Path, *, external: bool) -> None:
    """Write `output`, with its weights in `output.data` beside it where they are external or too large."""
    graphs_of = (model.graph, *model.graph.subgraphs())
    tensors = [v.const_value for graph in graphs_of for v in graph.initializers.values()]
    sizes = [tensor.nbytes for tensor in tensors if tensor is not None]
    # Without a weight that is large enough to go there, the file beside the model would be an empty one.
    external = external and max(sizes, default=0) >= EXTERNAL_BYTES
    if external or sum(sizes) > MAX_FILE_BYTES:
        data = f"{output.name}.data"
        ir.save(model, output, external_data=data, size_threshold_bytes=EXTERNAL_BYTES)
        return
    bases = [Path(t.base_dir) for t in tensors if isinstance(t, ir.ExternalTensor)]
    with output.open("wb") as file:
        _write(ir.serde.serialize_model(model), bases[0] if bases else Path(), file)


def _write(proto: ModelProto, base: Path, file: IO[bytes]) -> None:
    """The graph as a field of its own, with its tensors as its last ones.

    The whole as one message would be in memory twice, as objects and as bytes. Fields stand in the order of
    their numbers: OpenVINO 2026.4 takes a file for a model only where its graph comes before its metadata.
    """
    for graph in graphs(proto):
        if graph is not proto.graph:
            _bring_in(graph.initializer, base)
    tensors = [_Tensor(tensor) for tensor in proto.graph.initializer]
    del proto.graph.initializer[:]
    graph_bytes = proto.graph.SerializeToString()
    before, after = _around_graph(proto)
    file.write(before.SerializeToString())
    file.write(wire.head(MODEL_GRAPH, len(graph_bytes) + sum(t.field_bytes for t in tensors)))
    file.write(graph_bytes)
    for tensor in tensors:
        tensor.write(base, file)
    file.write(after.SerializeToString())


def _around_graph(proto: ModelProto) -> tuple[ModelProto, ModelProto]:
    """The fields of a model whose numbers are below the graph's, and those above."""
    proto.ClearField("graph")
    after = ModelProto()
    after.CopyFrom(proto)
    for field, _ in proto.ListFields():
        (proto if field.number > MODEL_GRAPH else after).ClearField(field.name)
    return proto, after


class _Tensor:
    """One initializer, as the field that it becomes."""

    def __init__(self, tensor: TensorProto) -> None:
        facts = _taken_out(tensor)
        self._location = facts.get("location", "")
        self._offset, self._size = (int(facts.get(name, 0)) for name in ("offset", "length"))
        self._head = tensor.SerializeToString()
        if facts:
            self._head += wire.head(TENSOR_RAW_DATA, self._size)
        content = len(self._head) + self._size
        self._field_head = wire.head(GRAPH_INITIALIZER, content)
        self.field_bytes = len(self._field_head) + content

    def write(self, base: Path, file: IO[bytes]) -> None:
        file.write(self._field_head)
        file.write(self._head)
        if self._size:
            with (base / self._location).open("rb") as source:
                source.seek(self._offset)
                wire.copy(source, file, self._size)


def _taken_out(tensor: TensorProto) -> dict[str, str]:
    """Where its numbers lie in a file, which the tensor then no longer says; nothing: they are its own."""
    if not onnx.external_data_helper.uses_external_data(tensor):
        return {}
    facts = {entry.key: entry.value for entry in tensor.external_data}
    tensor.ClearField("data_location")
    del tensor.external_data[:]
    return facts


def _bring_in(tensors: Iterable[TensorProto], base: Path) -> None:
    """Those of subgraphs, which are small as a rule, in memory."""
    for tensor in tensors:
        facts = _taken_out(tensor)
        if facts:
            with (base / facts["location"]).open("rb") as source:
                source.seek(int(facts.get("offset", 0)))
                tensor.raw_data = source.read(int(facts["length"]))
