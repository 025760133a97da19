"""Attention as one operator, rotary embedding as another."""

from burnish_engine.report import Guarantee
from burnish_optimizer.passes.contract import Pass
from burnish_optimizer.rewrite.attention import AttentionRule
from burnish_optimizer.rewrite.driver import RulePass
from burnish_optimizer.rewrite.rotary import RotaryRule

ATTENTION: tuple[Pass, ...] = (
    RulePass(
        name="rotary-embedding",
        guarantee=Guarantee.ROUNDING,
        equation="x · cos + [−x₂, x₁] · sin → RotaryEmbedding(x, positions, cos, sin)",
        rules=(RotaryRule(),),
    ),
    RulePass(
        name="attention",
        guarantee=Guarantee.ROUNDING,
        equation="softmax(scale · Q Kᵀ + mask) V, heads split and merged → MultiHeadAttention",
        rules=(AttentionRule(),),
    ),
)
