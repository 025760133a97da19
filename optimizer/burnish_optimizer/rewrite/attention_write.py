"""Writing scaled dot-product attention as one operator.

Which form, and what was measured (ONNX Runtime 1.32, CPU, one thread, three layers with projections, ratio to
the unfused graph under ONNX Runtime's defaults; B = batch, S = rows; 22 runs in turns):

| | D=384 B1 S16 | S64 | S128 | S384 | B8 S32 | D=768 B1 S128 |
|---|---|---|---|---|---|---|
| MultiHeadAttention with attention_bias | 1.00 | 1.02 | 1.03 | 1.12 | 1.01 | 1.04 |
| MultiHeadAttention without a mask | 1.08 | 1.03 | 1.03 | 1.07 | 1.03 | 1.04 |
| … with the projections' biases taken in | 1.00 | 1.03 | 1.01 | 1.07 | 1.00 | 1.03 |
| … with Q, K, V from one MatMul and Split | 0.95 | 1.01 | 1.00 | 1.02 | 0.96 | 0.99 |
| com.microsoft Attention, packed weights | 1.00 | 1.05 | 1.07 | 1.11 | 1.01 | 1.03 |

So MultiHeadAttention with its projections left alone; narrow ones are packed afterwards (`attention_packed`).

ONNX's own Attention (opset 23) is faster still; 12 heads of 64, CPU time, the same ratio:

| | B1 S16 | S64 | S128 | S512 | B4 S64 |
|---|---|---|---|---|---|
| Attention, no mask | 2.02 | 1.62 | 1.47 | 1.24 | 1.69 |
| MultiHeadAttention, no mask | 1.02 | 0.96 | 0.95 | 1.09 | 0.97 |
| Attention, is_causal | 1.89 | 1.37 | 1.28 | 1.18 | 1.46 |
| MultiHeadAttention with that mask as attention_bias | 1.00 | 0.95 | 0.95 | 1.10 | 0.91 |
| Attention, is_causal, 4 heads of keys and values not repeated | 1.88 | 1.39 | 1.27 | 1.17 | 1.47 |
| GroupQueryAttention, the same | 1.27 | 0.99 | 1.02 | 1.19 | 1.13 |

But its CPU kernel gives 0 for rows in which every key is masked, where softmax over equal masks is uniform.
It is written where there is no mask, or one that is shown to be causal, which leaves every row a key. Where
MultiHeadAttention is to be had, that is for fixed sizes only: Attention refuses an empty batch.
GroupQueryAttention is not written: where it is legal, which is where the mask is causal, Attention is faster.
EmbedLayerNormalization neither: it refuses the negative indices that Gather takes, and took 1.1 to 1.8 times
as long as the Gathers, Adds and LayerNormalization that it stands for.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish_optimizer.rewrite.attention_causal import is_causal
from burnish_optimizer.rewrite.attention_dims import Dimension, Dimensions
from burnish_optimizer.rewrite.attention_groups import groups
from burnish_optimizer.rewrite.attention_parts import Parts, find_shared
from burnish_optimizer.rewrite.attention_read import HEADS_LAST, Attention, Heads
from burnish_optimizer.rewrite.attention_scores import RANK
from burnish_optimizer.rewrite.values import attribute, dtype, is_op, shape
from burnish_optimizer.targets.kernels import MICROSOFT

EXPANDED = "attention-bias"


@dataclass(frozen=True)
class Writer:
    """Where to write: nodes go to `parts`, before `anchor`, in a model of this opset."""

    parts: Parts
    dims: Dimensions
    anchor: ir.Node
    opset: int

    def multi_head(self, found: Attention) -> ir.Value:
        """com.microsoft MultiHeadAttention: [B, S, N·Hv], additive bias [1|B, 1|N, S, T]."""
        query = self._flat_side(found.query, found.heads, found.head_size)
        key, value = self._keys_and_values(found)
        return self.parts.op(
            "MultiHeadAttention",
            query,
            key,
            value,
            None,
            None,
            self._bias(found),
            domain=MICROSOFT,
            num_heads=found.heads,
            scale=found.scale,
        )

    def standard(self, found: Attention, *, causal: bool) -> ir.Value:
        """ONNX Attention (opset 23) over [B, S, N·H]: [B, S, N·Hv]. Masks: see the module."""
        shared = groups(found, self.dims)
        flat = [
            self._flat_side(found.query, found.heads, found.head_size),
            self._flat_side(shared.key, shared.count, found.head_size),
            self._flat_side(shared.value, shared.count, found.value_size),
        ]
        return self.parts.op(
            "Attention",
            *flat,
            scale=found.scale,
            is_causal=int(causal),
            q_num_heads=found.heads,
            kv_num_heads=shared.count,
        )

    def is_causal(self, found: Attention) -> bool:
        """Whether there is one mask, square, and it hides from every row the keys behind it."""
        rows, columns = self._extent(found.query), self._extent(found.key)
        return (
            len(found.masks) == 1
            and rows == columns
            and is_causal(found.masks[0], (rows, columns), self.dims)
        )

    def is_static(self, found: Attention) -> bool:
        """Whether batch, rows and keys are fixed: ONNX Runtime's Attention refuses an empty batch."""
        sides = (found.query, found.key)
        whole = [value for side in sides if (value := side.by_heads or side.by_rows) is not None]
        sizes = [self.dims.of(value, 0) for value in whole] + [self._extent(side) for side in sides]
        return all(isinstance(size, int) for size in sizes)

    def _keys_and_values(self, found: Attention) -> tuple[ir.Value, ir.Value]:
        """Both [B, T, N·H], or both [B, N, T, H] where either is at hand by heads only."""
        key, value = found.key, found.value
        if key.by_rows is not None and value.by_rows is not None:
            return (
                self._flat_side(key, found.heads, found.head_size),
                self._flat_side(value, found.heads, found.value_size),
            )
        return self._scaled(self._heads_of(key), key), self._heads_of(value)

    def _flat_side(self, side: Heads, heads: int, size: int) -> ir.Value:
        return self._scaled(self.flat(self.rows_of(side), heads, size), side)

    def _scaled(self, value: ir.Value, side: Heads) -> ir.Value:
        if side.factor == 1.0:
            return value
        kind = dtype(side.by_heads or side.by_rows) or ir.DataType.FLOAT
        return self.parts.op("Mul", value, self.parts.constant(np.array(side.factor, kind.numpy()), kind))

    def rows_of(self, side: Heads) -> ir.Value:
        """[B, S, N, H]."""
        if side.by_rows is not None:
            return side.by_rows
        return self.parts.op("Transpose", side.by_heads, perm=list(HEADS_LAST))

    def _heads_of(self, side: Heads) -> ir.Value:
        if side.by_heads is not None:
            return side.by_heads
        return self.parts.op("Transpose", side.by_rows, perm=list(HEADS_LAST))

    def flat(self, by_rows: ir.Value, heads: int, size: int) -> ir.Value:
        """[B, S, N, H] → [B, S, N·H]: what was split, where that can be shown, else a Reshape (no copy)."""
        reshape = is_op(by_rows, "Reshape")
        source = reshape.inputs[0] if reshape is not None else None
        if reshape is not None and source is not None and self._splits(reshape, source, heads * size):
            return source
        return self.parts.op("Reshape", by_rows, self.parts.ints(0, 0, heads * size))

    def _splits(self, reshape: ir.Node, source: ir.Value, width: int) -> bool:
        dims, entries = shape(source), self.dims.entries(reshape.inputs[1])
        if dims is None or len(dims) != RANK - 1 or dims[2] != width or entries is None:
            return False
        return len(entries) == RANK and self.kept(reshape, source, entries) > 0

    def kept(self, reshape: ir.Node, source: ir.Value, entries: tuple[Dimension | None, ...]) -> int:
        """How many of batch and rows are shown to stay. One suffices where the other axes hold as much."""
        copies = 0 if not attribute(reshape, "allowzero", 0) else None
        return sum(
            entry is not None and (entry == copies or entry == self.dims.of(source, axis))
            for axis, entry in enumerate(entries[:2])
        )

    def _bias(self, found: Attention) -> ir.Value | None:
        """The sum of all masks as [1|B, 1|N, S, T]: the kernel broadcasts batch and heads only."""
        total: ir.Value | None = None
        for mask in reversed(found.masks):
            total = mask if total is None else self.parts.op("Add", total, mask)
        return total if total is None else self._expanded(total, found)

    def _expanded(self, bias: ir.Value, found: Attention) -> ir.Value:
        rows, columns = self._extent(found.query), self._extent(found.key)
        known = shape(bias)
        if known is not None and len(known) == RANK and self._fits(bias, (rows, columns)):
            return bias
        tag = f"{EXPANDED} {rows} {columns}"
        shared = find_shared(bias, tag, self.anchor)
        if shared is not None:
            return shared
        entries = [self.parts.ints(1), self.parts.ints(1), self._extent_of(rows), self._extent_of(columns)]
        made = self.parts.op("Expand", bias, self.parts.op("Concat", *entries, axis=0))
        return self.parts.share(made, bias, tag)

    def _fits(self, bias: ir.Value, wanted: tuple[Dimension, Dimension]) -> bool:
        return all(self.dims.of(bias, axis + 2) == extent for axis, extent in enumerate(wanted))

    def _extent(self, side: Heads) -> Dimension:
        if side.by_rows is not None:
            return self.dims.of(side.by_rows, 1)
        return self.dims.of(side.by_heads, 2) if side.by_heads is not None else 1

    def _extent_of(self, dimension: Dimension) -> ir.Value:
        if isinstance(dimension, int):
            return self.parts.ints(dimension)
        value, axis = self.dims.roots[dimension[0]], dimension[1]
        return self.parts.row_count(value, axis, self.opset)
