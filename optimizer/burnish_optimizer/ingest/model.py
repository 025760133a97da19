"""The source model: found, read, checked, and never modified."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx.serialization import registry

from burnish_engine.descriptor import TensorSpec
from burnish_engine.errors import one_line
from burnish_optimizer.errors import InvalidSource, UnsafeSource, UnsupportedOpset
from burnish_optimizer.ingest import light
from burnish_optimizer.ingest.contents import check_contents, graphs
from burnish_optimizer.ingest.external_data import external_files
from burnish_optimizer.ingest.files import size_bytes
from burnish_optimizer.ingest.sniff import HEAD_BYTES, looks_like_onnx, sniff
from burnish_runtime.dtypes import ONNXRUNTIME_TYPES, STRING

OLDEST_OPSET = 7
DEFAULT_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True)
class SourceModel:
    """A model that passed all checks. `files` are the external data files beside `path`.

    uncarried: what it has that a rewritten model would lose; "" for nothing.
    """

    path: Path
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    opset: int
    nodes: int
    files: tuple[Path, ...] = ()
    uncarried: str = ""

    @property
    def size_bytes(self) -> int:
        """Bytes of the model and its external data."""
        return sum(size_bytes(path) for path in (self.path, *self.files))


def read_source(path: Path, *, served: bool = True) -> SourceModel:
    """Find the model (a file, or a folder with exactly one .onnx), read it and check it.

    Args: served: requests must be able to carry its inputs and outputs, and its operators must be of a set
        that is still served. Else (rewriting alone) those that requests cannot carry are not listed.
    Raises: InvalidSource, UnsafeSource, UnsupportedOpset.
    """
    file = _the_model(path)
    model = _parse(file)
    opset = _opset(file, model, oldest=OLDEST_OPSET if served else 0)
    check_contents(file, model)
    files = external_files(file, model)
    _check_graph(file, model, files)
    constants = {tensor.name for tensor in model.graph.initializer}
    return SourceModel(
        path=file,
        inputs=_specs(file, [v for v in model.graph.input if v.name not in constants], served),
        outputs=_specs(file, model.graph.output, served),
        opset=opset,
        nodes=len(model.graph.node),
        files=files,
        uncarried=_uncarried(model),
    )


def _uncarried(model: onnx.ModelProto) -> str:
    """The intermediate representation of onnx-ir knows neither."""
    if model.training_info:
        return "it has training_info, which would be lost"
    if any(graph.sparse_initializer for graph in graphs(model)):
        return "it has sparse initializers, which would be lost"
    return ""


def _the_model(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.exists():
        raise InvalidSource(
            str(path), found="nothing there", expected="an ONNX model", remedy="Name the file."
        )
    models = sorted(path.rglob("*.onnx"))
    if len(models) != 1:
        names = ", ".join(p.relative_to(path).as_posix() for p in models[:5]) or "no .onnx file"
        raise InvalidSource(
            str(path),
            found=names,
            expected="a folder with exactly one .onnx file",
            remedy="Name the file itself, or leave one model in the folder.",
        )
    return models[0]


def _parse(path: Path) -> onnx.ModelProto:
    if registry.get_format_from_file_extension(path.suffix) not in (None, "protobuf"):
        raise InvalidSource(
            str(path),
            found=f"a name ending in {path.suffix}, which says that it is text",
            expected="a binary ONNX model",
            remedy="Name it .onnx, or convert it first if it is text.",
        )
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        kind = sniff(head)
        if kind:
            error = UnsafeSource if kind.unsafe else InvalidSource
            raise error(str(path), found=kind.found, expected="an ONNX model", remedy=kind.remedy)
        model = light.load(path, light.forget)
    except OSError as error:
        raise InvalidSource(str(path), found=str(error), expected="a file that can be read") from error
    except DecodeError as error:
        raise _undecodable(path, head, error) from error
    if not model.graph.output:
        raise InvalidSource(
            str(path),
            found="no graph with outputs",
            expected="an ONNX model",
            remedy="Export it with the outputs that are asked for.",
        )
    return model


def _undecodable(path: Path, head: bytes, error: DecodeError) -> InvalidSource:
    if "MaxDepth" in str(error):  # protobuf reads 100 messages into each other: three a subgraph
        return InvalidSource(
            str(path),
            found="subgraphs in subgraphs, deeper than protobuf reads",
            expected="at most about 30 levels of If, Loop or Scan",
            remedy="Export the model with flatter control flow.",
        )
    found = "a truncated or damaged ONNX model" if looks_like_onnx(head) else "bytes that are no ONNX model"
    return InvalidSource(str(path), found=found, expected="an ONNX model", remedy="Export or fetch it again.")


def _opset(path: Path, model: onnx.ModelProto, oldest: int) -> int:
    newest = onnx.defs.onnx_opset_version()
    versions = {o.version for o in model.opset_import if o.domain in DEFAULT_DOMAINS}
    if len(versions) > 1:
        raise InvalidSource(
            str(path),
            found=f"the standard operator set in versions {', '.join(map(str, sorted(versions)))}",
            expected="one version",
            remedy="Export the model again: what its operators mean depends on the version.",
        )
    found = next(iter(versions), 0)
    if not oldest <= found <= newest:
        raise UnsupportedOpset(
            str(path),
            found=f"opset {found}" if found else "no opset of the standard domain",
            expected=f"opset {oldest} to {newest}",
            remedy="Export the model again with an opset in this range.",
        )
    return found


def _check_graph(path: Path, model: onnx.ModelProto, files: Sequence[Path]) -> None:
    try:
        # By path: the checker then checks external data. It reads the file once more, and holds it twice.
        onnx.checker.check_model(model if light.is_light(path) and not files else str(path))
    except onnx.checker.ValidationError as error:
        raise InvalidSource(
            str(path),
            found=f"an invalid graph ({one_line(error)})",
            expected="a graph that onnx.checker takes",
            remedy="Export the model again; `python -m onnx.bin.checker` shows the whole complaint.",
        ) from error


def _specs(path: Path, values: Sequence[Any], served: bool) -> tuple[TensorSpec, ...]:
    return tuple(_spec(path, value) for value in values if served or _can_be_carried(value))


def _can_be_carried(value: onnx.ValueInfoProto) -> bool:
    try:
        _spec(Path(), value)
    except InvalidSource:
        return False
    return True


def _spec(path: Path, value: onnx.ValueInfoProto) -> TensorSpec:
    if not value.type.HasField("tensor_type"):
        raise InvalidSource(
            str(path),
            found=f"{value.name!r} of type {value.type.WhichOneof('value')}",
            expected="tensors as inputs and outputs",
        )
    tensor = value.type.tensor_type
    dims = [d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in tensor.shape.dim]
    return TensorSpec(name=value.name, dtype=_dtype(path, value.name, tensor.elem_type), shape=tuple(dims))


def _dtype(path: Path, name: str, kind: int) -> str:
    if kind == onnx.TensorProto.STRING:
        return STRING
    known = kind in onnx.TensorProto.DataType.values() and kind != onnx.TensorProto.UNDEFINED
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind).name if known else "undefined"
    if dtype not in ONNXRUNTIME_TYPES.values():
        raise InvalidSource(
            str(path),
            found=f"{name!r} of element type {dtype}",
            expected=f"inputs and outputs of {', '.join(sorted(ONNXRUNTIME_TYPES.values()))}",
            remedy="Cast inside the model: what goes in and out must be a type that requests can carry.",
        )
    return dtype
