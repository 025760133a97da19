"""Reading scaled dot-product attention (Vaswani et al., 2017, eq. 1) out of a graph.

Keys are transposed from [B, N, T, H], straight from [B, T, N, H], or by way of [B·N, T, H].
"""

import math
from dataclasses import dataclass

import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.attention_dims import Dimensions
from burnish_optimizer.rewrite.attention_scores import RANK, Scores, over_last_axis, read_scores, unscale
from burnish_optimizer.rewrite.values import attribute, constant, is_op, rank, scalar, shape, used_once

HEADS_LAST = (0, 2, 1, 3)  # [B, N, S, H] ↔ [B, S, N, H]
KEY_OF_HEADS = (0, 1, 3, 2)  # [B, N, T, H] → [B, N, H, T]
KEY_OF_ROWS = (0, 2, 3, 1)  # [B, T, N, H] → [B, N, H, T]


@dataclass(frozen=True)
class Heads:
    """One of Q, K, V by heads. by_rows: [B, S, N, H] before it was transposed, where that is at hand;
    by_heads: [B, N, S, H], where that is.   factor: what it is multiplied by before the product. It stays
    there: scaled after the product, large numbers would overflow first."""

    by_rows: ir.Value | None
    by_heads: ir.Value | None
    factor: float = 1.0


@dataclass(frozen=True)
class Attention:
    """softmax(scale · Q Kᵀ + masks) V. heads, head_size: N and H of the query and of the value."""

    query: Heads
    key: Heads
    value: Heads
    scale: float
    masks: tuple[ir.Value, ...]
    heads: int
    head_size: int
    value_size: int


def read(product: ir.Node, rule: str, scope: Scope) -> Attention | None:
    """Attention that ends at `product`, the MatMul of the probabilities and V; None where it is not that."""
    probabilities, value = product.inputs[:2]
    softmax = is_op(probabilities, "Softmax")
    if softmax is None or value is None or probabilities is None:
        _declined_where(probabilities, rule, scope)
        return None
    found = read_scores(softmax.inputs[0], rule, scope)
    if found is None or not over_last_axis(softmax, scope):
        return None
    if not all(used_once(v) for v in (probabilities, *found.between)):
        scope.decline(rule, "the scores are used elsewhere too")
        return None
    return _of_heads(found, value, rule, scope)


def _declined_where(value: ir.Value | None, rule: str, scope: Scope) -> None:
    """Rows without any key become 0 there (torch's safe softmax), NaN in the kernels that fuse."""
    where = is_op(value, "Where")
    if where is not None and is_op(where.inputs[0], "IsNaN") and is_op(where.inputs[2], "Softmax"):
        scope.decline(rule, "rows that see no key are set to 0, which the fused kernel does not do")


def _of_heads(scores: Scores, value: ir.Value, rule: str, scope: Scope) -> Attention | None:
    query, by_query, _ = unscale(scores.product.inputs[0])
    keys = _keys(scores.product.inputs[1])
    if query is None or keys is None:
        scope.decline(rule, "keys are not transposed where the scores are computed")
        return None
    q, k, v = heads_of(query, by_query), keys, heads_of(value)
    sizes = head_sizes(q), head_sizes(v)
    if sizes[0] is None or sizes[1] is None or not math.isfinite(scores.scale) or scores.scale == 0:
        scope.decline(rule, "the number of heads or their size is not known")
        return None
    if sizes[0][0] != sizes[1][0] or (head_sizes(k) or sizes[0]) != sizes[0]:
        scope.decline(rule, "queries, keys and values have different heads")
        return None
    return Attention(q, k, v, scores.scale, scores.masks, sizes[0][0], sizes[0][1], sizes[1][1])


def _keys(value: ir.Value | None) -> Heads | None:
    """Keys before their last transpose."""
    inner, outside, _ = unscale(value)
    transpose = is_op(inner, "Transpose")
    perm = attribute(transpose, "perm") if transpose is not None else None
    flat = _flat_keys(inner)
    if transpose is None or perm not in (KEY_OF_HEADS, KEY_OF_ROWS):
        return heads_of(flat, outside) if flat is not None else None
    source, inside, _ = unscale(transpose.inputs[0])
    if source is None:
        return None
    factor = outside * inside
    return heads_of(source, factor) if perm == KEY_OF_HEADS else Heads(source, None, factor)


def _flat_keys(value: ir.Value | None) -> ir.Value | None:
    """[B, N, T, H] before Reshape to [B·N, T, H], Transpose, Reshape to [B, N, H, T] (as torch exports)."""
    last = is_op(value, "Reshape")
    transpose = is_op(last.inputs[0], "Transpose") if last is not None else None
    first = is_op(transpose.inputs[0], "Reshape") if transpose is not None else None
    if last is None or transpose is None or first is None or attribute(transpose, "perm") != (0, 2, 1):
        return None
    dims, source = Dimensions(), first.inputs[0]
    if source is None or rank(source) != RANK:
        return None
    heads, rows, size = (dims.of(source, axis) for axis in (1, 2, 3))
    flat, split = dims.entries(first.inputs[1]) or (), dims.entries(last.inputs[1]) or ()
    return source if flat[1:] == (rows, size) and split[1:] == (heads, size, rows) else None


def heads_of(value: ir.Value | None, factor: float = 1.0) -> Heads:
    """How a value of [B, N, S, H] came to be."""
    transpose = is_op(value, "Transpose")
    if transpose is not None and attribute(transpose, "perm") == HEADS_LAST:
        return Heads(transpose.inputs[0], value, factor)
    return Heads(None, value, factor)


def head_sizes(found: Heads) -> tuple[int, int] | None:
    """(N, H), from shapes or from the Reshape that splits the heads."""
    for value, first in ((found.by_heads, 1), (found.by_rows, 2)):
        dims = shape(value)
        if dims is not None and len(dims) == RANK and dims[first] and dims[3]:
            return int(dims[first] or 0), int(dims[3] or 0)
    reshape = is_op(found.by_rows, "Reshape")
    return trailing(reshape.inputs[1]) if reshape is not None else None


def trailing(target: ir.Value | None) -> tuple[int, int] | None:
    """The last two of four entries of a Reshape's target, where both are positive constants."""
    whole = constant(target, RANK)
    if whole is not None and whole.size == RANK:
        pair = [int(n) for n in whole.reshape(-1)[2:]]
    else:
        concat = is_op(target, "Concat")
        parts = [scalar(v) for v in concat.inputs] if concat is not None else []
        pair = [int(n) for n in parts[2:] if n is not None] if len(parts) == RANK else []
    return (pair[0], pair[1]) if len(pair) == 2 and min(pair) > 0 else None
