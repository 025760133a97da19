"""SmoothQuant on random chains of everything that it folds through: the same answers, valid graphs."""

import numpy as np
import onnx
from hypothesis import given
from hypothesis import strategies as st

from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.precision.smooth import smooth
from support.smooth_nets import WIDTH, Net

STEPS = {
    "norm": lambda net, value: net.norm(value),
    "linear": lambda net, value: net.linear(value),
    "matmul": lambda net, value: net.op("MatMul", value, net.constant(WIDTH, WIDTH, scale=WIDTH**-0.5)),
    "scaled": lambda net, value: net.op("Mul", net.outliers(), value),
    "shifted": lambda net, value: net.op("Sub", value, net.constant(1)),
    "divided": lambda net, value: net.op("Div", value, net.number(3.0)),
    "relu": lambda net, value: net.op("Relu", value),
    "leaky": lambda net, value: net.op("LeakyRelu", value, alpha=0.1),
    "tanh": lambda net, value: net.op("Tanh", value),
    "residual": lambda net, value: net.op("Add", value, net.linear(value)),
    "gate": lambda net, value: net.op("Mul", net.op("Sigmoid", net.linear(value)), net.linear(value)),
    "square": lambda net, value: net.op("Mul", value, value),
}


@given(
    st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=7),
    st.integers(0, 1000),
    st.sampled_from([0.25, 0.5, 0.75]),
    st.booleans(),
)
def test_answers_stay_within_rounding(steps, seed, alpha, insert):
    net = Net(seed)
    value = net.norm("x")
    for step in steps:
        value = STEPS[step](net, value)
    last = net.norm(net.linear(value))  # answers of size 1, so that rounding can be told from errors
    model = net.model([last])
    feeds = {"x": np.random.default_rng(seed).normal(0, 1, (1, 6, WIDTH)).astype(np.float32)}
    read = {n.input[0] for n in model.graph.node if n.op_type == "MatMul"}
    absmax = {name: np.random.default_rng(seed).uniform(0, 9, WIDTH) for name in read}
    found = smooth(model, absmax, alpha, insert=insert)
    onnx.checker.check_model(found.model, full_check=True)
    assert set(found.folded) | set(found.inserted) | set(found.skipped) == read
    expected, answers = (doubled(m).run({"x": feeds["x"].astype(np.float64)}) for m in (model, found.model))
    for name, values in expected.items():
        np.testing.assert_allclose(answers[name], values, rtol=1e-3, atol=1e-3 * np.abs(values).max())


def doubled(model: onnx.ModelProto) -> Executable:
    """The model in float64: what is left then are the roundings of its float32 constants."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    del copy.graph.value_info[:]
    for tensor in copy.graph.initializer:
        wide = onnx.numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(onnx.numpy_helper.from_array(wide, tensor.name))
    for value in (*copy.graph.input, *copy.graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    return Executable(copy)
