"""Attention as one operator, rotary embedding as another."""

from burnish_engine.report import Guarantee
from burnish_optimizer.passes.contract import Pass
from burnish_optimizer.passes.shaped import ShapedRulePass
from burnish_optimizer.rewrite.attention import AttentionRule
from burnish_optimizer.rewrite.attention_packed import PackedRule
from burnish_optimizer.rewrite.rotary import RotaryRule
from burnish_optimizer.targets.kernels import ONNXRUNTIME_CPU

ATTENTION: tuple[Pass, ...] = (
    ShapedRulePass(
        name="rotary-embedding",
        guarantee=Guarantee.ROUNDING,
        equation="x · cos + [−x₂, x₁] · sin → RotaryEmbedding(x, positions, cos, sin)",
        rules=(RotaryRule(),),
    ),
    ShapedRulePass(
        name="attention",
        guarantee=Guarantee.ROUNDING,
        equation="softmax(scale · Q Kᵀ + mask) V, heads split and merged → MultiHeadAttention",
        rules=(AttentionRule(),),
    ),
    ShapedRulePass(
        name="packed-attention",
        guarantee=Guarantee.ROUNDING,
        equation="attention over x Wq + bq, x Wk + bk, x Wv + bv → Attention(x, [Wq Wk Wv], [bq bk bv])",
        rules=(PackedRule(),),
        targets=frozenset({ONNXRUNTIME_CPU.name}),  # where it was measured to pay
    ),
)
