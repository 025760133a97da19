"""FP8 (E4M3) as QuantizeLinear pairs around the inputs and weights of products and convolutions.

scale = absmax / 448: one for a tensor of activations, one for each output of weights. A kernel then
multiplies FP8 by FP8 where the target has it, and computes this graph in FP32 elsewhere.
Source: ONNX QuantizeLinear, opset 19 (float8e4m3fn saturates); Micikevicius et al., "FP8 Formats for Deep
Learning", 2022.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import ml_dtypes
import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from burnish_optimizer.precision.place import Place
from burnish_optimizer.rewrite.copies import copy_of
from burnish_optimizer.rewrite.values import (
    attribute,
    constant,
    dtype,
    node_of,
    op_key,
    rank,
    site_name,
    tensor,
)
from burnish_optimizer.rewrite.walk import graphs_of

LARGEST: Final = 448.0
IR_VERSION: Final = 9
PRODUCTS = frozenset({"MatMul", "Gemm", "Conv"})
Store = Callable[[int], None]


@dataclass
class Fp8Report:
    """Layers that became FP8, and why others stay, by name."""

    done: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)


def to_fp8(
    model: ir.Model,
    ranges: Mapping[str, tuple[float, float]],
    keep: Collection[str] = (),
    store: Store = lambda _: None,
) -> tuple[ir.Model, Fp8Report]:
    """A copy of a typed model of opset 19 or later, whose layers take FP8.

    Args:
        ranges: lowest and highest number of activations. Layers whose inputs have none stay.
        keep: nodes or values, by name, that stay.   store: is told the bytes of every weight that was made.
    """
    made = copy_of(model)
    work = _Work(Place(made), ranges, frozenset(keep), store)
    for graph in graphs_of(made.graph):
        for node in tuple(graph):
            if op_key(node) in PRODUCTS and dtype(node.outputs[0]) == ir.DataType.FLOAT:
                work.layer(node)
    made.ir_version = max(made.ir_version, IR_VERSION)
    return made, work.report


@dataclass
class _Work:
    place: Place
    ranges: Mapping[str, tuple[float, float]]
    keep: frozenset[str]
    store: Store
    report: Fp8Report = field(default_factory=Fp8Report)
    _pairs: dict[tuple[int, int], ir.Value] = field(default_factory=dict)
    _weights: dict[tuple[int, int], ir.Value] = field(default_factory=dict)

    def layer(self, node: ir.Node) -> None:
        """Both factors, or neither."""
        name = node.name or site_name(node)
        why = self._reason(node)
        if why:
            self.report.kept[name] = why
            return
        for index in (0, 1):
            value = node.inputs[index]
            assert value is not None  # noqa: S101 - `_reason` looked
            held = tensor(value)
            new = self._pair(value, node) if held is None else self._weight(value, axis(node, index), node)
            node.replace_input_with(index, new)
        self.report.done.append(name)

    def _reason(self, node: ir.Node) -> str:
        names = {node.name, *(v.name for v in (*node.inputs, *node.outputs) if v is not None)}
        if names & self.keep:
            return "asked to stay"
        for value in node.inputs[:2]:
            if value is None or dtype(value) != ir.DataType.FLOAT:
                return "its inputs are not FP32"
            if tensor(value) is not None:
                if not _is_finite(value):
                    return "its weight holds NaN or infinity"
            elif (value.name or "") not in self.ranges:
                return f"no range of {value.name} is known"
            elif not np.isfinite(self.ranges[value.name or ""]).all():
                return f"{value.name} was not finite"
        return "" if any(tensor(v) is None for v in node.inputs[:2]) else "it is constant"

    def _pair(self, value: ir.Value, user: ir.Node) -> ir.Value:
        """The activation through FP8 and back, in the graph of its user; made once."""
        graph = user.graph
        assert isinstance(graph, ir.Graph)  # noqa: S101 - functions are not walked
        key = (id(value), id(graph))
        if key not in self._pairs:
            bound = max(map(abs, self.ranges[value.name or ""]))
            scale = self._constant(graph, f"{value.name}/fp8/scale", _scales(np.float32(bound)))
            zero = self._constant(graph, f"{value.name}/fp8/zero", np.zeros((), ml_dtypes.float8_e4m3fn))
            quantize = node_of("QuantizeLinear", [value, scale, zero])
            back = node_of("DequantizeLinear", [quantize.outputs[0], scale, zero])
            self._insert(user, f"{value.name}/fp8", [quantize, back], value)
            self._pairs[key] = back.outputs[0]
        return self._pairs[key]

    def _weight(self, value: ir.Value, along: int, user: ir.Node) -> ir.Value:
        graph = user.graph
        assert isinstance(graph, ir.Graph)  # noqa: S101 - functions are not walked
        key = (id(value), along)
        array = constant(value)
        assert array is not None  # noqa: S101 - the caller looked
        if key not in self._weights or self._weights[key].graph is not graph:
            codes, scales = quantized(array, along)
            held = self._constant(graph, f"{value.name}/fp8", codes)
            scale = self._constant(graph, f"{value.name}/fp8/scale", scales)
            back = node_of("DequantizeLinear", [held, scale], {"axis": along})
            self._insert(user, f"{value.name}/fp8", [back], value)
            self._weights[key] = back.outputs[0]
            self.store(codes.nbytes)
        return self._weights[key]

    def _constant(self, graph: ir.Graph, wanted: str, array: NDArray[Any]) -> ir.Value:
        made = ir.Tensor(array, name=self.place.fresh(wanted))
        value = ir.Value(
            name=made.name, type=ir.TensorType(made.dtype), shape=ir.Shape(array.shape), const_value=made
        )
        graph.register_initializer(value)
        return value

    def _insert(self, user: ir.Node, base: str, nodes: list[ir.Node], like: ir.Value) -> None:
        for node in nodes:
            node.name = self.place.fresh(f"{base}/{node.op_type}")
            node.outputs[0].name = self.place.fresh(f"{base}/{node.op_type}/out")
        nodes[-1].outputs[0].type, nodes[-1].outputs[0].shape = ir.TensorType(ir.DataType.FLOAT), like.shape
        assert isinstance(user.graph, ir.Graph)  # noqa: S101 - functions are not walked
        user.graph.insert_before(user, nodes)


def axis(node: ir.Node, index: int) -> int:
    """The axis of a constant factor that counts outputs: each gets a scale of its own."""
    size = rank(node.inputs[index]) or 1
    if op_key(node) == "Conv":
        return 0
    if op_key(node) == "Gemm":
        turned = bool(attribute(node, "transB" if index else "transA", 0))
        return int(turned != bool(index)) if size == 2 else 0
    return max(0, size - 1 if index else size - 2)


def quantized(array: NDArray[Any], along: int) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Codes in E4M3, and one scale for each index of the axis."""
    others = tuple(i for i in range(array.ndim) if i != along)
    scales = _scales(np.abs(array).max(axis=others, keepdims=True))
    codes = np.clip(array / scales, -LARGEST, LARGEST).astype(ml_dtypes.float8_e4m3fn)
    return codes, scales.reshape(-1)


def _scales(bounds: "NDArray[Any] | np.float32") -> NDArray[np.float32]:
    """absmax / 448; 1 where everything is 0."""
    made = np.asarray(bounds, np.float32) / np.float32(LARGEST)
    return np.where(made > np.finfo(np.float32).tiny, made, np.float32(1)).astype(np.float32)


def _is_finite(value: ir.Value) -> bool:
    array = constant(value)
    return array is None or bool(np.isfinite(array).all())
