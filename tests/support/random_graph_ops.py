"""Steps of random graphs: single operators."""

import numpy as np
from hypothesis import strategies as st
from onnx import helper

from support.random_graphs import KINDS, Dims, Net, Step, Val, kind_of

SMOOTH = ("Neg", "Identity", "Sigmoid", "Tanh", "Erf", "Softplus", "Sin", "LeakyRelu", "Relu", "Abs")
STEPPED = ("Floor", "Ceil", "Round", "Sign", "Sqrt", "Exp", "Reciprocal", "Log")


def unary(net: Net) -> None:
    """f(x), smooth."""
    if x := net.pick(lambda v: v.kind == "float32"):
        net.like(net.choose(*SMOOTH, *(["HardSwish"] if net.opset >= 14 else [])), [x])


def unary_awkward(net: Net) -> None:
    """f(x) with steps, poles or overflow, of any float type."""
    if x := net.pick(lambda v: v.is_float):
        names = STEPPED if x.kind != "float16" else ("Neg", "Abs", "Sqrt", "Identity")
        net.like(net.choose(*names), [x])


def unary_exact(net: Net) -> None:
    """f(x) of integers and booleans."""
    if x := net.pick(lambda v: not v.is_float):
        net.like(net.choose("Not", "Identity") if x.kind == "bool" else net.choose("Neg", "Abs", "Sign"), [x])


def repeated(net: Net) -> None:
    """The same operator twice in a row: inverse pairs and idempotents among them."""
    if x := net.pick(lambda v: v.kind == "float32"):
        op = net.choose("Neg", "Relu", "Abs", "Identity", "Floor", "Reciprocal")
        net.like(op, [net.like(op, [x])])


def binary(net: Net) -> None:
    """a ∘ b, broadcast; b is a value or a constant."""
    a = net.pick(lambda v: v.kind != "bool")
    if a is None:
        return
    ops = ("Add", "Mul", "Sub", "Max", "Min") + (("Div",) if a.is_float else ())
    b = _partner(net, a)
    inputs = (a, b) if net.draw(st.booleans()) else (b, a)
    net.add(net.choose(*ops), inputs, a.kind, broadcast(a.dims, b.dims))


def binary_smooth(net: Net) -> None:
    """a ∘ b of float32 without poles."""
    if a := net.pick(lambda v: v.kind == "float32"):
        b = _partner(net, a, plain=True)
        net.add(net.choose("Add", "Mul", "Sub"), (a, b), a.kind, broadcast(a.dims, b.dims))


def comparison(net: Net) -> None:
    """a < b and the like."""
    if a := net.pick(lambda v: v.kind not in ("bool", "float16")):
        b = _partner(net, a)
        net.add(
            net.choose("Less", "Greater", "Equal", "LessOrEqual"), (a, b), "bool", broadcast(a.dims, b.dims)
        )


def logic(net: Net) -> None:
    """a ∧ b and the like."""
    if a := net.pick(lambda v: v.kind == "bool"):
        b = _partner(net, a)
        net.add(net.choose("And", "Or", "Xor"), (a, b), "bool", broadcast(a.dims, b.dims))


def where(net: Net) -> None:
    """Where(c, a, b)."""
    c = net.pick(lambda v: v.kind == "bool")
    a = net.pick(lambda v: v.kind in ("float32", "int64", "int32") and c is not None and fits(v.dims, c.dims))
    if c is not None and a is not None:
        b = net.scalar(a.kind)
        dims = broadcast(broadcast(a.dims, b.dims), c.dims)
        net.add("Where", (c, a, b) if net.draw(st.booleans()) else (c, b, a), a.kind, dims)


def cast(net: Net) -> None:
    """To another type, and back at times."""
    if x := net.pick():
        kind = net.choose(*KINDS)
        made = net.add("Cast", [x], kind, x.dims, to=kind_of(kind))
        if net.draw(st.booleans()):
            net.add("Cast", [made], x.kind, x.dims, to=kind_of(x.kind))


def transpose(net: Net) -> None:
    """Dimensions in another order, and back at times."""
    if x := net.pick(lambda v: len(v.dims) > 1):
        order = net.draw(st.permutations(range(len(x.dims))))
        made = net.add("Transpose", [x], x.kind, [x.dims[i] for i in order], perm=order)
        if net.draw(st.booleans()):
            net.add("Transpose", [made], x.kind, x.dims, perm=[int(i) for i in np.argsort(order)])


