"""OpenVINO on the CPU."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from burnish_engine.coverage import Coverage
from burnish_engine.descriptor import RunOptions, TensorSpec
from burnish_engine.errors import one_line
from burnish_runtime import check, cpu
from burnish_runtime.dtypes import BFLOAT16, OPENVINO_TYPES
from burnish_runtime.errors import (
    InferenceFailed,
    InvalidInput,
    InvalidModel,
    InvalidOptions,
    UnsupportedBackend,
)
from burnish_runtime.openvino_formats import coverage
from burnish_runtime.openvino_requests import Requests
from burnish_runtime.openvino_shapes import ShapeGuard, Shapes
from burnish_runtime.session import Array

DEVICE = "CPU"


class OpenVinoSession:
    """A model compiled by OpenVINO, and once more for each set of static shapes that its options name."""

    def __init__(self, library: Any, model: Path, options: RunOptions) -> None:
        self._library, self._model = library, model
        core, properties = library.Core(), compile_properties(options)
        _refuse_unknown(core, properties)
        network = _read(core, model)
        compiled = _compile(core, network, properties, model)
        self.inputs = _specs(compiled.inputs, network.inputs, model)
        self.outputs = _specs(compiled.outputs, network.outputs, model)
        self._index = {spec.name: index for index, spec in enumerate(self.outputs)}
        self._any, self._compiled = Requests(compiled), compiled
        self._static = {
            shapes: Requests(_compile(core, _reshaped(network, shapes, model), properties, model))
            for shapes in static_shapes(options, self.inputs)
        }
        self._guard = ShapeGuard(network, [spec.name for spec in self.inputs])

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """See `burnish_runtime.session.Session.run`."""
        names = check.requested(outputs, self.outputs)
        arrays = check.feeds(feeds, self.inputs)
        with self._requests(tuple(arrays[spec.name].shape for spec in self.inputs)).one() as request:
            try:
                for index, spec in enumerate(self.inputs):
                    request.set_input_tensor(index, self._tensor(arrays[spec.name], spec))
                request.infer()
                return {name: _to_array(request.get_output_tensor(self._index[name])) for name in names}
            except RuntimeError as error:
                raise InferenceFailed(
                    self._model.name, found=one_line(error, 500), expected="feeds that the model can compute"
                ) from error

    def coverage(self) -> Coverage:
        """See `burnish_runtime.session.Session.coverage`: layers by the format that they compute in."""
        return coverage(self._compiled.get_runtime_model())

    def close(self) -> None:
        """Give back the memory."""
        self._any.close()
        self._compiled = None
        for requests in self._static.values():
            requests.close()

    def _requests(self, shapes: Shapes) -> Requests:
        found = self._static.get(shapes)
        if found is None:
            self._guard.check(shapes)
        return found or self._any

    def _tensor(self, array: Array, spec: TensorSpec) -> Any:
        """A view where the library allows it: it refuses memory that it could not write to."""
        if spec.dtype == BFLOAT16:
            writable = array if array.flags.writeable else array.copy()
            return self._library.Tensor(writable, list(array.shape), self._library.Type.bf16)
        return self._library.Tensor(array, shared_memory=array.flags.writeable)


def open_session(model: Path, options: RunOptions) -> OpenVinoSession:
    """Load a model file (.onnx, or .xml with its .bin beside it).

    Raises: UnsupportedBackend, InvalidModel, InvalidOptions.
    """
    try:
        import openvino  # noqa: PLC0415 - only engines that need the library pay for it
    except ImportError as error:
        raise UnsupportedBackend(
            "openvino",
            found=str(error),
            expected="the openvino library",
            remedy='Install it: pip install "burnish[openvino]".',
        ) from error
    return OpenVinoSession(openvino, model, options)


def compile_properties(options: RunOptions) -> dict[str, str]:
    """OpenVINO's properties for our options; an explicit property overrides whatever is set here.

    The precision is always said, FP32 where nothing else is asked: left alone, OpenVINO computes in
    bfloat16 on processors that can, and an engine's precision would depend on the node it lands on.
    Under a quota threads are not pinned: a pinned thread cannot go where time is left.
    Raises: InvalidOptions: graph optimizations cannot be switched off here.
    """
    if options.graph_optimization != "all":
        raise InvalidOptions("graph_optimization", found=repr(options.graph_optimization), expected="all")
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": str(options.threads or cpu.default_threads()),
        **({"ENABLE_CPU_PINNING": "NO"} if cpu.is_limited() else {}),
        **options.properties,
    }


def with_streams(options: RunOptions, streams: int) -> RunOptions:
    """So many runs at once, each with the options' threads: one stream runs one request after the other.

    Streams share the weights. An explicit property overrides this.
    """
    threads = streams * (options.threads or max(1, cpu.default_threads() // streams))
    shared = {"NUM_STREAMS": str(streams), "INFERENCE_NUM_THREADS": str(threads)}
    return options.model_copy(update={"properties": {**shared, **options.properties}})


def static_shapes(options: RunOptions, inputs: Sequence[TensorSpec]) -> list[Shapes]:
    """The options' sets of shapes in the order of the inputs, each once.

    Raises: InvalidOptions: a set that does not name every input, or does not fit the model.
    """
    names = [spec.name for spec in inputs]
    found: dict[Shapes, None] = {}
    for shapes in options.static_shapes:
        try:
            check.names(shapes.keys(), inputs)
            for spec in inputs:
                check.shape(shapes[spec.name], spec)
        except InvalidInput as error:
            raise InvalidOptions("static_shapes", found=error.found, expected=error.expected) from error
        found[tuple(tuple(shapes[name]) for name in names)] = None
    return list(found)


def _read(core: Any, model: Path) -> Any:
    try:
        return core.read_model(str(model))
    except RuntimeError as error:
        raise InvalidModel(
            str(model), found=one_line(error, 500), expected="a model that OpenVINO can read"
        ) from error


def _reshaped(network: Any, shapes: Shapes, model: Path) -> Any:
    """A copy for these shapes alone. It shares the weights."""
    copy = network.clone()
    try:
        copy.reshape({index: list(shape) for index, shape in enumerate(shapes)})
    except RuntimeError as error:
        raise InvalidOptions(
            "static_shapes",
            found=f"{shapes}: {one_line(error)}",
            expected=f"shapes that {model.name} can compute",
        ) from error
    return copy


def _compile(core: Any, network: Any, properties: dict[str, str], model: Path) -> Any:
    try:
        return core.compile_model(network, DEVICE, properties)
    except RuntimeError as error:
        kind = InvalidOptions if "property" in str(error).lower() else InvalidModel
        raise kind(
            str(model), found=one_line(error, 500), expected="a model that OpenVINO can compile"
        ) from error


def _refuse_unknown(core: Any, properties: Mapping[str, str]) -> None:
    known = set(core.get_property(DEVICE, "SUPPORTED_PROPERTIES"))
    unknown = sorted(set(properties) - known)
    if unknown:
        raise InvalidOptions(
            "openvino", found=", ".join(unknown), expected=f"some of {', '.join(sorted(known))}"
        )


def _specs(compiled: Sequence[Any], read: Sequence[Any], model: Path) -> tuple[TensorSpec, ...]:
    """Ports by the names that the file gives them: compiling adds names of what it merged into a port."""
    return tuple(_spec(port, _name(own), model) for port, own in zip(compiled, read, strict=True))


def _name(port: Any) -> str:
    return str(port.get_any_name() if port.get_names() else port.get_node().get_friendly_name())


def _spec(port: Any, name: str, model: Path) -> TensorSpec:
    type_name = port.get_element_type().get_type_name()
    dtype, shape = OPENVINO_TYPES.get(type_name), port.get_partial_shape()
    if dtype is None or shape.rank.is_dynamic:
        raise InvalidModel(
            str(model),
            found=f"{name!r} of type {type_name}, shape {shape}",
            expected="tensors of a plain number type and a known rank as inputs and outputs",
        )
    dims = tuple(dim.get_length() if dim.is_static else None for dim in shape)
    return TensorSpec(name=name, dtype=dtype, shape=dims)


def _to_array(tensor: Any) -> Array:
    """A copy: the tensor's memory is the request's, and is written again by its next run."""
    is_bfloat16 = tensor.element_type.get_type_name() == "bf16"
    data: Array = tensor.data.view(np.uint16) if is_bfloat16 else tensor.data
    return data.copy()
