"""Parts of large values: small enough for FP64, large enough to show what is wrong."""

import numpy as np
import onnx_ir as ir

from burnish_optimizer.gates.shrink import parts
from burnish_optimizer.passes.pipeline import rewrite
from burnish_optimizer.targets.kernels import PORTABLE
from support.wrong_rules import ROUNDING, WrongRule, host, ints, pass_of


def shapes(**sizes):
    feeds = {name: np.zeros(size, np.float32) for name, size in sizes.items()}
    return [tuple(part[name].shape for name in sizes) for part in parts(feeds)]


def test_an_eighth_of_each_side_of_an_image_but_never_a_single_pixel():
    assert shapes(x=(1, 3, 64, 96))[0] == ((1, 3, 8, 12),)
    assert shapes(x=(1, 512, 8, 7))[0] == ((1, 512, 4, 4),)
    assert shapes(x=(1, 512, 3, 1)) == []


def test_images_of_several_sizes_are_cut_so_that_they_belong_together():
    assert ((1, 8, 8, 8), (1, 8, 4, 4)) in shapes(large=(1, 8, 16, 16), small=(1, 8, 8, 8))
    assert ((1, 8, 4, 4), (1, 8, 1, 1)) in shapes(large=(1, 8, 8, 8), pooled=(1, 8, 1, 1))


def test_a_few_tokens_of_what_has_three_axes():
    assert shapes(x=(2, 100, 64)) == [((2, 8, 64),)] * 2


def test_what_fails_on_a_part_and_holds_on_the_whole_is_kept():
    """The sum over 1,600 = 40 × 40 pixels by 1,600 is the mean; of a part it is not."""

    def mean(node, draft):
        return draft("ReduceMean", node.inputs[0].producer().inputs[0], draft.constant([2, 3], np.int64))

    source = host(
        "float[1,64,40,40] x",
        "float[1,64,1,1] y",
        "s = ReduceSum(x, axes) y = Mul(s, c)",
        axes=ints(2, 3),
        c=np.float32(1 / 1600),
    )
    rule = WrongRule("mean", frozenset({"Mul"}), mean)
    done = rewrite(ir.from_proto(source.build()), PORTABLE, [pass_of(rule, claims=ROUNDING)])
    assert done.passes[0].applied
