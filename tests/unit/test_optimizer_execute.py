"""Regions of large models: as many values in and out as a model has nodes."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from burnish_optimizer.gates.execute import MANY_INPUTS, Executable, weight_bytes

COUNT = 4 * MANY_INPUTS


def wide():
    infos = [helper.make_tensor_value_info(f"x{i}", TensorProto.FLOAT, [None]) for i in range(COUNT)]
    nodes = [helper.make_node("Neg", [f"x{i}"], [f"y{i}"]) for i in range(COUNT)]
    sizes = [helper.make_node("Size", [f"y{i}"], [f"s{i}"]) for i in range(COUNT)]
    outputs = [helper.make_empty_tensor_value_info(f"{letter}{i}") for letter in "ys" for i in range(COUNT)]
    graph = helper.make_graph(nodes + sizes, "g", infos, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_thousands_of_inputs_and_outputs_are_run():
    session = Executable(wide())
    feeds = {f"x{i}": np.array([i], np.float32) for i in range(COUNT)}
    found = session.run(feeds)
    assert [found["y7"], found["s7"]] == [np.float32([-7]), 1]


def test_an_input_that_is_missing_is_told_by_name():
    session = Executable(wide())
    feeds = {f"x{i}": np.zeros(1, np.float32) for i in range(COUNT - 1)}
    with pytest.raises(ValueError, match=f"'x{COUNT - 1}'"):
        session.run(feeds)


def test_weights_weigh_the_same_wherever_they_are():
    """Kernels that pack their weights round differently: no side of a comparison may pack them alone."""
    array = numpy_helper.from_array(np.ones((64, 64), np.float32), "w")
    outside = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[64, 64])
    outside.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "w.bin"), ("offset", "0"), ("length", str(64 * 64 * 4))):
        outside.external_data.add(key=key, value=value)
    constant = helper.make_node("Constant", [], ["w"], value=array)
    made = [
        helper.make_model(helper.make_graph(nodes, "g", [], [], weights))
        for nodes, weights in (([], [array]), ([], [outside]), ([constant], []))
    ]
    sizes = [weight_bytes(model) for model in made]
    assert sizes[1] == 64 * 64 * 4
    assert max(sizes) < 1.01 * min(sizes)
