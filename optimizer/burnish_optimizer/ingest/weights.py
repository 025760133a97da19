"""Weights stay in files: the graph is small, its tensors are mapped, and nothing is copied whole."""

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import onnx_ir as ir
from onnx import TensorProto

from burnish_optimizer.ingest import light, wire
from burnish_optimizer.ingest.light import INLINE_BYTES
from burnish_optimizer.rewrite.renamed import at_hand
from burnish_optimizer.rewrite.walk import graphs_of

ALIGNMENT = 4096


class WeightFolder:
    """A folder of tensor files that one rewriting works from: ONNX Runtime maps them by location."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._written = 0

    def load(self, source: Path) -> ir.Model:
        """The model with its large tensors in this folder: linked where they are external, else written."""
        name = self._new_name(source.parent)
        with (self.path / name).open("xb") as file:
            model = ir.from_proto(light.load(source, partial(_move, file, name)))
        ir.external_data.set_base_dir(model.graph, source.parent)
        for value in _initializers(model):
            tensor = value.const_value
            if isinstance(tensor, ir.ExternalTensor):
                value.const_value = self._own(tensor) if tensor.location == name else self._adopt(tensor)
        self.spill(model)
        for value in _initializers(model):
            value.const_value = None if value.const_value is None else at_hand(value.const_value)
        return model

    def spill(self, model: ir.Model) -> None:
        """Move large tensors that passes made in memory, or promised to make, into a file."""
        large = [v for v in _initializers(model) if _is_large(v.const_value)]
        if not large:
            return
        name = self._new_name(self.path)
        with (self.path / name).open("xb") as file:
            for value in large:
                value.const_value = self._write(value, file, name)

    def _new_name(self, beside: Path) -> str:
        """One that is neither here nor `beside`: what is adopted is the source's own, and never written."""
        while True:
            name = f"burnish-{self._written}.bin"
            self._written += 1
            if not (self.path / name).exists() and not (beside / name).exists():
                return name

    def _write(self, value: ir.Value, file: IO[bytes], name: str) -> ir.ExternalTensor:
        tensor = value.const_value
        if tensor is None:
            raise ValueError(f"{value.name!r} is no constant")
        offset = _aligned(file)
        data = tensor.tobytes()
        file.write(data)
        return linked(tensor, self.path, name, offset, len(data), name=value.name)

    def _own(self, tensor: ir.ExternalTensor) -> ir.ExternalTensor:
        place = (str(tensor.location), tensor.offset, tensor.length)
        return linked(tensor, self.path, *place, name=tensor.name)

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
    It also maps the whole file for every tensor, and for good: here a mapping ends with the last array of it.
    """

    def __array__(self, dtype: Any = None) -> np.ndarray[Any, Any]:
        return self.numpy().__array__(dtype)

    def numpy(self) -> np.ndarray[Any, Any]:
        array: np.ndarray[Any, Any] = super().numpy()
        self._array = self.raw = None
        return array

    def tobytes(self) -> bytes:
        found: bytes = super().tobytes()
        self._array = self.raw = None
        return found

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


def _move(file: IO[bytes], name: str, tensor: TensorProto, source: IO[bytes], size: int) -> None:
    """Numbers of a tensor to the end of `file`, where the tensor then says they are."""
    offset = _aligned(file)
    wire.copy(source, file, size)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", name), ("offset", offset), ("length", size)):
        tensor.external_data.add(key=key, value=str(value))


def _aligned(file: IO[bytes]) -> int:
    file.write(b"\0" * (-file.tell() % ALIGNMENT))
    return file.tell()


def _initializers(model: ir.Model) -> Iterator[ir.Value]:
    for graph in graphs_of(model.graph):
        yield from graph.initializers.values()


def _is_large(tensor: ir.TensorProtocol | None) -> bool:
    if tensor is None or isinstance(tensor, ir.ExternalTensor) or tensor.dtype == ir.DataType.STRING:
        return False
    return tensor.nbytes > INLINE_BYTES
