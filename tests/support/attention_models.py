"""Attention as exporters write it: small graphs, one form each, and the answer in FP64."""

from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

HEADS, SIZE = 3, 8
WIDTH = HEADS * SIZE
FLOATS = TensorProto.FLOAT


@dataclass(frozen=True)
class Form:
    """One way to write attention.

    scale: where 1/√H is put.   keys: how Kᵀ comes to be.   mask: how scores are masked.
    target: how Reshape learns its sizes.   merge: what follows.   rows: whether heads are split here.
    """

    scale: str = "div"
    keys: str = "rows"
    mask: str = "add"
    target: str = "zeros"
    merge: bool = True
    rows: bool = True
    axis: int = -1
    opset: int = 17
    fill: float = -np.inf


def attention(form: Form) -> ir.Model:
    """Inputs q, k, v [B, S|T, N·H] (or [B, N, S, H]) and mask; output y."""
    made = _Graph()
    sides = (
        {side: _split(made, side, form) for side in "qkv"} if form.rows else {side: side for side in "qkv"}
    )
    scores = _scores(made, sides, form)
    made.node("Softmax", [_masked(made, scores, form)], "p", axis=form.axis)
    value = sides["v"] if not form.rows else made.node("Transpose", ["v4"], "vt", perm=[0, 2, 1, 3])
    made.node("MatMul", ["p", value], "c" if form.merge else "y")
    if form.merge:
        made.node("Transpose", ["c"], "ct", perm=[0, 2, 1, 3])
        made.node("Reshape", ["ct", _target(made, "ct", form, [WIDTH])], "y")
    return made.model(form)


def truth(form: Form, feeds: dict[str, NDArray[np.generic]]) -> NDArray[np.float64]:
    """The same in FP64."""
    q, k, v = (np.asarray(feeds[side], np.float64) for side in "qkv")
    if form.rows:
        q, k, v = (x.reshape(*x.shape[:2], HEADS, SIZE).transpose(0, 2, 1, 3) for x in (q, k, v))
    scores = q @ k.swapaxes(2, 3) / np.sqrt(SIZE)
    if form.mask == "add":
        scores = scores + np.asarray(feeds["mask"], np.float64)
    elif form.mask == "where":
        scores = np.where(feeds["mask"], scores, form.fill)
    with np.errstate(invalid="ignore", over="ignore"):
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        answer = (weights / weights.sum(-1, keepdims=True)) @ v
    if not form.merge:
        return np.asarray(answer)
    return np.asarray(answer.transpose(0, 2, 1, 3).reshape(answer.shape[0], answer.shape[2], WIDTH))


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, op: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=f"n{len(self.nodes)}", **attributes))
        return output

    def constant(self, array: NDArray[np.generic] | np.generic) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(array), f"c{len(self.constants)}"))
        return self.constants[-1].name

    def model(self, form: Form) -> ir.Model:
        flat: list[list[str | int]] = [["B", "S", WIDTH], ["B", "T", WIDTH], ["B", "T", WIDTH]]
        split: list[list[str | int]] = [
            ["B", HEADS, "S", SIZE],
            ["B", HEADS, "T", SIZE],
            ["B", HEADS, "T", SIZE],
        ]
        inputs = [
            helper.make_tensor_value_info(side, FLOATS, dims)
            for side, dims in zip("qkv", flat if form.rows else split, strict=True)
        ]
        if form.mask != "none":
            kind = TensorProto.BOOL if form.mask == "where" else FLOATS
            inputs.append(helper.make_tensor_value_info("mask", kind, ["MB", "MN", "MS", "MT"]))
        dims: list[str | int] = ["B", "S", WIDTH] if form.merge else ["B", HEADS, "S", SIZE]
        outputs = [helper.make_tensor_value_info("y", FLOATS, dims)]
        graph = helper.make_graph(self.nodes, "attention", inputs, outputs, self.constants)
        opsets = [helper.make_opsetid("", form.opset)]
        return ir.from_proto(helper.make_model(graph, opset_imports=opsets, ir_version=10))


def _split(made: _Graph, side: str, form: Form) -> str:
    made.node("Reshape", [side, _target(made, side, form, [HEADS, SIZE])], f"{side}4")
    return f"{side}4"


def _target(made: _Graph, source: str, form: Form, last: list[int]) -> str:
    """[0, 0, …] as a constant; or put together from `Shape` of the source, as PyTorch exports it."""
    if form.target == "zeros":
        return made.constant(np.array([0, 0, *last]))
    shape = made.node("Shape", [source], f"{source}/shape")
    parts = []
    for axis in (0, 1):
        one = made.node("Gather", [shape, made.constant(np.array(axis))], f"{source}/{axis}", axis=0)
        parts.append(made.node("Unsqueeze", [one, made.constant(np.array([0]))], f"{one}/vector"))
    parts += [made.constant(np.array([number])) for number in last]
    return made.node("Concat", parts, f"{source}/target", axis=0)


def _scores(made: _Graph, sides: dict[str, str], form: Form) -> str:
    query, root = sides["q"], np.float32(np.sqrt(SIZE))
    if form.rows:
        query = made.node("Transpose", ["q4"], "qt", perm=[0, 2, 1, 3])
    keys = _keys(made, sides["k"], form)
    if form.scale == "query":
        query = made.node("Mul", [query, made.constant(1 / root)], "qs")
    if form.scale == "both":
        half = made.constant(np.float32(SIZE**-0.25))
        query, keys = made.node("Mul", [query, half], "qs"), made.node("Mul", [keys, half], "ks")
    scores = made.node("MatMul", [query, keys], "s")
    if form.scale == "div":
        return made.node("Div", [scores, made.constant(root)], "ss")
    if form.scale == "computed":
        return made.node("Mul", [scores, _computed(made)], "ss")
    if form.scale == "mul":
        return made.node("Mul", [made.constant(1 / root), scores], "ss")
    return scores


def _computed(made: _Graph) -> str:
    """1/√H from the shape of the queries, as PyTorch exports it."""
    shape = made.node("Shape", ["q4"], "qd")
    ends = [made.constant(np.array([number])) for number in (-1, 1 << 62)]
    made.node("Slice", [shape, *ends], "h")
    made.node("Cast", ["h"], "hf", to=FLOATS)
    made.node("Sqrt", ["hf"], "hr")
    return made.node("Div", [made.constant(np.ones(1, np.float32)), "hr"], "f")


def _keys(made: _Graph, side: str, form: Form) -> str:
    if not form.rows:
        return made.node("Transpose", [side], "kt", perm=[0, 1, 3, 2])
    if form.keys == "rows":
        return made.node("Transpose", [side], "kt", perm=[0, 2, 3, 1])
    made.node("Transpose", [side], "kh", perm=[0, 2, 1, 3])
    return made.node("Transpose", ["kh"], "kt", perm=[0, 1, 3, 2])


def _masked(made: _Graph, scores: str, form: Form) -> str:
    if form.mask == "add":
        return made.node("Add", [scores, "mask"], "sm")
    if form.mask == "where":
        return made.node("Where", ["mask", scores, made.constant(np.float32(form.fill))], "sm")
    return scores
