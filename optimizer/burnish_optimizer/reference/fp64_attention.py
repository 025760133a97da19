"""Attention and its neighbours in FP64.

Source: ONNX Runtime's contrib operators (com.microsoft, version 1). N heads, each of size D.
(Standard Attention and RotaryEmbedding have reference implementations.)
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from burnish_optimizer.errors import NoTruth
from burnish_optimizer.reference.fp64_reduce import SKIP_EPSILON, normalized, softmax
from burnish_optimizer.reference.fp64_values import Call, Kernel
from burnish_runtime.session import Array

MASKED = -10000.0
LOWEST = float(np.finfo(np.float32).min)


def split_heads(x: Array, heads: int) -> Array:
    """[B, S, N·D] -> [B, N, S, D]."""
    return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)


def merge_heads(x: Array) -> Array:
    """[B, N, S, D] -> [B, S, N·D]."""
    return x.transpose(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], -1)


def attend(q: Array, k: Array, v: Array, scale: float, bias: Array | float, *, softcap: float = 0.0) -> Array:
    """softmax(scale·Q·Kᵀ + bias)·V, all [B, N, length, D]; logits capped by softcap·tanh(x / softcap)."""
    logits = np.matmul(q, np.swapaxes(k, -1, -2)) * scale
    if softcap:
        logits = softcap * np.tanh(logits / softcap)
    return np.asarray(np.matmul(softmax(logits + bias, -1), v))


def _scale(call: Call, head_size: int) -> float:
    return float(call.attr("scale", 0.0)) or 1 / math.sqrt(head_size)


def padding_bias(call: Call, mask: Array | None, batch: int, queries: int, keys: int) -> Array | float:
    """What is added to the logits [B, N, S, T] for a mask of any of the operator's forms.

    Forms: [B] lengths; [2B] ends, then starts; [B, T], [B, S, T] with 0 for masked.
    """
    bias: Any = 0.0
    filtered = call.attr("mask_filter_value", MASKED)
    if mask is not None:
        bias = np.where(_seen(mask, batch, keys), 0.0, filtered)
    if call.attr("unidirectional", 0):
        later = np.arange(keys) > np.arange(queries)[:, None] + keys - queries
        bias = bias + np.where(later, LOWEST, 0.0)
    return np.asarray(bias)


def _seen(mask: Array, batch: int, keys: int) -> Array:
    """Which keys count: broadcasts to [B, N, S, T]."""
    positions = np.arange(keys)
    if mask.ndim == 1 and mask.size == batch:
        return np.asarray((positions < mask[:, None])[:, None, None])
    if mask.ndim == 1 and mask.size == 2 * batch:
        inside = (positions < mask[:batch, None]) & (positions >= mask[batch:, None])
        return np.asarray(inside[:, None, None])
    if mask.ndim in (2, 3):
        return np.asarray(mask.reshape(mask.shape[0], 1, -1 if mask.ndim == 3 else 1, mask.shape[-1]) != 0)
    raise NoTruth("attention", f"a mask of shape {list(mask.shape)}")


def _multi_head(call: Call) -> Sequence[Any]:
    """Inputs: query, key, value, bias, key_padding_mask, attention_bias, past_key, past_value."""
    heads = call.attr("num_heads")
    q, k, v = _projections(call, heads)
    if call.given(6) is not None and call.given(6).size:
        k, v = (np.concatenate([call.data[at], x], axis=2) for at, x in ((6, k), (7, v)))
    bias = padding_bias(call, call.given(4), q.shape[0], q.shape[2], k.shape[2])
    extra = call.given(5)
    y = attend(q, k, v, _scale(call, q.shape[-1]), bias if extra is None else bias + extra)
    return [merge_heads(y), k, v]


def _projections(call: Call, heads: int) -> tuple[Array, Array, Array]:
    """Q, K, V as [B, N, length, D], from separate, packed, or already split inputs; bias added."""
    query, key, value, bias = (call.given(i) for i in range(4))
    if query.ndim == 5:
        q, k, v = (query[..., i, :].transpose(0, 2, 1, 3) for i in range(3))
        return q, k, v
    q = split_heads(query if bias is None else query + bias[: query.shape[-1]], heads)
    if key.ndim == 5:
        return q, key[..., 0, :].transpose(0, 2, 1, 3), key[..., 1, :].transpose(0, 2, 1, 3)
    if key.ndim == 4:
        return q, key, value
    if bias is not None:
        width = query.shape[-1]
        key, value = key + bias[width : 2 * width], value + bias[2 * width :]
    return q, split_heads(key, heads), split_heads(value, heads)


def _packed_attention(call: Call) -> Sequence[Any]:
    """Inputs: input, weights, bias, mask_index, past, attention_bias."""
    if call.attr("do_rotary", 0):
        raise NoTruth("Attention", "rotary positions inside")
    heads, bias = call.attr("num_heads"), call.given(2)
    x = np.matmul(call.data[0], call.data[1])
    x = x if bias is None else x + bias
    sizes = call.attr("qkv_hidden_sizes") or [x.shape[-1] // 3] * 3
    q, k, v = (split_heads(part, heads) for part in np.split(x, np.cumsum(sizes)[:2], axis=-1))
    past = call.given(4)
    if past is not None:
        k, v = (np.concatenate([past[at], part], axis=2) for at, part in ((0, k), (1, v)))
    added = padding_bias(call, call.given(3), q.shape[0], q.shape[2], k.shape[2])
    extra = call.given(5)
    y = attend(q, k, v, _scale(call, q.shape[-1]), added if extra is None else added + extra)
    return [merge_heads(y), np.stack([k, v]) if len(call.node.outputs) > 1 else None]


def rotate(x: Array, cos: Array, sin: Array, interleaved: bool) -> Array:
    """Turn pairs of features by their position's angle; x [B, N, S, D], cos and sin [B, 1, S, R/2]."""
    turned, rest = x[..., : 2 * cos.shape[-1]], x[..., 2 * cos.shape[-1] :]
    if interleaved:
        a, b = turned[..., 0::2], turned[..., 1::2]
    else:
        a, b = np.split(turned, 2, axis=-1)
    first, second = a * cos - b * sin, b * cos + a * sin
    pairs = np.stack([first, second], axis=-1).reshape(turned.shape) if interleaved else None
    return np.concatenate([np.concatenate([first, second], -1) if pairs is None else pairs, rest], axis=-1)


