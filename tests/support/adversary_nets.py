"""Small networks that are hard to quantize: x [N, 16] to `scores` [N, 6]."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

FEATURES, WIDTH, CLASSES = 16, 32, 6
Array = npt.NDArray[np.float32]
Weights = dict[str, Array]


def weights(seed: int = 1) -> Weights:
    """Of an ordinary perceptron with two hidden layers."""
    rng = np.random.default_rng(seed)
    sizes = {"w1": (FEATURES, WIDTH), "w2": (WIDTH, WIDTH), "w3": (WIDTH, CLASSES)}
    drawn = {name: rng.normal(0, (2 / shape[0]) ** 0.5, shape) for name, shape in sizes.items()}
    drawn |= {"b1": rng.normal(0, 0.1, WIDTH), "b2": rng.normal(0, 0.1, WIDTH)}
    drawn["b3"] = rng.normal(0, 0.1, CLASSES)
    return {name: array.astype(np.float32) for name, array in drawn.items()}


def network(values: Weights, extra: str = "", outputs: str = "") -> onnx.ModelProto:
    """Gemm, Relu, Gemm, Relu, Gemm; `extra` rewrites `hidden` into `wide` between the last two."""
    body = extra or "wide = Identity(hidden)"
    text = f"""
        <ir_version: 8, opset_import: ["" : 17]>
        net (float[N, {FEATURES}] x) => (float[N, {CLASSES}] scores{outputs}) {{
            a1 = Gemm(x, w1, b1) r1 = Relu(a1) a2 = Gemm(r1, w2, b2) hidden = Relu(a2)
            {body}
            scores = Gemm(wide, w3, b3)
        }}"""
    return with_values(onnx.parser.parse_model(text), values)


def with_values(model: onnx.ModelProto, values: Weights) -> onnx.ModelProto:
    """With these initializers in place of others of their names."""
    kept = [t for t in model.graph.initializer if t.name not in values]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in values.items())
    return model


def plain() -> onnx.ModelProto:
    """Nothing special."""
    return network(weights())


def exploding() -> onnx.ModelProto:
    """hidden⁴: a few activations are thousands of times larger than the others."""
    return network(weights(), "square = Mul(hidden, hidden) wide = Mul(square, square)")


def outlier_channels() -> onnx.ModelProto:
    """Two hidden channels 300 times larger, and taken back by the next layer: the same function."""
    values = weights()
    scale = np.ones(WIDTH, np.float32)
    scale[[3, 17]] = 300
    values |= {"w2": values["w2"] * scale, "b2": values["b2"] * scale}
    return network(values | {"w3": values["w3"] / scale[:, np.newaxis]})


def saturating() -> onnx.ModelProto:
    """Weights of one sign at the end of their range: sums of two u8 × s8 products leave 16 bits."""
    values = weights()
    large = np.abs(values["w2"]) > 0.15
    return network(
        values | {"w2": np.where(large, 0.9, values["w2"]).astype(np.float32), "b2": values["b2"] - 6}
    )


def near_ties() -> onnx.ModelProto:
    """Classes whose scores differ in the third digit."""
    values = weights()
    common = np.repeat(values["w3"][:, :1], CLASSES, axis=1)
    return network(values | {"w3": common + 0.003 * values["w3"], "b3": values["b3"] * 0.003})


def rare_feature() -> onnx.ModelProto:
    """A channel that only one input in fifty or so wakes, and that decides then."""
    values = weights()
    values["w1"][:, 0], values["b1"][0] = 0, -2.0
    values["w1"][0, 0] = 1.0
    values["w2"][:, 0], values["b2"][0] = 0, 0
    values["w2"][0, 0] = 400.0
    return network(values)


def two_outputs() -> onnx.ModelProto:
    """A second output beside the scores that no arg-max looks at."""
    return network(weights(), "wide = Identity(hidden) side = Tanh(hidden)", f", float[N, {WIDTH}] side")


NETS: dict[str, Callable[[], onnx.ModelProto]] = {
    "plain": plain,
    "exploding": exploding,
    "outlier channels": outlier_channels,
    "saturating": saturating,
    "near ties": near_ties,
    "rare feature": rare_feature,
    "two outputs": two_outputs,
}


def samples(count: int, seed: int, *, heavy: bool = False) -> Array:
    """Inputs [count, 16]: normal, or with Student's t of 2 degrees of freedom: outliers of any size."""
    rng = np.random.default_rng(seed)
    drawn = rng.standard_t(2, (count, FEATURES)) if heavy else rng.normal(0, 1, (count, FEATURES))
    return drawn.astype(np.float32)


def value_of(model: onnx.ModelProto, name: str) -> Array:
    """An initializer."""
    return np.array(numpy_helper.to_array(next(t for t in model.graph.initializer if t.name == name)))


def after(model: onnx.ModelProto, body: str, **values: Array) -> onnx.ModelProto:
    """With more nodes behind `right` (what were the scores), which make new ones."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for node in changed.graph.node:
        if list(node.output) == ["scores"]:
            node.output[0] = "right"
    more = onnx.parser.parse_graph(f"more (float[N] x) => (float[N] scores) {{ {body} }}")
    changed.graph.node.extend(more.node)
    return with_values(changed, {name: np.asarray(array) for name, array in values.items()})


def constant_model() -> onnx.ModelProto:
    """Tiny, fast, and the same answer to everything."""
    shape = helper.make_tensor_value_info
    row = numpy_helper.from_array(np.arange(CLASSES, dtype=np.float32)[np.newaxis], "row")
    nothing = numpy_helper.from_array(np.zeros((FEATURES, 1), np.float32), "nothing")
    nodes = [
        helper.make_node("MatMul", ["x", "nothing"], ["zero"]),
        helper.make_node("Add", ["zero", "row"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "constant",
        [shape("x", TensorProto.FLOAT, ["N", FEATURES])],
        [shape("scores", TensorProto.FLOAT, ["N", CLASSES])],
        [row, nothing],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
