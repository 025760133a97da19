"""Where a dimension comes from: enough to show that two dynamic dimensions are the same.

Shape inference loses dynamic dimensions at the first broadcast; exporters then compute every `Reshape` of
attention from `Shape` of some other value. Here a dimension is followed back to the value that sets it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import onnx_ir as ir

from burnish_optimizer.rewrite.values import attribute, constant, is_op, op_key, rank, shape

Dimension = int | tuple[int, int]
"""A number, or (identity of the value that sets it, its axis)."""

MAX_STEPS = 400
SAME_SHAPE = frozenset({
    "Identity", "Cast", "Relu", "Sigmoid", "Tanh", "Erf", "Sqrt", "Neg", "Exp", "Clip", "Gelu", "Softmax",
    "LayerNormalization", "Dropout", "SimplifiedLayerNormalization", "RMSNormalization",
    "com.microsoft::Gelu", "com.microsoft::BiasGelu", "com.microsoft::FastGelu",
    "com.microsoft::QuickGelu", "com.microsoft::SkipLayerNormalization", "com.microsoft::RotaryEmbedding",
    "Cos", "Sin",
})  # fmt: skip
BROADCASTING = frozenset({"Add", "Sub", "Mul", "Div", "Pow", "Where"})


@dataclass
class Dimensions:
    """Dimensions of one graph, remembered. roots: the values that set them, by identity."""

    roots: dict[int, ir.Value] = field(default_factory=dict)
    _named: dict[str, tuple[int, int]] = field(default_factory=dict)
    _known: dict[tuple[int, int], Dimension] = field(default_factory=dict)
    _steps: int = 0

    def of(self, value: ir.Value, axis: int) -> Dimension:
        """The dimension of `value` at `axis` (from 0), as far back as it can be followed."""
        key = (id(value), axis)
        if key not in self._known:
            self._steps += 1
            self.roots[id(value)] = value
            self._known[key] = key  # also what a cycle or too long a way finds
            static = self._static(value, axis)
            found = static if static is not None else self._follow(value, axis)
            self._known[key] = found if found is not None else self._input(value, axis)
        return self._known[key]

    def entries(self, target: ir.Value | None) -> tuple[Dimension | None, ...] | None:
        """What a one-dimensional int64 value (the target of a Reshape, say) holds; None where not known."""
        found = constant(target, 16)
        if found is not None:
            return tuple(int(number) for number in found.reshape(-1))
        node = is_op(target, "Concat", "Unsqueeze", "Shape", "Cast", "Reshape", "Slice")
        if node is None:
            return None
        if op_key(node) == "Slice":
            return self._slice_entries(node)
        if op_key(node) == "Concat":
            parts = [self.entries(part) or (None,) for part in node.inputs]
            return tuple(entry for part in parts for entry in part)
        if op_key(node) == "Shape":
            return self._shape_entries(node)
        return (self._number(node.inputs[0]),) if op_key(node) != "Cast" else self.entries(node.inputs[0])

    def number(self, value: ir.Value | None, depth: int = 8) -> float | None:
        """What a scalar holds: a constant, a known dimension, or arithmetic on them (1/√H, say)."""
        found = constant(value, 1)
        if found is not None:
            return float(found.item()) if found.size == 1 else None
        node = is_op(value, *_ARITHMETIC) if depth else None
        if node is None:
            entries = self.entries(value)
            one = entries[0] if entries is not None and len(entries) == 1 else None
            return float(one) if isinstance(one, int) else None
        terms = [self.number(term, depth - 1) for term in node.inputs]
        known = [term for term in terms if term is not None]
        return _calculate(op_key(node), known) if len(known) == len(terms) else None

    def _slice_entries(self, node: ir.Node) -> tuple[Dimension | None, ...] | None:
        source = self.entries(node.inputs[0])
        given = [constant(value, 1) for value in node.inputs[1:]]
        if source is None or any(v is None or v.size != 1 for v in given):
            return None
        start, end, *rest = (int(v.item()) for v in given if v is not None)
        return source[start:end] if rest in ([], [0], [0, 1]) else None

    def _number(self, value: ir.Value | None) -> Dimension | None:
        """A scalar (or single-element) int64 value: a constant, or one entry of a shape."""
        gather = is_op(value, "Gather", "Squeeze")
        if gather is None:
            found = self.entries(value)
            return found[0] if found is not None and len(found) == 1 else None
        source = self.entries(gather.inputs[0])
        if source is None or op_key(gather) == "Squeeze":
            return source[0] if source is not None and len(source) == 1 else None
        index = constant(gather.inputs[1], 1)
        if index is None or not -len(source) <= int(index.item()) < len(source):
            return None
        return source[int(index.item())]

    def _shape_entries(self, node: ir.Node) -> tuple[Dimension, ...] | None:
        source = node.inputs[0]
        dims = rank(source)
        if source is None or (dims is None and is_op(source, "Transpose") is None):
            return None
        dims = dims if dims is not None else len(attribute(source.producer(), "perm", ()))  # type: ignore[arg-type]
        entries = tuple(self.of(source, axis) for axis in range(dims))
        return entries[slice(attribute(node, "start", 0), attribute(node, "end", dims))]

    def _static(self, value: ir.Value, axis: int) -> int | None:
        dims = shape(value)
        return dims[axis] if dims is not None and axis < len(dims) else None

    def _input(self, value: ir.Value, axis: int) -> tuple[int, int]:
        """Inputs of the model name their dimensions: the same name is the same number (ONNX, IR.md)."""
        here = (id(value), axis)
        dims = value.shape if value.is_graph_input() else None
        dim = dims[axis] if dims is not None else None
        name = dim.value if isinstance(dim, ir.SymbolicDim) else None
        return self._named.setdefault(name, here) if isinstance(name, str) else here

    def _follow(self, value: ir.Value, axis: int) -> Dimension | None:
        node = value.producer()
        if node is None or self._steps > MAX_STEPS or not node.inputs or value is not node.outputs[0]:
            return None
        if op_key(node) in SAME_SHAPE and node.inputs[0] is not None:
            return self.of(node.inputs[0], axis)
        step = _STEPS.get("Broadcast" if op_key(node) in BROADCASTING else op_key(node))
        return step(self, node, axis) if step is not None else None

    def _transpose(self, node: ir.Node, axis: int) -> Dimension | None:
        perm, source = attribute(node, "perm"), node.inputs[0]
        return self.of(source, perm[axis]) if perm and source is not None else None

    def _matmul(self, node: ir.Node, axis: int) -> Dimension | None:
        left, rows, columns = node.inputs[0], rank(node.inputs[0]), rank(node.inputs[1])
        if left is None or rows is None or columns is None or axis >= rows - 1:
            return None
        if axis == rows - 2 or columns == 2:
            return self.of(left, axis)
        return self._broadcast(node, axis) if rows == columns else None

    def _slice(self, node: ir.Node, axis: int) -> Dimension | None:
        axes = constant(node.inputs[3], 8) if len(node.inputs) > 3 else None
        dims, source = rank(node.inputs[0]), node.inputs[0]
        if axes is None or dims is None or source is None:
            return None
        return self.of(source, axis) if axis not in {int(a) % dims for a in axes.reshape(-1)} else None

    def _concat(self, node: ir.Node, axis: int) -> Dimension | None:
        dims, source = rank(node.inputs[0]), node.inputs[0]
        if dims is None or source is None or axis == attribute(node, "axis") % dims:
            return None
        return self.of(source, axis)

    def _unsqueeze(self, node: ir.Node, axis: int) -> Dimension | None:
        axes = constant(node.inputs[1], 8) if len(node.inputs) > 1 else None
        before, source = rank(node.inputs[0]), node.inputs[0]
        if axes is None or before is None or source is None:
            return None
        added = {int(a) % (before + axes.size) for a in axes.reshape(-1)}
        return 1 if axis in added else self.of(source, axis - sum(a < axis for a in added))

    def _heads(self, node: ir.Node, axis: int) -> Dimension | None:
        query = node.inputs[0]
        return self.of(query, axis) if query is not None and axis < 2 else None

    def _reshape(self, node: ir.Node, axis: int) -> Dimension | None:
        entries, source = self.entries(node.inputs[1]), node.inputs[0]
        if entries is None or axis >= len(entries) or source is None:
            return None
        if entries[axis] == 0 and not attribute(node, "allowzero", 0):
            return self.of(source, axis)
        return entries[axis] if entries[axis] != -1 else None

    def _broadcast(self, node: ir.Node, axis: int) -> Dimension | None:
        ranks = [rank(value) for value in node.inputs]
        if None in ranks:
            return None
        most = max(r for r in ranks if r is not None)
        places = [(v, axis - most + r) for v, r in zip(node.inputs, ranks, strict=True) if r is not None]
        found = {self.of(value, place) for value, place in places if value is not None and place >= 0}
        found.discard(1)
        return found.pop() if len(found) == 1 else None


_STEPS: dict[str, Callable[[Dimensions, ir.Node, int], Dimension | None]] = {
    "Transpose": Dimensions._transpose,
    "MatMul": Dimensions._matmul,
    "Slice": Dimensions._slice,
    "Concat": Dimensions._concat,
    "Unsqueeze": Dimensions._unsqueeze,
    "Reshape": Dimensions._reshape,
    "Broadcast": Dimensions._broadcast,
    "com.microsoft::MultiHeadAttention": Dimensions._heads,
}

_ARITHMETIC: dict[str, int] = {"Sqrt": 1, "Reciprocal": 1, "Cast": 1, "Mul": 2, "Div": 2}


def _calculate(op: str, terms: list[float]) -> float | None:
    """One step in FP64; None where it has no finite answer."""
    first, last = terms[0], terms[-1]
    if (op == "Sqrt" and first < 0) or (op in ("Reciprocal", "Div") and last == 0):
        return None
    steps = {"Sqrt": lambda: math.sqrt(first), "Reciprocal": lambda: 1 / first, "Cast": lambda: first}
    pairs = {"Mul": lambda: first * last, "Div": lambda: first / last}
    return float((steps | pairs)[op]())
