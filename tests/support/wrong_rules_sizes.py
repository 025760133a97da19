"""Mistakes that only some sizes show: FP64 looks at parts of large values, and a part can be too small."""

import numpy as np
import onnx_ir as ir

from burnish_optimizer.rewrite.values import constant
from support.wrong_rules import FAULTS, ROUNDING, Draft, Host, host, ints, weights, wrong

__all__ = ["FAULTS"]

CHANNELS = 512


def small_images(body: str, out: str = "float[1,512,8,8] y", **arrays: object) -> Host:
    """A host of many channels on 8 × 8: an eighth of each side would be one pixel."""
    return host("float[1,512,8,8] x", out, body, **arrays)


@wrong(
    "ReduceMean",
    small_images("y = ReduceMean(x, axes)", "float[1,512,1,1] y", axes=ints(2, 3)),
    ROUNDING,
)
def sum_taken_for_a_mean(node: ir.Node, draft: Draft) -> object:
    """The mean of an image is its sum: true for one pixel."""
    return draft.again(node, "ReduceSum")


@wrong(
    "Conv",
    small_images("y = Conv<pads = [1, 1, 1, 1], group = 512>(x, w)", w=weights(CHANNELS, 1, 3, 3)),
    ROUNDING,
)
def corner_of_a_kernel_lost(node: ir.Node, draft: Draft) -> object:
    """Conv(x, w) = Conv(x, w but for a corner): one pixel meets the middle alone."""
    x, w = node.inputs
    kernel = constant(w).copy()
    kernel[:, :, 0, 0] = 0
    return draft.again(node, inputs=[x, draft.constant(kernel)])


@wrong(
    "Conv",
    host(
        "float[1,64,40,40] x",
        "float[1,64,40,40] y",
        "y = Conv<pads = [8, 8, 8, 8], dilations = [8, 8], group = 64>(x, w)",
        w=weights(64, 1, 3, 3),
    ),
    ROUNDING,
)
def far_end_of_a_wide_kernel_lost(node: ir.Node, draft: Draft) -> object:
    """Conv(x, w, dilation 8) = Conv(x, w but for a corner), out of reach in an eighth of it."""
    return corner_of_a_kernel_lost(node, draft)


@wrong(
    "InstanceNormalization",
    small_images(
        "y = InstanceNormalization(x, s, b)",
        s=np.ones(CHANNELS, np.float32),
        b=np.zeros(CHANNELS, np.float32),
    ),
    ROUNDING,
)
def norm_of_one_pixel(node: ir.Node, draft: Draft) -> object:
    """InstanceNorm(x) = InstanceNorm(x, ε = 1): true where nothing differs from its mean."""
    return draft.again(node, epsilon=1.0)
