"""Attention as one operator."""

from burnish_engine.report import Guarantee
from burnish_optimizer.passes.contract import Pass
from burnish_optimizer.rewrite.attention import AttentionRule
from burnish_optimizer.rewrite.driver import RulePass

ATTENTION: tuple[Pass, ...] = (
    RulePass(
        name="attention",
        guarantee=Guarantee.ROUNDING,
        equation="softmax(scale · Q Kᵀ + mask) V, heads split and merged → MultiHeadAttention",
        rules=(AttentionRule(),),
    ),
)
