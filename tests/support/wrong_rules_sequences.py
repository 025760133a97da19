"""Wrong layers of sequences: matrices, layer norms, attention, recurrences."""

from typing import Any

import numpy as np
import onnx_ir as ir

from burnish_optimizer.rewrite.values import constant
from support.wrong_rules import FAULTS, ROUNDING, Draft, Host, host, ints, spread, weights, wrong

__all__ = ["FAULTS"]


def sequence(body: str, **arrays: Any) -> Host:
    """A host that takes rows of eight numbers."""
    return host("float[N,8] x", "float[N,8] y", body, **arrays)


LAYER = {"s": spread(8), "b": weights(8)}


@wrong("LayerNormalization", sequence("y = LayerNormalization<epsilon = 1e-12>(x, s, b)", **LAYER), ROUNDING)
def wrong_epsilon_in_layer_norm(node: ir.Node, draft: Draft) -> object:
    """LayerNorm(x, 1e-12) = LayerNorm(x, 1e-5)."""
    return draft.again(node, epsilon=1e-5)


@wrong("LayerNormalization", sequence("y = LayerNormalization(x, s, b)", **LAYER), ROUNDING)
def bias_lost_in_layer_norm(node: ir.Node, draft: Draft) -> object:
    """LayerNorm(x, s, b) = LayerNorm(x, s)."""
    return draft.again(node, inputs=node.inputs[:2])


@wrong(
    "LayerNormalization",
    host("float[N,8,8] x", "float[N,8,8] y", "y = LayerNormalization<axis = 2>(x, s)", s=LAYER["s"]),
    ROUNDING,
)
def layer_norm_over_another_axis(node: ir.Node, draft: Draft) -> object:
    """LayerNorm(x, axis 2) = LayerNorm(x, axes 1 and 2)."""
    x, s = node.inputs
    square = draft("Expand", s, draft.constant([8, 8], np.int64))
    return draft.again(node, inputs=[x, square], axis=1)


@wrong("LayerNormalization", sequence("y = LayerNormalization(x, s)", s=LAYER["s"]), ROUNDING)
def rms_norm_for_layer_norm(node: ir.Node, draft: Draft) -> object:
    """LayerNorm(x) = x / √(mean x² + ε)."""
    return draft("SimplifiedLayerNormalization", *node.inputs, axis=-1, epsilon=1e-5)


@wrong("ReduceMean", host("float[3,4] x", "float[3,1] y", "y = ReduceMean(x, axes)", axes=ints(-1)), ROUNDING)
def mean_by_layer_norm(node: ir.Node, draft: Draft) -> object:
    """mean(x) = the second output of LayerNorm(x), which is NaN where x holds an infinity."""
    attributes = {"axis": -1, "epsilon": 1e-5}
    made = draft.node(
        "LayerNormalization", [node.inputs[0], draft.constant(np.ones(4))], attributes, outputs=3
    )
    return made.outputs[1]


MATRIX = {"w": weights(8, 8), "b": weights(8)}


@wrong("MatMul", sequence("y = MatMul(x, w)", w=MATRIX["w"]), ROUNDING)
def square_matrix_transposed(node: ir.Node, draft: Draft) -> object:
    """x · w = x · wᵀ."""
    x, w = node.inputs
    return draft("MatMul", x, draft("Transpose", w, perm=[1, 0]))


@wrong("MatMul", host("float[8,8] x", "float[8,8] y", "y = MatMul(x, w)", w=MATRIX["w"]), ROUNDING)
def factors_swapped(node: ir.Node, draft: Draft) -> object:
    """a · b = b · a."""
    return draft.again(node, inputs=node.inputs[::-1])


@wrong("Gemm", sequence("y = Gemm<alpha = 0.5>(x, w, b)", **MATRIX), ROUNDING)
def alpha_lost(node: ir.Node, draft: Draft) -> object:
    """Gemm(x, w, b; α) = Gemm(x, w, b)."""
    return draft.again(node, alpha=None)


@wrong("Gemm", sequence("y = Gemm<beta = 0.5>(x, w, b)", **MATRIX), ROUNDING)
def beta_lost(node: ir.Node, draft: Draft) -> object:
    """Gemm(x, w, b; β) = Gemm(x, w, b)."""
    return draft.again(node, beta=None)


@wrong("Gemm", sequence("y = Gemm<transB = 1>(x, w, b)", **MATRIX), ROUNDING)
def transposition_lost(node: ir.Node, draft: Draft) -> object:
    """x · wᵀ + b = x · w + b."""
    return draft.again(node, transB=0)


@wrong("Add", sequence("m = MatMul(x, w) y = Add(m, b)", w=MATRIX["w"], b=MATRIX["b"] * 1e-3), ROUNDING)
def small_bias_lost(node: ir.Node, draft: Draft) -> object:
    """x · w + b = x · w, for a b of a thousandth."""
    return draft("MatMul", *node.inputs[0].producer().inputs)


ATTENTION = """
    k = Transpose<perm = [0, 1, 3, 2]>(key)
    qk = MatMul(query, k)
    scaled = Mul(qk, scale)
    masked = Add(scaled, mask)
    p = Softmax<axis = -1>(masked)
    y = MatMul(p, value)
"""
ATTENTION_HOST = host(
    "float[N,2,4,4] query, float[N,2,4,4] key, float[N,2,4,4] value, float[N,1,4,4] mask",
    "float[N,2,4,4] y",
    ATTENTION,
    scale=np.float32(0.5),
)


@wrong("Add", ATTENTION_HOST, ROUNDING)
def mask_ignored(node: ir.Node, draft: Draft) -> object:
    """Softmax(s + mask) = Softmax(s)."""
    return draft("Identity", node.inputs[0])


