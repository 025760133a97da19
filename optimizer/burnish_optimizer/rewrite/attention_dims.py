"""Where a dimension comes from: enough to show that two dynamic dimensions are the same.

Shape inference loses dynamic dimensions at the first broadcast; exporters then compute every `Reshape` of
attention from `Shape` of some other value. Here a dimension is followed back to the value that sets it.
"""

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
    "com.microsoft::QuickGelu", "com.microsoft::SkipLayerNormalization",
})  # fmt: skip
BROADCASTING = frozenset({"Add", "Sub", "Mul", "Div", "Pow", "Where"})


@dataclass
class Dimensions:
    """Dimensions of one graph, remembered. roots: the values that set them, by identity."""

    roots: dict[int, ir.Value] = field(default_factory=dict)
    _known: dict[tuple[int, int], Dimension] = field(default_factory=dict)
    _steps: int = 0

    def of(self, value: ir.Value, axis: int) -> Dimension:
        """The dimension of `value` at `axis` (from 0), as far back as it can be followed."""
        key = (id(value), axis)
        if key not in self._known:
            self._steps += 1
            self.roots[id(value)] = value
            self._known[key] = key  # also what a cycle or too long a way finds
            self._known[key] = self._static(value, axis) or self._follow(value, axis) or key
        return self._known[key]

    def entries(self, target: ir.Value | None) -> tuple[Dimension | None, ...] | None:
        """What a one-dimensional int64 value (the target of a Reshape, say) holds; None where not known."""
        found = constant(target, 16)
        if found is not None:
            return tuple(int(number) for number in found.reshape(-1))
        node = is_op(target, "Concat", "Unsqueeze", "Shape", "Cast", "Reshape")
        if node is None:
            return None
        if op_key(node) == "Concat":
            parts = [self.entries(part) or (None,) for part in node.inputs]
            return tuple(entry for part in parts for entry in part)
        if op_key(node) == "Shape":
            return self._shape_entries(node)
        return (self._number(node.inputs[0]),) if op_key(node) != "Cast" else self.entries(node.inputs[0])

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
        left, right = node.inputs[:2]
        rows = rank(left)
        if left is None or rank(right) != 2 or rows is None or axis >= rows - 1:
            return None
        return self.of(left, axis)

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
    "Reshape": Dimensions._reshape,
    "Broadcast": Dimensions._broadcast,
    "com.microsoft::MultiHeadAttention": Dimensions._heads,
}