def reshape(net: Net) -> None:
    """To other dimensions by 0 and -1, by Flatten, or by a computed shape."""
    x = net.pick(lambda v: len(v.dims) > 1 and all(d != 0 for d in v.dims) and _static(v.dims[1:]))
    if x is None:
        return
    rest = int(np.prod(x.dims[1:]))
    form = net.choose("zero", "flatten", "computed", "same")
    if form == "flatten":
        net.add("Flatten", [x], x.kind, (x.dims[0], rest), axis=1)
    elif form == "zero":
        net.add("Reshape", [x, net.ints(0, net.choose(-1, rest))], x.kind, (x.dims[0], rest))
    elif form == "same":
        net.add("Reshape", [x, net.ints(0, *x.dims[1:])], x.kind, x.dims)
    else:
        rows = _dimension(net, x, 0)
        target = net.add("Concat", [rows, net.ints(rest)], "int64", (2,), axis=0)
        net.add("Reshape", [x, target], x.kind, (x.dims[0], rest))


def unsqueeze(net: Net) -> None:
    """A new dimension of 1, and away with it at times."""
    if x := net.pick(lambda v: len(v.dims) < 4):
        at = net.draw(st.integers(0, len(x.dims)))
        made = net.add("Unsqueeze", [x, net.ints(at)], x.kind, (*x.dims[:at], 1, *x.dims[at:]))
        if net.draw(st.booleans()):
            net.add("Squeeze", [made, net.ints(at)], x.kind, x.dims)


def expand(net: Net) -> None:
    """To the shape of another value, to its own, or by a constant."""
    x = net.pick(lambda v: bool(v.dims))
    other = net.pick(lambda v: x is not None and fits(v.dims, x.dims) and bool(v.dims))
    if x is None or other is None:
        return
    target = net.add("Shape", [other], "int64", (len(other.dims),))
    net.add("Expand", [x, target], x.kind, broadcast(x.dims, other.dims))


def cut(net: Net) -> None:
    """A slice of a dimension: of all, a part, or backwards."""
    x = net.pick(lambda v: bool(v.dims))
    axis = net.draw(st.integers(0, len(x.dims) - 1)) if x is not None else 0
    if x is None or not isinstance(x.dims[axis], int):
        return
    size = x.dims[axis]
    start = net.draw(st.integers(0, max(size - 1, 0)))
    end = net.choose(size, 1 << 62, start + 1)
    kept = max(0, min(end, size) - start)
    parts = [net.ints(start), net.ints(end), net.ints(axis)]
    net.add("Slice", [x, *parts], x.kind, (*x.dims[:axis], kept, *x.dims[axis + 1 :]))


def gather(net: Net) -> None:
    """Some places of a dimension, counted from the end, too."""
    x = net.pick(lambda v: bool(v.dims))
    axis = net.draw(st.integers(0, len(x.dims) - 1)) if x is not None else 0
    if x is None or not isinstance(x.dims[axis], int) or not x.dims[axis]:
        return
    size = x.dims[axis]
    where = net.draw(st.lists(st.integers(-size, size - 1), min_size=1, max_size=3))
    net.add(
        "Gather", [x, net.ints(*where)], x.kind, (*x.dims[:axis], len(where), *x.dims[axis + 1 :]), axis=axis
    )


def concat(net: Net) -> None:
    """Two values, or a value and itself, or a value alone."""
    x = net.pick(lambda v: bool(v.dims) and isinstance(v.dims[-1], int))
    if x is None:
        return
    others = [v for v in net.values if v.kind == x.kind and v.dims[:-1] == x.dims[:-1] and v.dims[-1:]]
    y = net.choose(x, *[v for v in others if isinstance(v.dims[-1], int)][-2:])
    parts = net.choose([x, y], [x], [y, x, y])
    net.add("Concat", parts, x.kind, (*x.dims[:-1], sum(int(v.dims[-1]) for v in parts)), axis=-1)


def split(net: Net) -> None:
    """Two parts, and together again at times."""
    x = net.pick(lambda v: bool(v.dims) and isinstance(v.dims[-1], int) and v.dims[-1] > 1)
    if x is None:
        return
    first = net.draw(st.integers(1, int(x.dims[-1]) - 1))
    sizes = (first, int(x.dims[-1]) - first)
    parts = [Val(net.name(), x.kind, (*x.dims[:-1], size)) for size in sizes]
    inputs = [x.name, net.ints(*sizes).name]
    net.nodes.append(helper.make_node("Split", inputs, [p.name for p in parts], axis=-1))
    net.values += parts
    if net.draw(st.booleans()):
        net.add("Concat", parts, x.kind, x.dims, axis=-1)


