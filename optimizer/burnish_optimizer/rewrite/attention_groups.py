"""Keys and values that heads of the queries share (Ainslie et al., 2023), before they are repeated."""

from dataclasses import dataclass, replace

import onnx_ir as ir

from burnish_optimizer.rewrite.attention_dims import Dimensions
from burnish_optimizer.rewrite.attention_read import Attention, Heads, heads_of
from burnish_optimizer.rewrite.attention_scores import RANK
from burnish_optimizer.rewrite.values import attribute, constant, is_op, shape


@dataclass(frozen=True)
class Groups:
    """Keys and values by `count` heads, each of which serves as many heads of the queries as the next."""

    key: Heads
    value: Heads
    count: int


def groups(found: Attention, dims: Dimensions) -> Groups:
    """Keys and values as they were before they were repeated; as they are, where they were not."""
    key, value = _before(found.key, found.heads, dims), _before(found.value, found.heads, dims)
    if key is None or value is None or key[1] != value[1]:
        return Groups(found.key, found.value, found.heads)
    return Groups(key[0], value[0], key[1])


def _before(side: Heads, heads: int, dims: Dimensions) -> tuple[Heads, int] | None:
    """[B, G, T, H] behind Unsqueeze to [B, G, 1, T, H], Expand to [B, G, R, T, H], Reshape to four axes."""
    last = is_op(side.by_heads, "Reshape")
    expand = is_op(last.inputs[0], "Expand") if last is not None else None
    unsqueeze = is_op(expand.inputs[0], "Unsqueeze") if expand is not None else None
    if last is None or expand is None or unsqueeze is None or not _is_third(unsqueeze):
        return None
    source = unsqueeze.inputs[0]
    sizes = shape(source)
    if source is None or sizes is None or len(sizes) != RANK or not sizes[1] or heads % sizes[1]:
        return None
    if not _repeats(expand, source, heads // sizes[1], dims) or not _merges(last, source, heads, dims):
        return None
    return replace(heads_of(source), factor=side.factor), sizes[1]


def _is_third(unsqueeze: ir.Node) -> bool:
    axes = constant(unsqueeze.inputs[1], 1) if len(unsqueeze.inputs) > 1 else None
    return axes is not None and [int(axis) for axis in axes.reshape(-1)] in ([2], [2 - RANK - 1])


def _repeats(expand: ir.Node, source: ir.Value, times: int, dims: Dimensions) -> bool:
    """Whether each head becomes `times`, and nothing else is repeated."""
    wanted = dims.entries(expand.inputs[1]) or ()
    if len(wanted) != RANK + 1 or wanted[2] != times:
        return False
    kept = (wanted[0], wanted[1], *wanted[3:])
    return all(entry in (1, dims.of(source, axis)) for axis, entry in enumerate(kept))


def _merges(last: ir.Node, source: ir.Value, heads: int, dims: Dimensions) -> bool:
    """Whether only heads are merged: their number and size are known, and batch or rows are shown to stay."""
    wanted, size = dims.entries(last.inputs[1]) or (), dims.of(source, RANK - 1)
    if len(wanted) != RANK or wanted[1] != heads or wanted[3] != size or attribute(last, "allowzero", 0):
        return False
    return wanted[0] in (0, dims.of(source, 0)) or wanted[2] == dims.of(source, 2)
