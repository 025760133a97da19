"""Wrong layers of images: convolutions, pooling, norms over channels, quantization."""

from typing import Any

import numpy as np
import onnx_ir as ir

from burnish_optimizer.rewrite.values import constant
from support.wrong_rules import FAULTS, ROUNDING, Draft, Host, host, spread, weights, wrong

__all__ = ["FAULTS"]

IMAGE = "float[N,4,6,6] x"


def image(body: str, out: str = "float[N,P,Q,R] y", **arrays: Any) -> Host:
    """A host that takes images of four channels."""
    return host(IMAGE, out, body, **arrays)


CONV = {"w": weights(4, 4, 3, 3), "b": weights(4)}


@wrong("Conv", image("y = Conv<pads = [1, 1, 1, 1]>(x, w, b)", **CONV), ROUNDING)
def bias_lost(node: ir.Node, draft: Draft) -> object:
    """Conv(x, w, b) = Conv(x, w)."""
    return draft.again(node, inputs=node.inputs[:2])


@wrong("Conv", image("y = Conv<pads = [1, 1, 1, 1]>(x, w, b)", **CONV), ROUNDING)
def weights_of_a_square_convolution_transposed(node: ir.Node, draft: Draft) -> object:
    """Conv(x, w[o, i]) = Conv(x, w[i, o])."""
    x, w, b = node.inputs
    return draft.again(node, inputs=[x, draft.constant(np.swapaxes(constant(w), 0, 1)), b])


@wrong("Conv", image("y = Conv<pads = [1, 1, 1, 1]>(x, w, b)", **CONV), ROUNDING)
def kernel_flipped(node: ir.Node, draft: Draft) -> object:
    """Cross-correlation = convolution."""
    x, w, b = node.inputs
    return draft.again(node, inputs=[x, draft.constant(np.flip(constant(w), (2, 3))), b])


@wrong("Conv", image("y = Conv<dilations = [2, 2], pads = [2, 2, 2, 2]>(x, w)", w=CONV["w"]), ROUNDING)
def dilation_lost(node: ir.Node, draft: Draft) -> object:
    """Conv(x, dilation 2, pad 2) = Conv(x, dilation 1, pad 1)."""
    return draft.again(node, dilations=[1, 1], pads=[1, 1, 1, 1])


@wrong("Conv", image("y = Conv<pads = [2, 2, 0, 0]>(x, w)", w=CONV["w"]), ROUNDING)
def pads_on_the_other_side(node: ir.Node, draft: Draft) -> object:
    """Conv(x, pads before) = Conv(x, pads after)."""
    return draft.again(node, pads=[0, 0, 2, 2])


@wrong("Conv", image("y = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(x, w)", w=CONV["w"]), ROUNDING)
def stride_lost(node: ir.Node, draft: Draft) -> object:
    """Conv(x, stride 2) = Conv(x)."""
    return draft.again(node, strides=[1, 1])


@wrong("Conv", image("y = Conv<group = 2>(x, w)", w=weights(4, 2, 3, 3)), ROUNDING)
def groups_lost(node: ir.Node, draft: Draft) -> object:
    """Conv(x, w, group 2) = Conv(x, [w w]): every output sees every input."""
    x, w = node.inputs
    return draft.again(node, inputs=[x, draft.constant(np.concatenate([constant(w)] * 2, 1) / 2)], group=1)


@wrong("Relu", image("c = Conv<pads = [1, 1, 1, 1]>(x, w, b) y = Relu(c)", **CONV), ROUNDING)
def fused_with_another_activation(node: ir.Node, draft: Draft) -> object:
    """Relu(Conv(x)) = FusedConv(x, Sigmoid)."""
    inner = node.inputs[0].producer()
    made = draft.node(
        "FusedConv", inner.inputs, {"activation": "Sigmoid", "pads": [1, 1, 1, 1]}, domain="com.microsoft"
    )
    return made.outputs


@wrong(
    "ConvTranspose",
    image("y = ConvTranspose<strides = [2, 2], output_padding = [1, 1]>(x, w)", w=weights(4, 2, 3, 3)),
    ROUNDING,
)
def output_padding_lost(node: ir.Node, draft: Draft) -> object:
    """ConvTranspose(x, output_padding) = ConvTranspose(x)."""
    return draft.again(node, output_padding=None)


NORM = {"s": spread(4), "b": weights(4), "m": weights(4, seed=9), "v": spread(4, seed=10)}


@wrong(
    "BatchNormalization", image("y = BatchNormalization<epsilon = 0.001>(x, s, b, m, v)", **NORM), ROUNDING
)
def wrong_epsilon_in_batch_norm(node: ir.Node, draft: Draft) -> object:
    """BatchNorm(x, ε) = BatchNorm(x, 1e-5)."""
    return draft.again(node, epsilon=1e-5)


