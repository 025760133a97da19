"""Random valid ONNX models (hypothesis): all that a rewriter may meet, in small.

A model is drawn operator by operator (`random_graph_ops.py`, `random_graph_blocks.py`). Shapes are known
while it grows, dimensions may be the symbols N and M, so that each model is valid for every size of them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import helper, numpy_helper

Dims = tuple[int | str, ...]
FLOATS = ("float32", "float64", "float16")
KINDS = ("float32", "float32", "float32", "float64", "float16", "int64", "int32", "bool")
SIZES = {"N": (2, 1, 3, 5), "M": (3, 1, 4)}
OPSETS = (17, 21, 13, 20)
AWKWARD = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, np.inf, -np.inf, np.nan, 1e-40, 3e38, 65504.0)


@dataclass(frozen=True)
class Val:
    """A value of the graph: its name, element type, and dimensions (symbols are strings)."""

    name: str
    kind: str
    dims: Dims

    @property
    def is_float(self) -> bool:
        """Whether it holds floating point numbers."""
        return self.kind in FLOATS

    @property
    def is_static(self) -> bool:
        """Whether all its dimensions are numbers."""
        return all(isinstance(d, int) for d in self.dims)

    def info(self) -> onnx.ValueInfoProto:
        """As the signature of a graph tells it."""
        return helper.make_tensor_value_info(self.name, kind_of(self.kind), list(self.dims))


@dataclass
class Net:
    """A graph while it grows. `values`: what may be used here; those of outer graphs come first."""

    draw: Any
    opset: int
    values: list[Val] = field(default_factory=list)
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[onnx.TensorProto] = field(default_factory=list)
    functions: list[onnx.FunctionProto] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    depth: int = 0

    def name(self, stem: str = "v") -> str:
        """A name that nothing else has."""
        self.names.append(stem)
        return f"{stem}{len(self.names)}"

    def add(self, op: str, inputs: Sequence[Val], kind: str, dims: Iterable[int | str], **more: Any) -> Val:
        """One node of one output, which may be used from now on."""
        made = Val(self.name(), kind, tuple(dims))
        self.nodes.append(helper.make_node(op, [v.name for v in inputs], [made.name], **more))
        self.values.append(made)
        return made

    def like(self, op: str, inputs: Sequence[Val], **more: Any) -> Val:
        """One node whose output has the type and shape of its first input."""
        return self.add(op, inputs, inputs[0].kind, inputs[0].dims, **more)

    def constant(self, array: Any, kind: str = "float32") -> Val:
        """A constant, as an initializer or as a node."""
        array = np.asarray(array, kind)
        made = Val(self.name("c"), kind, array.shape)
        tensor = numpy_helper.from_array(array, made.name)
        if self.draw(st.booleans()):
            self.nodes.append(helper.make_node("Constant", [], [made.name], value=tensor))
        else:
            self.initializers.append(tensor)
        return made

    def ints(self, *values: int) -> Val:
        """int64 [n], as shapes, axes and pads are."""
        return self.constant(np.array(values, np.int64), "int64")

    def weights(self, *dims: int, kind: str = "float32") -> Val:
        """A constant of random numbers; integers and booleans alike."""
        return self.constant(numbers(self.draw(st.integers(0, 99)), dims, kind), kind)

    def scalar(self, kind: str) -> Val:
        """A constant of one element: often one that rules look for, sometimes an awkward one."""
        choices = AWKWARD if kind in FLOATS else (0, 1, 2, -1)
        with np.errstate(over="ignore"):
            array = np.asarray(self.draw(st.sampled_from(choices))).astype(kind)
        return self.constant(array.reshape(self.draw(st.sampled_from([(), (1,)]))), kind)

    def pick(self, fits: Callable[[Val], bool] = lambda _v: True) -> Val | None:
        """One of the values that may be used here; late ones are drawn more often."""
        found = [v for v in self.values if fits(v)]
        return found[-1 - self.draw(st.integers(0, len(found) - 1))] if found else None

    def choose(self, *options: Any) -> Any:
        """One of these; the first is the simplest."""
        return self.draw(st.sampled_from(options))

    def inner(self) -> "Net":
        """A subgraph that sees all that is here."""
        return Net(
            self.draw, self.opset, list(self.values), functions=self.functions, names=self.names, depth=1
        )

    def graph(self, name: str, inputs: Sequence[Val], outputs: Sequence[Val]) -> onnx.GraphProto:
        """What has grown, as a graph."""
        infos = [v.info() for v in inputs], [v.info() for v in outputs]
        return helper.make_graph(self.nodes, name, *infos, self.initializers)


@dataclass(frozen=True)
class Drawn:
    """A model and what it takes."""

    model: onnx.ModelProto
    inputs: tuple[Val, ...]

    def feeds(self, seed: int, sizes: dict[str, int]) -> dict[str, Any]:
        """Numbers for every input, awkward ones among them, for these sizes of the symbols."""
        return {
            v.name: numbers(seed + i, [sizes.get(str(d), d) for d in v.dims], v.kind, awkward=seed % 2 == 1)
            for i, v in enumerate(self.inputs)
        }


def kind_of(kind: str) -> int:
    """ONNX's number of an element type."""
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(kind)))


