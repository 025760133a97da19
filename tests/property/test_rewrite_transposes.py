"""Whatever transposes run through: fewer of them, and the same answers."""

from typing import Any

import numpy as np
import onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from burnish_optimizer.passes.layout import LAYOUT
from support.fusion import fuse, random_feeds

DIMS = (2, 3, 4, 5)
PERMS = ((0, 2, 3, 1), (0, 3, 1, 2), (0, 2, 1, 3), (0, 1, 3, 2))
OPS = (
    "Transpose",
    "Transpose",
    "Transpose",
    "Relu",
    "Sigmoid",
    "Add",
    "Mul",
    "Softmax",
    "ReduceMax",
    "Pad",
    "Concat",
)
STEPS = st.lists(
    st.tuples(st.sampled_from(OPS), st.integers(1, 5), st.integers(0, 3), st.integers(0, 15)),
    min_size=3,
    max_size=12,
)


def grown(steps: list[tuple[str, int, int, int]]) -> onnx.ModelProto:
    """A graph that takes one step after another: (operator, how far back its data is, axis, what else)."""
    values: list[tuple[str, tuple[int, ...]]] = [("x", DIMS)]
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []
    for number, (op, back, axis, extra) in enumerate(steps):
        name, dims = values[-min(back, len(values))]
        attributes: dict[str, Any] = {}
        inputs, size = [name], list(dims)
        if op == "Transpose":
            attributes["perm"] = PERMS[axis]
            size = [dims[place] for place in PERMS[axis]]
        elif op in ("Softmax", "ReduceMax"):
            attributes |= {"axis": axis - 4} if op == "Softmax" else {"axes": [axis]}
            size[axis] = 1 if op == "ReduceMax" else size[axis]
        elif op == "Concat":
            inputs.append(name)
            attributes["axis"] = axis - 4
            size[axis] *= 2
        elif op in ("Add", "Mul", "Pad"):
            array = _constant(op, dims, axis, extra)
            constants.append(numpy_helper.from_array(array, f"c{number}"))
            inputs.append(f"c{number}")
            if op == "Pad":
                size = [d + int(array[place] + array[place + 4]) for place, d in enumerate(dims)]
        nodes.append(helper.make_node(op, inputs, [f"v{number}"], **attributes))
        values.append((f"v{number}", tuple(size)))
    return _model(nodes, values, constants)


def _constant(op: str, dims: tuple[int, ...], axis: int, extra: int) -> np.ndarray[Any, Any]:
    if op == "Pad":
        return np.array([(extra >> place) & 1 for place in range(4)] + [0, 0, 0, 1], np.int64)
    shape = [size if (extra >> place) & 1 else 1 for place, size in enumerate(dims)][axis:]
    return np.random.default_rng(extra).normal(size=shape).astype(np.float32)


def _model(
    nodes: list[Any], values: list[tuple[str, tuple[int, ...]]], constants: list[Any]
) -> onnx.ModelProto:
    taken = {name for node in nodes for name in node.input}
    ends = [(name, dims) for name, dims in values[1:] if name not in taken or name.endswith("3")]
    graph = helper.make_graph(
        nodes,
        "grown",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, DIMS)],
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, dims) for name, dims in ends],
        constants,
    )
    opsets = [helper.make_opsetid("", 17)]
    return onnx.shape_inference.infer_shapes(helper.make_model(graph, opset_imports=opsets, ir_version=9))


@given(STEPS)
@settings(max_examples=60)
def test_never_more_transposes_and_never_another_answer(steps: list[tuple[str, int, int, int]]) -> None:
    found = fuse(grown(steps), LAYOUT)
    before = sum(node.op_type == "Transpose" for node in found.before.graph.node)
    assert found.ops["Transpose"] <= before
    for one, two in zip(*found.outputs(random_feeds(found.before)), strict=True):
        assert one.shape == two.shape
        np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-6)
