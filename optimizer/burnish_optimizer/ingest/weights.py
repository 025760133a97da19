"""Weights stay in files: the graph is small, its tensors are mapped, and nothing is copied whole."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import onnx
import onnx_ir as ir

from burnish_optimizer.ingest.contents import graphs
from burnish_optimizer.rewrite.renamed import at_hand
from burnish_optimizer.rewrite.walk import graphs_of

INLINE_BYTES = 1 << 16
ALIGNMENT = 4096
MAX_FILE_BYTES = (1 << 31) - (1 << 24)  # protobuf's limit, with room for the graph


class WeightFolder:
    """A folder of tensor files that one rewriting works from: ONNX Runtime maps them by location."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._written = 0

    def load(self, source: Path) -> ir.Model:
        """The model with its large tensors in this folder: linked where they are external, else written."""
        model = ir.load(source)
        for value in _initializers(model):
            tensor = value.const_value
            if isinstance(tensor, ir.ExternalTensor):
                value.const_value = self._adopt(tensor)
        self.spill(model)
        for value in _initializers(model):
            value.const_value = None if value.const_value is None else at_hand(value.const_value)
        return model

    def spill(self, model: ir.Model) -> None:
        """Move large tensors that passes made in memory, or promised to make, into a file."""
        large = [v for v in _initializers(model) if _is_large(v.const_value)]
        if not large:
            return
        name = f"burnish-{self._written}.bin"
        self._written += 1
        with (self.path / name).open("wb") as file:
            for value in large:
                value.const_value = self._write(value, file, name)

    def _write(self, value: ir.Value, file: IO[bytes], name: str) -> ir.ExternalTensor:
        tensor = value.const_value
        if tensor is None:
            raise ValueError(f"{value.name!r} is no constant")
        file.write(b"\0" * (-file.tell() % ALIGNMENT))
        offset = file.tell()
        data = tensor.tobytes()
        file.write(data)
        return linked(tensor, self.path, name, offset, len(data), name=value.name)

    def _adopt(self, tensor: ir.ExternalTensor) -> ir.ExternalTensor:
        place = self.path / tensor.location
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(os.path.realpath(tensor.path), place)
            except OSError:  # another file system
                shutil.copyfile(tensor.path, place)
        length = tensor.length if tensor.length is not None else tensor.nbytes
        return linked(tensor, self.path, str(tensor.location), tensor.offset or 0, length, name=tensor.name)


class Linked(ir.ExternalTensor):
    """A tensor in a file of this folder, which may be a hard link that we made to the source's own.

    onnx-ir refuses files with several links, for they could lead out of the folder of a model that was
    fetched. Where the source's files lie is checked when it is read (`ingest/external_data.py`).
    """

    def _check_path_containment(self) -> None:
        pass


def linked(
    tensor: ir.TensorProtocol,
    folder: Path,
    location: str,
    offset: int | None,
    length: int | None,
    *,
    name: str | None,
) -> Linked:
    """The type and shape of `tensor`, with its bytes at a place in a file of `folder`."""
    return Linked(
        location,
        offset,
        length,
        tensor.dtype,
        shape=ir.Shape(tensor.shape.numpy()),
        name=name or "",
        base_dir=folder,
    )


def find_in(model: ir.Model, folder: Path) -> ir.Model:
    """Let the external tensors of a model that was written and read again be found in a `WeightFolder`."""
    for value in _initializers(model):
        found = value.const_value
        if isinstance(found, ir.ExternalTensor):
            value.const_value = linked(
                found, folder, str(found.location), found.offset, found.length, name=found.name
            )
    return model


def save(model: ir.Model, output: Path, *, external: bool) -> None:
    """Write `output`, with its weights in `output.data` beside it where they are external or too large."""
    size = sum(v.const_value.nbytes for v in _initializers(model) if v.const_value is not None)
    if external or size > MAX_FILE_BYTES:
        ir.save(model, output, external_data=f"{output.name}.data", size_threshold_bytes=1024)
        return
    proto = ir.serde.serialize_model(model)
    tensors = [v.const_value for v in _initializers(model)]
    bases = {t.base_dir for t in tensors if isinstance(t, ir.ExternalTensor)}
    for tensor in (tensor for graph in graphs(proto) for tensor in graph.initializer):
        if onnx.external_data_helper.uses_external_data(tensor):
            onnx.external_data_helper.load_external_data_for_tensor(tensor, str(next(iter(bases))))
            tensor.data_location = onnx.TensorProto.DEFAULT
            del tensor.external_data[:]
    output.write_bytes(proto.SerializeToString())


def _initializers(model: ir.Model) -> Iterator[ir.Value]:
    for graph in graphs_of(model.graph):
        yield from graph.initializers.values()


def _is_large(tensor: ir.TensorProtocol | None) -> bool:
    if tensor is None or isinstance(tensor, ir.ExternalTensor) or tensor.dtype == ir.DataType.STRING:
        return False
    return tensor.nbytes > INLINE_BYTES