@wrong("Add", ATTENTION_HOST, ROUNDING)
def mask_cut_off(node: ir.Node, draft: Draft) -> object:
    """mask = max(mask, -10), where the exporter meant -∞."""
    scores, mask = node.inputs
    return draft("Add", scores, draft("Max", mask, draft.constant(-10.0)))


@wrong("Mul", ATTENTION_HOST, ROUNDING)
def scale_missing(node: ir.Node, draft: Draft) -> object:
    """Q · Kᵀ / √d = Q · Kᵀ."""
    return draft("Identity", node.inputs[0])


@wrong("Mul", ATTENTION_HOST, ROUNDING)
def scaled_by_the_dimension(node: ir.Node, draft: Draft) -> object:
    """Q · Kᵀ / √d = Q · Kᵀ / d."""
    return draft("Mul", node.inputs[0], draft.constant(0.25))


@wrong("MatMul", ATTENTION_HOST, ROUNDING)
def keys_not_transposed(node: ir.Node, draft: Draft) -> object:
    """Q · Kᵀ = Q · K."""
    inner = node.inputs[1].producer()
    if inner is None or inner.op_type != "Transpose":
        return None
    return draft("MatMul", node.inputs[0], inner.inputs[0])


@wrong("Softmax", ATTENTION_HOST, ROUNDING)
def softmax_that_overflows(node: ir.Node, draft: Draft) -> object:
    """Softmax(s) = eˢ / Σ eˢ."""
    powers = draft("Exp", node.inputs[0])
    return draft("Div", powers, draft("ReduceSum", powers, draft.constant([-1], np.int64)))


@wrong("LogSoftmax", sequence("y = LogSoftmax(x)"), ROUNDING)
def log_of_softmax(node: ir.Node, draft: Draft) -> object:
    """LogSoftmax(x) = log(Softmax(x))."""
    return draft("Log", draft("Softmax", node.inputs[0]))


@wrong(
    "MatMul",
    ATTENTION_HOST,
    ROUNDING,
)
def fused_without_its_mask(node: ir.Node, draft: Draft) -> object:
    """Softmax(q kᵀ + mask) v = FusedMatMul(Softmax(FusedMatMul(q, k)), v)."""
    softmax = node.inputs[0].producer()
    if softmax is None or softmax.op_type != "Softmax":
        return None
    scaled = softmax.inputs[0].producer().inputs[0].producer()
    query, key = scaled.inputs[0].producer().inputs
    attributes = {"alpha": 0.5, "transB": 1}
    scores = draft.node("FusedMatMul", [query, key.producer().inputs[0]], attributes, domain="com.microsoft")
    return draft("MatMul", draft("Softmax", scores.outputs[0]), node.inputs[1])


RECURRENT = "float[4,N,3] x", "float[4,D,N,5] y"
LSTM = {"w": weights(1, 20, 3), "r": weights(1, 20, 5), "h": weights(1, 2, 5), "c": weights(1, 2, 5, seed=3)}


@wrong("LSTM", host(*RECURRENT, "y = LSTM<hidden_size = 5>(x, w, r)", w=LSTM["w"], r=LSTM["r"]), ROUNDING)
def gates_in_another_order(node: ir.Node, draft: Draft) -> object:
    """LSTM gates i, o, f, c = i, f, o, c."""
    x, *parts = node.inputs
    swapped = [constant(part).reshape(1, 4, 5, -1)[:, [0, 2, 1, 3]].reshape(1, 20, -1) for part in parts]
    return draft.again(node, inputs=[x, *map(draft.constant, swapped)])


@wrong("LSTM", host(*RECURRENT, "y = LSTM<hidden_size = 5>(x, w, r)", w=LSTM["w"], r=LSTM["r"]), ROUNDING)
def sequence_backwards(node: ir.Node, draft: Draft) -> object:
    """LSTM(x, forward) = LSTM(x, reverse)."""
    return draft.again(node, direction="reverse")


@wrong(
    "LSTM",
    host("float[4,2,3] x", "float[4,1,2,5] y", "y = LSTM<hidden_size = 5>(x, w, r, , , h, c)", **LSTM),
    ROUNDING,
)
def initial_state_lost(node: ir.Node, draft: Draft) -> object:
    """LSTM(x, h₀, c₀) = LSTM(x)."""
    return draft.again(node, inputs=node.inputs[:3])


@wrong(
    "GRU",
    host(
        *RECURRENT,
        "y = GRU<hidden_size = 5, linear_before_reset = 1>(x, w, r)",
        w=weights(1, 15, 3),
        r=weights(1, 15, 5),
    ),
    ROUNDING,
)
def reset_before_the_product(node: ir.Node, draft: Draft) -> object:
    """GRU(x, linear_before_reset) = GRU(x)."""
    return draft.again(node, linear_before_reset=0)


@wrong(
    "Einsum",
    host("float[4,4] x, float[4,4] z", "float[4,4] y", 'y = Einsum<equation = "ij,jk->ik">(x, z)'),
    ROUNDING,
)
def einsum_transposed(node: ir.Node, draft: Draft) -> object:
    """x_ij z_jk = x_ij z_kj."""
    return draft.again(node, equation="ij,kj->ik")


@wrong("ReduceMax", host("float[N,2] x", "float[N,1] y", "y = ReduceMax(x, axes)", axes=ints(1)))
def largest_without_a_floor(node: ir.Node, draft: Draft) -> object:
    """max(x) = max(x, 0)."""
    return draft("Max", *draft.again(node), draft.constant(0))