def pad(net: Net) -> None:
    """Zeros around the last dimension, or nothing around it."""
    x = net.pick(lambda v: v.kind == "float32" and bool(v.dims) and isinstance(v.dims[-1], int))
    if x is not None:
        before, after = net.choose((0, 0), (1, 0), (1, 2))
        rank = len(x.dims)
        pads = [0] * (rank - 1) + [before] + [0] * (rank - 1) + [after]
        net.add("Pad", [x, net.ints(*pads)], x.kind, (*x.dims[:-1], int(x.dims[-1]) + before + after))


def reduce(net: Net) -> None:
    """Over one axis; the sum takes its axis as an input, the others as an attribute."""
    x = net.pick(lambda v: v.kind in ("float32", "int64", "int32") and bool(v.dims) and 0 not in v.dims)
    if x is None:
        return
    axis, keep = net.draw(st.integers(0, len(x.dims) - 1)), net.choose(1, 0)
    dims = (*x.dims[:axis], *([1] if keep else []), *x.dims[axis + 1 :])
    op = net.choose("ReduceSum", "ReduceMean", "ReduceMax") if x.is_float else "ReduceSum"
    if op == "ReduceSum" or net.opset >= 18:
        net.add(op, [x, net.ints(axis)], x.kind, dims, keepdims=keep)
    else:
        net.add(op, [x], x.kind, dims, axes=[axis], keepdims=keep)


def shape_of(net: Net) -> None:
    """Shape(x), or one dimension of it as a number."""
    if x := net.pick(lambda v: bool(v.dims)):
        if net.draw(st.booleans()):
            net.add("Shape", [x], "int64", (len(x.dims),))
        else:
            _dimension(net, x, net.draw(st.integers(0, len(x.dims) - 1)))


def filled(net: Net) -> None:
    """ConstantOfShape of the shape of a value."""
    if x := net.pick(lambda v: bool(v.dims)):
        net.add("ConstantOfShape", [net.add("Shape", [x], "int64", (len(x.dims),))], "float32", x.dims)


def constants(net: Net) -> None:
    """Arithmetic of constants alone: what folding is for."""
    kind = net.choose("float32", "int64", "float64")
    a, b = net.weights(3, kind=kind), net.weights(3, kind=kind)
    net.add(net.choose("Add", "Mul"), (a, b), kind, (3,))


def duplicate(net: Net) -> None:
    """A node once more."""
    made = {name: node for node in net.nodes for name in node.output}
    x = net.pick(lambda v: v.name in made and len(made[v.name].output) == 1)
    if x is not None:
        node = made[x.name]
        again = helper.make_node(node.op_type, list(node.input), [net.name()], domain=node.domain)
        again.attribute.extend(node.attribute)
        if not any(a.HasField("g") for a in node.attribute):
            net.nodes.append(again)
            net.values.append(Val(again.output[0], x.kind, x.dims))


def broadcast(a: Dims, b: Dims) -> Dims:
    """The shape of a ∘ b."""
    rank = max(len(a), len(b))
    wide = [(1,) * (rank - len(d)) + tuple(d) for d in (a, b)]
    return tuple(y if x == 1 else x for x, y in zip(*wide, strict=True))


def fits(a: Dims, b: Dims) -> bool:
    """Whether two shapes broadcast, whatever the symbols stand for."""
    pairs = zip(reversed(a), reversed(b), strict=False)
    return all(x == y or 1 in (x, y) for x, y in pairs)


def _partner(net: Net, a: Val, *, plain: bool = False) -> Val:
    """What `a` may be combined with: a value, a scalar, or weights of its last dimension."""
    form = net.choose("value", "scalar", "weights", "itself")
    if form == "itself":
        return a
    if form == "value":
        return net.pick(lambda v: v.kind == a.kind and fits(v.dims, a.dims)) or a
    last = a.dims[-1:] if a.dims and isinstance(a.dims[-1], int) else (1,)
    if form == "weights" or plain:
        return net.weights(*[int(d) for d in last], kind=a.kind)
    return net.scalar(a.kind)


def _static(dims: Dims) -> bool:
    return all(isinstance(d, int) for d in dims)


def _dimension(net: Net, x: Val, axis: int) -> Val:
    """int64 [1]: one dimension of a value."""
    whole = net.add("Shape", [x], "int64", (len(x.dims),))
    return net.add("Gather", [whole, net.ints(axis)], "int64", (1,), axis=0)


EXACT_STEPS: tuple[Step, ...] = (
    unary, unary_awkward, unary_exact, repeated, binary, comparison, logic, where, cast, transpose, reshape,
    unsqueeze, expand, cut, gather, concat, split, pad, reduce, shape_of, filled, constants, duplicate,
)  # fmt: skip
SMOOTH_STEPS: tuple[Step, ...] = (
    unary, binary_smooth, transpose, reshape, unsqueeze, cut, concat, split, pad, duplicate, constants,
)  # fmt: skip
