"""Parallel projections as one."""

from burnish_engine.report import Guarantee
from burnish_optimizer.passes.contract import Pass
from burnish_optimizer.passes.shaped import ShapedRulePass
from burnish_optimizer.rewrite.horizontal import MergeAndSplit, MergeConcatenated

HORIZONTAL: tuple[Pass, ...] = (
    ShapedRulePass(
        name="merge-concatenated",
        guarantee=Guarantee.ROUNDING,
        equation="Concat(x W₁ + b₁, x W₂ + b₂ …) → x [W₁ W₂ …] + [b₁ b₂ …]",
        rules=(MergeConcatenated(),),
    ),
    ShapedRulePass(
        name="merge-and-split",
        guarantee=Guarantee.ROUNDING,
        equation="x W₁ + b₁, x W₂ + b₂ … → Split(x [W₁ W₂ …] + [b₁ b₂ …])",
        rules=(MergeAndSplit(),),
    ),
)
