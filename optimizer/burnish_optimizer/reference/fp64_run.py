"""One evaluation of a model in FP64: node by node, exactly, as its own types would store it, or perturbed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish_optimizer.errors import NoTruth
from burnish_optimizer.reference import fp64_attention, fp64_basic, fp64_elementwise, fp64_reduce
from burnish_optimizer.reference.fp64_control import CONTROL
from burnish_optimizer.reference.fp64_reference import STANDARD, output_types, reference_kernel
from burnish_optimizer.reference.fp64_rounding import local_errors
from burnish_optimizer.reference.fp64_rows import rowwise
from burnish_optimizer.reference.fp64_signs import RUNS, Signs
from burnish_optimizer.reference.fp64_values import (
    Call,
    Datum,
    DType,
    Kernel,
    LeftToReference,
    Wide,
    element_type,
    headroom,
    is_float,
    smallest_normal,
    store,
    widen,
)
from burnish_optimizer.rewrite.walk import subgraphs

KERNELS: Mapping[str, Kernel] = {
    **fp64_elementwise.KERNELS, **fp64_reduce.KERNELS, **fp64_basic.KERNELS, **fp64_attention.KERNELS,
}  # fmt: skip
Path = tuple[int, ...]


class Mode(Enum):
    """TRUTH: exact.   STORED: rounded to their types.   PERTURBED: nodes off by their local errors.

    STACKED: all perturbed runs as one, on as many batches (see `fp64_rows`).
    """

    TRUTH = "truth"
    STORED = "stored"
    PERTURBED = "perturbed"
    STACKED = "stacked"


@dataclass
class Trace:
    """What the exact run leaves for the others: constants, results that nothing perturbs, local errors.

    wanted: outputs of the main graph that are asked for.   bounded: whether errors are asked for, too.
    rows: how many everything has on its first axis, where all nodes answer row by row; else None.
    """

    wanted: list[ir.Value]
    bounded: bool = True
    constants: dict[ir.Value, Wide] = field(default_factory=dict)
    results: dict[Path, list[Datum]] = field(default_factory=dict)
    errors: dict[Path, list[Any]] = field(default_factory=dict)
    signs: Signs = field(default_factory=Signs)
    rows: int | None = None
    types: dict[Path, list[DType | None]] = field(default_factory=dict)
    versions: dict[ir.Node, int] = field(default_factory=dict)
    _needed: "Needed | None" = None

    def needed(self, graph: ir.Graph) -> "Needed":
        """What the wanted outputs need of the main graph."""
        if self._needed is None:
            reached: set[ir.Value] = set(self.wanted)
            kept = []
            for node in reversed(list(graph)):
                if reached.intersection(node.outputs):
                    reached.update(value for value in _read(node) if value is not None)
                    kept.append(node)
            initializers = [value for value in graph.initializers.values() if value in reached]
            self._needed = Needed(kept[::-1], initializers, reached)
        return self._needed


@dataclass(frozen=True)
class Needed:
    """Nodes in order, the initializers among `values`, and all values that the nodes take or make."""

    nodes: list[ir.Node]
    initializers: list[ir.Value]
    values: set[ir.Value]


@dataclass
class Run:
    """One evaluation. Values of enclosing graphs are in `values`, as in the model."""

    model: ir.Model
    trace: Trace
    mode: Mode = Mode.TRUTH
    number: int = 0
    overflown: bool = False
    values: dict[ir.Value, Datum] = field(default_factory=dict)

    def main(self, feeds: Mapping[str, Any]) -> list[Datum]:
        """The outputs that are asked for. Raises: NoTruth."""
        given = [self._input(value, feeds) for value in self.model.graph.inputs]
        with np.errstate(all="ignore", over="call", call=self._overflow):
            self.graph(self.model.graph, given, {}, ())
        return [self.values[value] for value in self.trace.wanted]

    def _overflow(self, _kind: str, _flag: int) -> None:
        self.overflown = True

    def graph(
        self, graph: ir.Graph | ir.Function, given: Sequence[Datum], bound: Mapping[str, ir.Attr], path: Path
    ) -> list[Datum]:
        """Outputs of a graph, subgraph or function body.

        Args: path: which of all the times that this graph runs.
        """
        self.values.update(zip(graph.inputs, given, strict=False))
        initializers: Iterable[ir.Value] = graph.initializers.values() if isinstance(graph, ir.Graph) else ()
        nodes: Iterable[ir.Node] = graph
        if graph is self.model.graph:
            needed = self.trace.needed(self.model.graph)
            nodes, initializers = needed.nodes, needed.initializers
        for value in initializers:
            if value not in self.values or not value.is_graph_input():
                self.values[value] = self._constant(value)
        for node in nodes:
            outputs = self._node(node, bound, (*path, id(node)))
            self.values.update(zip(node.outputs, outputs, strict=False))
        return [self.values.get(value) for value in graph.outputs]

    def _input(self, value: ir.Value, feeds: Mapping[str, Any]) -> Datum:
        name = value.name or ""
        if value not in self.trace.needed(self.model.graph).values:
            return None
        if name not in feeds and value.const_value is not None:
            return self._constant(value)
        array = feeds.get(name)
        if array is None:
            return None
        if isinstance(array, list):
            return [Wide(widen(x, x.dtype), x.dtype) for x in array]
        dtype = element_type(value.dtype) if value.dtype is not None else array.dtype
        wide = Wide(widen(array, dtype), dtype, fed=True)
        return self._stored(wide, None, ()) if self.mode is Mode.STORED and is_float(dtype) else wide

    def _constant(self, value: ir.Value) -> Wide:
        if value not in self.trace.constants:
            if value.const_value is None:
                raise NoTruth("initializer", f"{value.name} holds nothing")
            array = np.asarray(value.const_value.numpy())
            self.trace.constants[value] = Wide(widen(array, array.dtype), array.dtype)
        return self.trace.constants[value]

    def _node(self, node: ir.Node, bound: Mapping[str, ir.Attr], path: Path) -> Sequence[Datum]:
        call = self._call(node, bound, path)
        if self.mode is not Mode.TRUTH and path in self.trace.results and not _any_perturbed(call.inputs):
            return self._finish(path, [self._stacked(value) for value in self.trace.results[path]])
        key = node.op_type if node.domain in STANDARD else f"{node.domain}::{node.op_type}"
        function = self.model.functions.get((node.domain, node.op_type, node.overload))
        if function is None and key in CONTROL:
            self.trace.rows = None
            return CONTROL[key](call)
        if function is not None:
            return self._function(function, call, path)
        return self._computed(call, key, path)

    def _call(self, node: ir.Node, bound: Mapping[str, ir.Attr], path: Path) -> Call:
        if node not in self.trace.versions:
            self.trace.versions[node] = node.version or _version(self.model, node)
        version = self.trace.versions[node]
        inputs = tuple(None if v is None else self.values.get(v) for v in node.inputs)
        data = tuple(_bare(value) for value in inputs)
        steps = iter(range(1 << 62))

        def run(name: str, given: Sequence[Datum]) -> list[Datum]:
            return self.graph(node.attributes[name].as_graph(), given, bound, (*path, next(steps)))

        return Call(node, version, inputs, data, bound, run)

    def _function(self, function: ir.Function, call: Call, path: Path) -> list[Datum]:
        attributes = {name: a for name, a in function.attributes.items() if a.value is not None}
        for name, attribute in call.node.attributes.items():
            found = call.resolve(attribute)
            if found is not None:
                attributes[name] = found
        given = [*call.inputs, *[None] * (len(function.inputs) - len(call.inputs))]
        return self.graph(function, given, attributes, path)

    def _computed(self, call: Call, key: str, path: Path) -> Sequence[Datum]:
        kernel = _kernel(key)
        found = list(kernel(call))[: len(call.node.outputs)]
        types = self.trace.types.get(path) or _types(call, found, fp64_basic.target_type(call))
        self.trace.types[path] = types
        moved, fed = _any_perturbed(call.inputs), any(isinstance(v, Wide) and v.fed for v in call.inputs)
        made = [_wrap(y, t, moved, fed) for y, t in zip(found, types, strict=True)]
        if self.mode is not Mode.TRUTH:
            return self._finish(path, made)
        if self.trace.bounded:
            self._learn(call, key, path, made)
        return made

    def _learn(self, call: Call, key: str, path: Path, made: list[Datum]) -> None:
        """What the other runs need to know of a node: its results, their errors, whether it has rows."""
        floats = [t if t is not None and is_float(t) else None for t in self.trace.types[path]]
        bare = [_bare(value) for value in made]
        errors = _with_flushing(local_errors(call, bare, floats, _kernel(key)), bare, floats)
        self.trace.results[path], self.trace.errors[path] = made, errors
        if self.trace.rows is None:
            return
        fed = any(isinstance(value, Wide) and value.fed for value in made)
        constant = not fed and all(error is None for error in errors)
        if not (constant or (fed and rowwise(key, call, made, self.trace.rows))):
            self.trace.rows = None

    def _stacked(self, value: Datum) -> Datum:
        """A result of the exact run as this run has it."""
        if self.mode is not Mode.STACKED or not isinstance(value, Wide) or not value.fed:
            return value
        return replace(value, data=np.concatenate([value.data] * RUNS))

    def _finish(self, path: Path, values: Sequence[Datum]) -> list[Datum]:
        """Values as this run leaves them: stored in their types, or off by their local errors."""
        errors = self.trace.errors.get(path, [None] * len(values))
        finish = self._stored if self.mode is Mode.STORED else self._perturbed
        return [
            finish(value, error, (*path, index))
            if isinstance(value, Wide) and is_float(value.dtype)
            else value
            for index, (value, error) in enumerate(zip(values, errors, strict=True))
        ]

    def _stored(self, value: Wide, _error: Any, _path: Path) -> Wide:
        beyond = np.abs(value.data) > headroom(value.dtype)
        stored = np.where(beyond, np.copysign(np.inf, value.data), store(value.data, value.dtype))
        self.overflown |= bool(np.any(np.isinf(stored) & np.isfinite(value.data)))
        return replace(value, data=stored, perturbed=True)

    def _perturbed(self, value: Wide, error: Any, path: Path) -> Wide:
        if error is None:
            return value
        if self.mode is Mode.STACKED:
            signs = self.trace.signs.stacked(path, np.shape(error))
            runs = value.data.reshape(RUNS, *np.shape(error))
            return replace(value, data=(runs + signs * error).reshape(value.data.shape), perturbed=True)
        if np.shape(error) != value.data.shape:
            return value
        moved = value.data + self.trace.signs.of(path, value.data.shape, self.number) * error
        return replace(value, data=moved, perturbed=True)


def _read(node: ir.Node) -> Iterator[ir.Value | None]:
    """What a node takes, its subgraphs included."""
    yield from node.inputs
    for graph in subgraphs(node):
        yield from graph.outputs
        for inner in graph:
            yield from _read(inner)


def _kernel(key: str) -> Kernel:
    own = KERNELS.get(key)
    return reference_kernel if own is None else partial(_own_or_reference, own)


def _own_or_reference(own: Kernel, call: Call) -> Sequence[Any]:
    try:
        return own(call)
    except LeftToReference:
        return reference_kernel(call)


def _version(model: ir.Model, node: ir.Node) -> int:
    imports = node.graph.opset_imports if node.graph is not None and node.graph.opset_imports else {}
    domain = "" if node.domain in STANDARD else node.domain
    return imports.get(domain) or model.graph.opset_imports.get(domain) or 1


def _bare(value: Datum) -> Any:
    if isinstance(value, list):
        return [_bare(item) for item in value]
    return value.data if isinstance(value, Wide) else None


def _any_perturbed(values: Sequence[Datum]) -> bool:
    return any(
        _any_perturbed(v) if isinstance(v, list) else isinstance(v, Wide) and v.perturbed for v in values
    )


def _types(call: Call, found: Sequence[Any], named: DType | None) -> list[DType | None]:
    """What each output stands for; None: it is no tensor."""
    first = next((v.dtype for v in call.inputs if isinstance(v, Wide) and is_float(v.dtype)), None)
    types: list[DType | None] = []
    for y, bound, value in zip(found, output_types(call), call.node.outputs, strict=False):
        if not isinstance(y, np.ndarray | np.generic):
            types.append(None)
            continue
        declared = element_type(value.dtype) if value.dtype is not None else None
        likely = first if y.dtype.kind == "f" else None
        # (An element type is false in NumPy: it has no fields.)
        types.append(next((t for t in (named, bound, declared, likely) if t is not None), y.dtype))
    return types


def _wrap(y: Any, dtype: DType | None, perturbed: bool, fed: bool) -> Datum:
    if y is None:
        return None
    if isinstance(y, list):
        return [_wrap(item, getattr(item, "dtype", None), perturbed, fed) for item in y]
    array = np.asarray(y)
    dtype = array.dtype if dtype is None else dtype
    if is_float(dtype):
        array = array.astype(np.float64, copy=False)
    elif dtype.kind in "iub" and array.dtype != dtype:
        array = array.astype(dtype)
    return Wide(array, dtype, perturbed, fed)


def _with_flushing(errors: list[Any], data: Sequence[Any], types: Sequence[DType | None]) -> list[Any]:
    """Numbers below the type's smallest normal may be flushed to 0: an error of all that they are."""
    result = []
    for error, y, dtype in zip(errors, data, types, strict=True):
        if error is not None and dtype is not None:
            small = np.abs(y) < smallest_normal(dtype)
            error = np.where(small, np.maximum(error, np.abs(y)), error) if np.any(small) else error  # noqa: PLW2901
        result.append(error)
    return result
