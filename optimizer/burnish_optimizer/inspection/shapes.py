"""Concrete shapes of all values: what inference leaves open, one real run tells.

Shape inference stops at a Reshape whose target is computed. So every value that it leaves open gets a
Shape node of its own, and the model is run once: only shapes are kept, never activations.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import onnx

from burnish_engine.errors import one_line
from burnish_optimizer.errors import InvalidJob
from burnish_optimizer.gates.execute import Executable, Feeds
from burnish_optimizer.gates.extract import copied
from burnish_optimizer.gates.probe_inputs import NAMELESS

TAP = "/burnish-shape"
Sizes = Mapping[str, tuple[int, ...]]


def with_input_shapes(proto: onnx.ModelProto, shapes: Sizes) -> onnx.ModelProto:
    """A copy whose inputs have these shapes; a dimension of the same name gets the same size everywhere.

    What exporters write for "free" in many ways (-1, "?") has no name and no size in the copy.

    Raises: InvalidJob: no such input, another rank, another size, or one name with two sizes.
    """
    made = copied(proto)
    inputs = {value.name: value.type.tensor_type.shape.dim for value in made.graph.input}
    for dim in (dim for dims in inputs.values() for dim in dims):
        if dim.dim_value < 0 or (dim.dim_param and dim.dim_param in NAMELESS):
            dim.ClearField("value")
    sizes: dict[str, int] = {}
    for name, shape in shapes.items():
        if name not in inputs:
            raise _wrong(name, "no input of this name", f"one of {', '.join(inputs)}")
        _bind(name, inputs[name], shape, sizes)
    for dim in (dim for dims in inputs.values() for dim in dims):
        if dim.dim_param and dim.dim_param in sizes:
            dim.dim_value = sizes[dim.dim_param]
    return made


def check_shapes(path: Path, shapes: Sizes) -> None:
    """Raises: InvalidJob: shapes that do not fit the inputs of the model."""
    with_input_shapes(onnx.load(str(path), load_external_data=False), shapes)


def complete(proto: onnx.ModelProto, feeds: Feeds, base: Path, threads: int) -> tuple[onnx.ModelProto, str]:
    """The model with the shapes that it has on these feeds written to it.

    Returns: the model, and why a run told nothing (empty where it did).
    """
    fixed = with_input_shapes(proto, {name: tuple(array.shape) for name, array in feeds.items()})
    known = infer(fixed)
    open_names = [name for name in _tensor_names(known) if name not in set(_static(known))]
    if not open_names:
        return known, ""
    try:
        session = Executable(_tapped(fixed, open_names), base, threads)
        found = session.run(feeds, [name + TAP for name in open_names])
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's refusals have no common type
        return known, f"the model did not tell its shapes: {one_line(error, 200)}"
    for name in open_names:
        _write(known, name, found[name + TAP].tolist())
    return infer(known), ""


def infer(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The model with what ONNX's inference can tell; unchanged where it gives up."""
    try:
        return onnx.shape_inference.infer_shapes(proto, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError, RuntimeError):
        return proto


def _bind(
    name: str, dims: Sequence[onnx.TensorShapeProto.Dimension], shape: tuple[int, ...], sizes: dict[str, int]
) -> None:
    if dims and len(dims) != len(shape):
        raise _wrong(name, f"{len(shape)} dimensions", f"{len(dims)}")
    for axis, (dim, size) in enumerate(zip(dims, shape, strict=False)):
        wanted = dim.dim_value if dim.HasField("dim_value") else sizes.get(dim.dim_param, size)
        if wanted != size:
            raise _wrong(name, f"size {size} at axis {axis}", f"{wanted}")
        if dim.dim_param:
            sizes[dim.dim_param] = size
        dim.dim_value = size


def _wrong(name: str, found: str, expected: str) -> InvalidJob:
    return InvalidJob(f"shape of input {name!r}", found=found, expected=expected)


def _infos(proto: onnx.ModelProto) -> Iterator[onnx.ValueInfoProto]:
    for values in (proto.graph.input, proto.graph.value_info, proto.graph.output):
        yield from values


def _static(proto: onnx.ModelProto) -> Iterator[str]:
    for value in _infos(proto):
        tensor = value.type.tensor_type
        if tensor.HasField("shape") and all(d.HasField("dim_value") for d in tensor.shape.dim):
            yield value.name


def _tensor_names(proto: onnx.ModelProto) -> list[str]:
    """Values that nodes of the main graph make, but for those that are known to be no tensors."""
    others = {v.name for v in _infos(proto) if v.type.WhichOneof("value") not in (None, "tensor_type")}
    return [name for node in proto.graph.node for name in node.output if name and name not in others]


def _tapped(proto: onnx.ModelProto, names: list[str]) -> onnx.ModelProto:
    made = copied(proto)
    for name in names:
        made.graph.node.append(onnx.helper.make_node("Shape", [name], [name + TAP]))
        made.graph.output.append(
            onnx.helper.make_tensor_value_info(name + TAP, onnx.TensorProto.INT64, [None])
        )
    return made


def _write(proto: onnx.ModelProto, name: str, shape: list[int]) -> None:
    value = next((v for v in _infos(proto) if v.name == name), None)
    if value is None:
        value = proto.graph.value_info.add(name=name)
    dims = value.type.tensor_type.shape
    dims.Clear()
    for size in shape:
        dims.dim.add(dim_value=size)
    value.type.tensor_type.shape.SetInParent()
