"""External data: files that a model names. Names are the file's word, hence not trusted."""

from pathlib import Path, PurePosixPath, PureWindowsPath

from onnx import ModelProto, TensorProto

from burnish_optimizer.errors import InvalidSource, UnsafeSource
from burnish_optimizer.ingest.contents import tensor_bytes, tensors


def external_files(path: Path, model: ModelProto) -> tuple[Path, ...]:
    """The external data files of a model, each inside the model's folder and long enough.

    Raises: UnsafeSource: a name that leads out of the folder. InvalidSource: missing or too short.
    """
    found: dict[Path, None] = {}
    for tensor in tensors(model):
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
    offset, length = map(int, entries)
    needed = tensor_bytes(tensor)
    if facts.get("length") and length != needed:
        raise InvalidSource(
            str(path),
            found=f"{length} bytes of data for tensor {tensor.name!r}",
            expected=f"the {needed} bytes that its type and shape {list(tensor.dims)} take",
            remedy="Save the model with its external data again.",
        )
    size = file.stat().st_size
    if size < offset + needed:
        raise InvalidSource(
            str(path),
            found=f"{file.name} of {size} bytes",
            expected=f"at least {offset + needed} bytes for tensor {tensor.name!r}",
            remedy="The file is truncated: copy or fetch it again.",
        )
