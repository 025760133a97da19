"""Which layers can have their weights in few bits: products with a constant matrix, in any graph."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish_optimizer.precision.weight_only.grid import Floats
from burnish_optimizer.precision.weight_only.plan import Plan
from burnish_optimizer.rewrite.values import attribute, constant, op_key, rank, shape, site_name, tensor
from burnish_optimizer.rewrite.walk import nodes_of


@dataclass(frozen=True)
class Layer:
    """`node` computes activations · rows(weight)ᵀ, and adds `bias` where there is one.

    depth: K, what is summed over.   width: N.   turned: the weight is kept as [N, K].   scale: Gemm's alpha.
    bias: one number an output, times `bias_scale`; `bias_node` is the Add that it comes from, if any.
    """

    node: ir.Node
    weight: ir.Value
    depth: int
    width: int
    turned: bool = False
    scale: float = 1.0
    bias: ir.Value | None = None
    bias_scale: float = 1.0
    bias_node: ir.Node | None = None

    @property
    def name(self) -> str:
        """What reasons and exclusions call it."""
        return self.node.name or site_name(self.node)

    @property
    def activations(self) -> ir.Value:
        """What is multiplied by the weights."""
        value = self.node.inputs[0]
        assert value is not None  # noqa: S101 - `found` looked
        return value

    def rows(self, begin: int, end: int) -> Floats:
        """Weights of these outputs: [end - begin, K]. The file is read, and let go of."""
        held = tensor(self.weight)
        assert held is not None  # noqa: S101 - `found` looked
        array = held.numpy()
        part = array[begin:end] if self.turned else array[:, begin:end].T
        return np.ascontiguousarray(part, np.float32) * np.float32(self.scale)


def found(model: ir.Model, plan: Plan) -> tuple[list[Layer], dict[str, str]]:
    """Layers to quantize, in the order of nodes; and why the other products with constants stay.

    Those that stay have a name from now on.
    """
    layers: list[Layer] = []
    reasons: dict[str, str] = {}
    for node in nodes_of(model.graph):
        if op_key(node) not in ("MatMul", "Gemm") or len(node.inputs) < 2 or tensor(node.inputs[1]) is None:
            continue
        made = _layer(node, plan)
        if isinstance(made, Layer):
            layers.append(made)
        else:
            node.name = node.name or site_name(node)  # profiles tell nodes by their names
            reasons[node.name] = made
    return layers, reasons


def _layer(node: ir.Node, plan: Plan) -> Layer | str:
    held, given = tensor(node.inputs[1]), node.inputs[0]
    if held is None or given is None:
        return "its weight is not constant"
    if {node.name, site_name(node)} & plan.excluded:
        return "excluded"
    if held.dtype != ir.DataType.FLOAT:
        return f"its weight is {held.dtype.name}, not FLOAT"
    dims = [int(size) for size in held.shape.numpy()]
    if len(dims) != 2 or (rank(given) or 2) < 2:
        return "it is no product with one matrix"
    if dims[0] * dims[1] < plan.least_elements:
        return f"its weight has fewer than {plan.least_elements} numbers"
    return _gemm(node, dims) if op_key(node) == "Gemm" else _matmul(node, dims)


def _matmul(node: ir.Node, dims: list[int]) -> Layer:
    weight = node.inputs[1]
    assert weight is not None  # noqa: S101 - the caller looked
    add, bias = _bias_after(node, dims[1])
    return Layer(node, weight, depth=dims[0], width=dims[1], bias=bias, bias_node=add)


def _bias_after(node: ir.Node, width: int) -> tuple[ir.Node | None, ir.Value | None]:
    """The Add of one constant an output that alone takes this product: the kernel adds it on its way."""
    output = node.outputs[0]
    users = [use.node for use in output.uses()]
    if len(users) != 1 or output.is_graph_output() or op_key(users[0]) != "Add":
        return None, None
    if users[0].graph is not node.graph:
        return None, None
    other = next((v for v in users[0].inputs if v is not output), None)
    if not _is_row(other, width) or len(shape(other) or ()) > (rank(output) or 1):
        return None, None
    return users[0], other


def _gemm(node: ir.Node, dims: list[int]) -> Layer | str:
    """alpha·A·B + beta·C."""
    if attribute(node, "transA", 0):
        return "its activations are transposed (transA)"
    turned = bool(attribute(node, "transB", 0))
    width, depth = dims if turned else dims[::-1]
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    beta = float(attribute(node, "beta", 1.0))
    if bias is not None and not _is_row(bias, width):
        return "what it adds is not one constant an output"
    weight = node.inputs[1]
    assert weight is not None  # noqa: S101 - the caller looked
    alpha = float(attribute(node, "alpha", 1.0))
    return Layer(node, weight, depth, width, turned, scale=alpha, bias=bias, bias_scale=beta)


def _is_row(value: ir.Value | None, width: int) -> bool:
    held = tensor(value)
    if held is None or held.dtype != ir.DataType.FLOAT:
        return False
    dims = shape(value) or ()
    return held.size == width and dims[-1:] == (width,)


def bias_row(layer: Layer) -> Floats | None:
    """What the layer adds to each output: float32 [N]."""
    array = constant(layer.bias)
    if array is None:
        return None
    row: Floats = array.reshape(-1).astype(np.float32) * np.float32(layer.bias_scale)
    return row


def same_weights(layers: list[Layer]) -> Iterator[list[Layer]]:
    """Layers that share one weight, used in the same way, together: it is quantized once."""
    groups: dict[tuple[int, bool, float], list[Layer]] = {}
    for layer in layers:
        groups.setdefault((id(layer.weight), layer.turned, layer.scale), []).append(layer)
    yield from groups.values()
