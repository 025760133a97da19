"""Blocks as transformers have them, with outlier channels, for smoothing."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH, INNER = 16, 32


class Net:
    """A graph that is written node by node. Every value is [N, S, channels]."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}

    def constant(self, *shape: int, scale: float = 1.0) -> str:
        name = f"c{len(self.weights)}"
        self.weights[name] = (self.rng.normal(0, scale, shape)).astype(np.float32)
        return name

    def outliers(self, size: int = WIDTH) -> str:
        """A scale with a few channels that are a hundred times the others."""
        name = self.constant(size)
        self.weights[name][:: max(1, size // 3)] *= 100
        return name

    def op(self, kind: str, *inputs: str, **attributes: object) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def norm(self, value: str, size: int = WIDTH) -> str:
        return self.op("LayerNormalization", value, self.outliers(size), self.constant(size), axis=-1)

    def linear(self, value: str, before: int = WIDTH, after: int = WIDTH) -> str:
        product = self.op("MatMul", value, self.constant(before, after, scale=before**-0.5))
        return self.op("Add", product, self.constant(after))

    def gelu(self, value: str) -> str:
        half = self.op("Mul", value, self.number(0.5))
        erf = self.op("Erf", self.op("Div", value, self.number(2**0.5)))
        return self.op("Mul", half, self.op("Add", erf, self.number(1.0)))

    def number(self, value: float) -> str:
        name = self.constant()
        self.weights[name] = np.array(value, np.float32)
        return name

    def model(self, outputs: Sequence[str], width: int = WIDTH) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "S", width])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            [numpy_helper.from_array(array, name) for name, array in self.weights.items()],
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return onnx.shape_inference.infer_shapes(made)


def encoder_block(seed: int = 0, *, pre_norm: bool = False) -> onnx.ModelProto:
    """Attention over the last axis' channels and a feed-forward part, as BERT (post) or GPT (pre) have it."""
    net = Net(seed)
    start = net.op("Identity", "x") if pre_norm else net.norm("x")
    inside = net.norm(start) if pre_norm else start
    query, key, value = (net.linear(inside) for _ in range(3))
    scores = net.op("MatMul", query, net.op("Transpose", key, perm=[0, 2, 1]))
    context = net.op("MatMul", net.op("Softmax", scores, axis=-1), value)
    first = net.op("Add", start, net.linear(context))
    inside = net.norm(first)
    hidden = net.gelu(net.linear(inside, WIDTH, INNER))
    last = net.op("Add", first if pre_norm else inside, net.linear(hidden, INNER, WIDTH))
    return net.model([last])


def gated_block(seed: int = 0) -> onnx.ModelProto:
    """x → norm → relu(gate) · up → down: both of the product's sides are linear."""
    net = Net(seed)
    inside = net.norm("x")
    gate = net.op("Relu", net.linear(inside, WIDTH, INNER))
    product = net.op("Mul", gate, net.linear(inside, WIDTH, INNER))
    return net.model([net.linear(product, INNER, WIDTH)])