def _rotary(call: Call) -> Sequence[Any]:
    """Inputs: input [B, S, N·D] or [B, N, S, D], position_ids [1] or [B, S], cos_cache, sin_cache."""
    x, positions, cos, sin = call.data[:4]
    size = call.attr("rotary_embedding_dim", 0)
    heads = call.attr("num_heads", 0) or (x.shape[-1] // (2 * cos.shape[-1]) if not size else 0)
    split = x if x.ndim == 4 else split_heads(x, heads)
    if positions.size == 1 and positions.ndim == 1:
        positions = np.broadcast_to(positions[0] + np.arange(split.shape[2]), (x.shape[0], split.shape[2]))
    turned = bool(call.attr("interleaved", 0))
    y = rotate(split, cos[positions][:, None], sin[positions][:, None], turned)
    return [y if x.ndim == 4 else merge_heads(y)]


def _grouped_query(call: Call) -> Sequence[Any]:
    """Inputs: query, key, value, past_key, past_value, seqlens_k (keys, less one), total length, cos, sin."""
    heads, groups = call.attr("num_heads"), call.attr("kv_num_heads")
    if (
        call.given(1) is None
        or call.attr("local_window_size", -1) != -1
        or any(map(call.given, range(9, 14)))
    ):
        raise NoTruth("GroupQueryAttention", "packed inputs, a local window, positions or sinks")
    q, k, v = (split_heads(call.data[i], n) for i, n in ((0, heads), (1, groups), (2, groups)))
    past = call.data[5].reshape(-1) + 1 - q.shape[2]
    if np.any(past != past[:1]):
        raise NoTruth("GroupQueryAttention", "rows of different lengths")
    steps = int(past[0]) + np.arange(q.shape[2])
    if call.attr("do_rotary", 0):
        cos, sin = (cache[steps][None, None] for cache in (call.data[7], call.data[8]))
        q, k = (rotate(x, cos, sin, bool(call.attr("rotary_interleaved", 0))) for x in (q, k))
    if past[0]:
        k, v = (np.concatenate([call.data[i][:, :, : int(past[0])], x], axis=2) for i, x in ((3, k), (4, v)))
    later = np.where(np.arange(k.shape[2]) > steps[:, None], -np.inf, 0.0)
    each = heads // groups
    y = attend(q, np.repeat(k, each, 1), np.repeat(v, each, 1), _scale(call, q.shape[-1]), later,
               softcap=call.attr("softcap", 0.0))  # fmt: skip
    return [merge_heads(y), k, v]


def _embed_layer_norm(call: Call) -> Sequence[Any]:
    """Inputs: ids, segments, word, position and segment tables, γ, β, mask, positions."""
    ids, segments, words, places, table, gamma, beta = (call.given(i) for i in range(7))
    mask, positions = call.given(7), call.given(8)
    total = words[ids] + places[np.arange(ids.shape[1])[None] if positions is None else positions]
    total = total if segments is None or table is None else total + table[segments]
    y, _, _ = normalized(total, (2,), float(call.attr("epsilon", SKIP_EPSILON)))
    counts = np.zeros(ids.shape[0]) if mask is None else np.sum(mask, axis=1)
    return [y * gamma + beta, counts.astype(np.int32), total]


KERNELS: Mapping[str, Kernel] = {
    "com.microsoft::MultiHeadAttention": _multi_head, "com.microsoft::Attention": _packed_attention,
    "com.microsoft::RotaryEmbedding": _rotary, "com.microsoft::GroupQueryAttention": _grouped_query,
    "com.microsoft::EmbedLayerNormalization": _embed_layer_norm,
}  # fmt: skip
