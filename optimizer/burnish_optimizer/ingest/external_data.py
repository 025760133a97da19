"""External data: files that a model names. Names are the file's word, hence not trusted."""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from onnx import AttributeProto, GraphProto, ModelProto, TensorProto

from burnish_optimizer.errors import InvalidSource, UnsafeSource


def external_files(path: Path, model: ModelProto) -> tuple[Path, ...]:
    """The external data files of a model, each inside the model's folder and long enough.

    Raises: UnsafeSource: a name that leads out of the folder. InvalidSource: missing or too short.
    """
    found: dict[Path, None] = {}
    for tensor in _tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL:
            file = _checked(path, tensor)
            found[file] = None
    return tuple(found)


def _checked(path: Path, tensor: TensorProto) -> Path:
    facts = {entry.key: entry.value for entry in tensor.external_data}
    location = str(facts.get("location", ""))
    file = path.parent / location
    names = (PurePosixPath(location), PureWindowsPath(location))
    leads_out = any(name.is_absolute() or ".." in name.parts for name in names)
    if leads_out or not _is_name(location) or not file.resolve().is_relative_to(path.parent.resolve()):
        raise UnsafeSource(
            str(path),
            found=f"tensor {tensor.name!r} whose data lie in {location!r}",
            expected="external data inside the model's folder",
            remedy="Save the model with its data beside it, under a relative name.",
        )
    if not location or not file.is_file():
        raise InvalidSource(
            str(path),
            found=f"no file {location!r} (data of tensor {tensor.name!r})",
            expected="the model's external data beside it",
            remedy="Copy or push the data files together with the model.",
        )
    _check_length(path, tensor, file, facts)
    return file


def _is_name(location: str) -> bool:
    """Whether a file system could hold it: nothing else may be asked about a name that it refuses."""
    return "\0" not in location and all(len(part.encode()) <= 255 for part in location.split("/"))


def _check_length(path: Path, tensor: TensorProto, file: Path, facts: dict[str, str]) -> None:
    entries = [facts.get(name) or "0" for name in ("offset", "length")]
    if not all(entry.isascii() and entry.isdecimal() for entry in entries):
        raise InvalidSource(
            str(path),
            found=f"tensor {tensor.name!r} at offset {entries[0][:20]!r}, of length {entries[1][:20]!r}",
            expected="numbers of bytes, 0 or more",
            remedy="Save the model with its external data again.",
        )
    needed = sum(map(int, entries))
    size = file.stat().st_size
    if size < needed:
        raise InvalidSource(
            str(path),
            found=f"{file.name} of {size} bytes",
            expected=f"at least {needed} bytes for tensor {tensor.name!r}",
            remedy="The file is truncated: copy or fetch it again.",
        )


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        for node in function.node:
            yield from _attribute_tensors(node.attribute)


def _graph_tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield from _attribute_tensors(node.attribute)


def _attribute_tensors(attributes: Iterable[AttributeProto]) -> Iterator[TensorProto]:
    for attribute in attributes:
        yield attribute.t
        yield from attribute.tensors
        for graph in (attribute.g, *attribute.graphs):
            yield from _graph_tensors(graph)