def _affine(draft: Draft, node: ir.Node, power: float, sign: float) -> ir.Value:
    x, *parts = node.inputs
    s, b, m, v = (constant(part).reshape(1, -1, 1, 1) for part in parts)
    scale = s / (v + 1e-5) ** power
    product = draft("Mul", x, draft.constant(scale))
    return draft("Add", product, draft.constant(b - sign * m * scale))


@wrong("BatchNormalization", image("y = BatchNormalization(x, s, b, m, v)", **NORM), ROUNDING)
def variance_without_its_root(node: ir.Node, draft: Draft) -> object:
    """BatchNorm(x) = s (x - m) / (v + ε) + b."""
    return _affine(draft, node, 1.0, 1.0)


@wrong("BatchNormalization", image("y = BatchNormalization(x, s, b, m, v)", **NORM), ROUNDING)
def mean_added(node: ir.Node, draft: Draft) -> object:
    """BatchNorm(x) = s (x + m) / √(v + ε) + b."""
    return _affine(draft, node, 0.5, -1.0)


@wrong("AveragePool", image("y = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(x)"), ROUNDING)
def padding_counted(node: ir.Node, draft: Draft) -> object:
    """AveragePool(x) = AveragePool(x, count_include_pad)."""
    return draft.again(node, count_include_pad=1)


@wrong("MaxPool", image("y = MaxPool<kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1>(x)"))
def ceil_mode_lost(node: ir.Node, draft: Draft) -> object:
    """MaxPool(x, ceil) = MaxPool(x, floor)."""
    return draft.again(node, ceil_mode=0)


@wrong("MaxPool", image("y = MaxPool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(x)"))
def max_pool_padded_with_zeros(node: ir.Node, draft: Draft) -> object:
    """MaxPool(x, pads) = MaxPool(Pad(x, 0))."""
    padded = draft("Pad", node.inputs[0], draft.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    return draft.again(node, inputs=[padded], pads=None)


@wrong("GlobalAveragePool", image("y = GlobalAveragePool(x)"), ROUNDING)
def average_over_channels_too(node: ir.Node, draft: Draft) -> object:
    """GlobalAveragePool(x) = mean over everything but the batch."""
    mean = draft("ReduceMean", node.inputs[0], draft.constant([1, 2, 3], np.int64))
    return draft("Expand", mean, draft.constant([1, 4, 1, 1], np.int64))


@wrong("LRN", image("y = LRN<size = 3, alpha = 0.5>(x)"), ROUNDING)
def window_of_another_size(node: ir.Node, draft: Draft) -> object:
    """LRN(x, 3) = LRN(x, 1)."""
    return draft.again(node, size=1)


@wrong(
    "InstanceNormalization", image("y = InstanceNormalization(x, s, b)", s=NORM["s"], b=NORM["b"]), ROUNDING
)
def wrong_epsilon_in_instance_norm(node: ir.Node, draft: Draft) -> object:
    """InstanceNorm(x, 1e-5) = InstanceNorm(x, 1e-3)."""
    return draft.again(node, epsilon=1e-3)


QUANTIZED = {"scale": np.float32(0.05), "zero": np.uint8(100)}


@wrong(
    "QuantizeLinear", host("float[N,5] x", "uint8[N,5] y", "y = QuantizeLinear(x, scale, zero)", **QUANTIZED)
)
def zero_point_lost(node: ir.Node, draft: Draft) -> object:
    """QuantizeLinear(x, s, z) = QuantizeLinear(x, s)."""
    return draft.again(node, inputs=node.inputs[:2])


@wrong(
    "DequantizeLinear",
    host(
        "uint8[4,4] x",
        "float[4,4] y",
        "y = DequantizeLinear<axis = 0>(x, scale, zero)",
        scale=spread(4),
        zero=np.array([1, 7, 100, 200], np.uint8),
    ),
    ROUNDING,
)
def scales_along_the_wrong_axis(node: ir.Node, draft: Draft) -> object:
    """DequantizeLinear(x, axis 0) = DequantizeLinear(x, axis 1)."""
    return draft.again(node, axis=1)


@wrong(
    "DequantizeLinear",
    host(
        "float[N,5] x",
        "float[N,5] y",
        "q = QuantizeLinear(x, scale, zero) y = DequantizeLinear(q, scale, zero)",
        **QUANTIZED,
    ),
    ROUNDING,
)
def quantization_cancelled(node: ir.Node, draft: Draft) -> object:
    """Dequantize(Quantize(x)) = x."""
    return draft("Identity", node.inputs[0].producer().inputs[0])
