"""Steps of random graphs: layers, the decompositions that exporters write, control flow, functions."""

import numpy as np
from hypothesis import strategies as st
from onnx import helper

from support.random_graph_ops import EXACT_STEPS, SMOOTH_STEPS, fits, repeated, transpose, unary
from support.random_graphs import Dims, Net, Step, Val

BODY = (unary, repeated, transpose)


def dense(net: Net) -> None:
    """x · w, + b at times; as Gemm where x is a matrix."""
    x = net.pick(lambda v: v.kind == "float32" and len(v.dims) > 1 and isinstance(v.dims[-1], int))
    if x is None or not x.dims[-1]:
        return
    width = int(x.dims[-1])
    w, b, out = net.weights(width, 4), net.weights(4), (*x.dims[:-1], 4)
    form = net.choose("matmul", "bias", "gemm") if len(x.dims) == 2 else net.choose("matmul", "bias")
    if form == "gemm":
        net.add("Gemm", [x, w, b], x.kind, out, alpha=net.choose(1.0, 0.5))
        return
    made = net.add("MatMul", [x, w], x.kind, out)
    if form == "bias":
        net.like("Add", [made, b])


def convolution(net: Net) -> None:
    """Conv, then nothing, a norm, an affine, an activation."""
    x = net.pick(lambda v: v.kind == "float32" and len(v.dims) == 4 and _is_image(v.dims))
    if x is None:
        return
    channels, group = int(x.dims[1]), net.choose(1, int(x.dims[1]))
    w = net.weights(2 * channels, channels // group, 3, 3)
    dims = (x.dims[0], 2 * channels, *x.dims[2:])
    made = net.add("Conv", [x, w], x.kind, dims, pads=[1, 1, 1, 1], group=group)
    then = net.choose("nothing", "norm", "scale", "shift", "relu", "pool")
    if then == "norm":
        parts = [net.weights(dims[1]) for _ in range(3)]
        variance = net.constant(np.random.default_rng(3).uniform(0.5, 2, dims[1]))
        made = net.like("BatchNormalization", [made, *parts, variance], epsilon=net.choose(1e-5, 1e-3))
    elif then in ("scale", "shift"):
        made = net.like({"scale": "Mul", "shift": "Add"}[then], [made, net.weights(1, dims[1], 1, 1)])
    elif then == "pool":
        made = net.like("AveragePool", [made], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    if then != "nothing" and net.draw(st.booleans()):
        net.like("Relu", [made])


def normalization(net: Net) -> None:
    """LayerNorm as exporters take it apart."""
    x = net.pick(lambda v: v.kind == "float32" and len(v.dims) > 1 and v.dims[-1] in (3, 4))
    if x is None:
        return
    mean = _mean(net, x)
    centred = net.like("Sub", [x, mean])
    square = (
        net.like("Mul", [centred, centred])
        if net.draw(st.booleans())
        else net.like("Pow", [centred, net.constant(2.0)])
    )
    variance = _mean(net, square)
    root = net.like("Sqrt", [net.like("Add", [variance, net.constant(net.choose(1e-5, 1e-12))])])
    scaled = net.like("Mul", [net.like("Div", [centred, root]), net.weights(int(x.dims[-1]))])
    net.like("Add", [scaled, net.weights(int(x.dims[-1]))])


def gelu(net: Net) -> None:
    """x/2 · (1 + erf(x/√2)), in the orders that exporters write."""
    x = net.pick(lambda v: v.kind == "float32")
    if x is None:
        return
    inner = net.like("Erf", [net.like("Div", [x, net.constant(np.float32(np.sqrt(2)))])])
    one = net.like("Add", [inner, net.constant(1.0)])
    if net.draw(st.booleans()):
        net.like("Mul", [net.like("Mul", [x, one]), net.constant(0.5)])
    else:
        net.like("Mul", [net.like("Mul", [x, net.constant(0.5)]), one])


def activation(net: Net) -> None:
    """SiLU, HardSwish by parts, softmax."""
    x = net.pick(lambda v: v.kind == "float32" and bool(v.dims))
    if x is None:
        return
    form = net.choose("silu", "hard", "softmax")
    if form == "silu":
        net.like("Mul", [x, net.like("Sigmoid", [x])])
    elif form == "softmax":
        net.like("Softmax", [x], axis=net.choose(-1, 0))
    else:
        shifted = net.like("Add", [x, net.constant(3.0)])
        clipped = net.like("Clip", [shifted, net.constant(0.0), net.constant(6.0)])
        net.like("Mul", [x, net.like("Div", [clipped, net.constant(6.0)])])


def choice(net: Net) -> None:
    """If: a condition that is known, or that an input decides."""
    x = net.pick(lambda v: v.kind == "float32")
    if x is None or net.depth:
        return
    branches = {name: _body(net, name, x) for name in ("then_branch", "else_branch")}
    _node(net, "If", [_condition(net)], x, **branches)


def loop(net: Net) -> None:
    """Loop of up to three trips that carries one value."""
    x = net.pick(lambda v: v.kind == "float32")
    if x is None or net.depth:
        return
    inner = net.inner()
    state = [
        Val(net.name("i"), "int64", ()),
        Val(net.name("g"), "bool", ()),
        Val(net.name("s"), x.kind, x.dims),
    ]
    inner.values += state[2:]
    carried = _same_shape(inner, state[2])
    go = inner.add("Identity", [state[1]], "bool", ())
    body = inner.graph(net.name("body"), state, [go, carried])
    trips = net.constant(net.choose(2, 1, 0, 3), "int64")
    _node(net, "Loop", [trips, net.constant(True, "bool"), x], x, body=body)


def scan(net: Net) -> None:
    """Scan over the rows of a value, with one carried."""
    x = net.pick(lambda v: v.kind == "float32" and len(v.dims) == 2 and v.dims[1] in (3, 4))
    if x is None or net.depth:
        return
    inner = net.inner()
    row = x.dims[1:]
    state = [Val(net.name("s"), x.kind, row), Val(net.name("e"), x.kind, row)]
    inner.values += state
    total = inner.like("Add", state)
    seen = _same_shape(inner, total)
    body = inner.graph(net.name("body"), state, [inner.like("Identity", [total]), seen])
    outputs = [Val(net.name(), x.kind, row), Val(net.name(), x.kind, x.dims)]
    start = net.weights(int(row[0]))
    net.nodes.append(
        helper.make_node(
            "Scan", [start.name, x.name], [o.name for o in outputs], body=body, num_scan_inputs=1
        )
    )
    net.values += outputs


def function(net: Net) -> None:
    """A function of the model's own, called once or twice."""
    x = net.pick(lambda v: v.kind == "float32")
    if x is None or net.depth:
        return
    name = net.name("F")
    nodes = [
        helper.make_node(net.choose("Relu", "Tanh"), ["a"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["c"]),
    ]
    imports = [helper.make_opsetid("", net.opset)]
    net.functions.append(helper.make_function("local", name, ["a"], ["c"], nodes, imports))
    made = net.like(name, [x], domain="local")
    if net.draw(st.booleans()):
        net.like(name, [made], domain="local")


def _mean(net: Net, x: Val) -> Val:
    dims = (*x.dims[:-1], 1)
    if net.opset >= 18:
        return net.add("ReduceMean", [x, net.ints(-1)], x.kind, dims)
    return net.add("ReduceMean", [x], x.kind, dims, axes=[-1])


def _condition(net: Net) -> Val:
    known = net.pick(lambda v: v.kind == "bool" and v.dims == ())
    return (
        known
        if known is not None and net.draw(st.booleans())
        else net.constant(net.choose(True, False), "bool")
    )


def _body(net: Net, name: str, x: Val) -> object:
    """A branch that gives a value like `x`, of values of the outer graph."""
    inner = net.inner()
    made = _same_shape(inner, x)
    return inner.graph(net.name(name), [], [made])


def _same_shape(inner: Net, x: Val) -> Val:
    """Some steps on `x` that keep its shape, and a captured value added where one fits."""
    made = x
    for _ in range(inner.draw(st.integers(1, 2))):
        made = inner.like(inner.choose("Neg", "Relu", "Tanh", "Identity"), [made])
    captured = inner.pick(lambda v: v.kind == x.kind and fits(v.dims, x.dims) and len(v.dims) <= len(x.dims))
    if captured is not None and _keeps(x, captured):
        made = inner.like("Add", [made, captured])
    return made


def _is_image(dims: Dims) -> bool:
    return all(isinstance(d, int) and d > 0 for d in dims[1:])


def _keeps(x: Val, other: Val) -> bool:
    tail = x.dims[len(x.dims) - len(other.dims) :]
    return all(b in (a, 1) for a, b in zip(tail, other.dims, strict=True))


def _node(net: Net, op: str, inputs: list[Val], like: Val, **attributes: object) -> None:
    made = Val(net.name(), like.kind, like.dims)
    net.nodes.append(helper.make_node(op, [v.name for v in inputs], [made.name], **attributes))
    net.values.append(made)


ALL_EXACT: tuple[Step, ...] = (*EXACT_STEPS, dense, choice, loop, scan, function)
ALL_SMOOTH: tuple[Step, ...] = (
    *SMOOTH_STEPS, dense, convolution, convolution, normalization, gelu, activation, choice, function,
)  # fmt: skip