def numbers(seed: int, dims: Iterable[Any], kind: str, *, awkward: bool = False) -> Any:
    """Random numbers; floats with NaN, infinities and zeros of both signs among them where wanted."""
    rng = np.random.default_rng(seed)
    array = np.asarray(rng.normal(0, 1, tuple(dims)))
    if kind == "bool":
        return np.asarray(array > 0)
    if kind not in FLOATS:
        return np.asarray(array * 3).astype(kind)
    if awkward:
        array = np.where(rng.random(array.shape) < 0.15, rng.choice(AWKWARD, array.shape), array)
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(array).astype(kind)


Step = Callable[[Net], None]


@st.composite
def models(draw: Any, steps: Sequence[Step], most: int = 14, kinds: Sequence[str] = KINDS) -> Drawn:
    """A model of up to `most` steps, each of them one of `steps`."""
    net = Net(draw, draw(st.sampled_from(OPSETS)))
    inputs = [_input(draw, index, kinds) for index in range(draw(st.integers(1, 3)))]
    net.values += inputs
    few = st.lists(st.sampled_from(steps), min_size=1, max_size=4)
    many = st.lists(st.sampled_from(steps), min_size=5, max_size=most)
    for step in draw(st.one_of(few, many, many)):
        so_far = len(net.nodes)
        step(net)
        if len(net.nodes) == so_far:  # nothing here that it could work on
            steps[0](net)
    outputs = _outputs(draw, net)
    graph = net.graph("random", inputs, outputs)
    imports = [helper.make_opsetid("", net.opset)]
    if net.functions:
        imports.append(helper.make_opsetid("local", 1))
    model = helper.make_model(graph, opset_imports=imports, ir_version=10, functions=net.functions)
    return Drawn(model, tuple(inputs))


def _input(draw: Any, index: int, kinds: Sequence[str]) -> Val:
    dims = draw(
        st.one_of(
            st.sampled_from([("N", 4), ("N", 2, 4, 4), ("N", 3, "M"), (4, 4), (), ("N",), ("N", 2, 4, 4)]),
            st.lists(st.sampled_from([3, 1, "N", 4, "M", 0]), max_size=4).map(tuple),
        )
    )
    return Val(f"x{index}", draw(st.sampled_from(kinds)) if index else "float32", dims)


def _outputs(draw: Any, net: Net) -> list[Val]:
    """All that nothing takes, or few of it; inputs, constants and values that are used inside besides."""
    taken = {name for node in net.nodes for name in node.input}
    leaves = [v for v in net.values if v.name not in taken]
    chosen = [net.values[-1]] if draw(st.integers(0, 2)) == 0 else leaves[-6:] or [net.values[-1]]
    for _ in range(draw(st.integers(0, 2))):
        chosen.append(net.pick() or chosen[0])
    if net.initializers and draw(st.integers(0, 9)) == 0:
        tensor = net.initializers[-1]
        kind = helper.tensor_dtype_to_np_dtype(tensor.data_type).name
        chosen.append(Val(tensor.name, kind, tuple(tensor.dims)))
    return list(dict.fromkeys(chosen))
