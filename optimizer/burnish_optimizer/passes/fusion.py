"""Operators fused outside attention: what becomes one kernel, family by family."""

from burnish_engine.report import Guarantee
from burnish_optimizer.passes.contract import Pass
from burnish_optimizer.rewrite import (
    activations,
    activations_parts,
    affine_steps,
    clips,
    conv,
    conv_activation,
    conv_pads,
    gemm,
    reductions,
    slices,
)
from burnish_optimizer.rewrite.driver import RulePass
from burnish_optimizer.rewrite.normalization import LayerNorm, RmsNorm
from burnish_optimizer.rewrite.normalization_scale import NormBias, NormScale, SkipLayerNorm

FUSION: tuple[Pass, ...] = (
    RulePass(
        "fuse-comparisons",
        Guarantee.EXACT,
        "x > y or x = y → x ≥ y; min(max(x, a), b) → Clip(x, a, b)",
        (clips.OrEqual(), clips.MinMaxClip()),
    ),
    RulePass(
        "fuse-slices",
        Guarantee.EXACT,
        "x[0:a], x[a:b], x[b:n] → Split(x)",
        (slices.SlicesSplit(),),
    ),
    RulePass(
        "fuse-normalization",
        Guarantee.ROUNDING,
        "(x - μ) / √(σ² + ε) · γ + β → LayerNormalization(x, γ, β); without μ: RMSNormalization",
        (LayerNorm(), RmsNorm(), NormScale(), NormBias()),
    ),
    RulePass(
        "fuse-gates",
        Guarantee.ROUNDING,
        "x · f(x) → GELU, SiLU, HardSwish, Mish",
        (
            activations.Gelu(),
            activations.TanhGelu(),
            activations.QuickGelu(),
            activations.Silu(),
            activations.HardSwish(),
            activations.Mish(),
        ),
    ),
    RulePass(
        "fuse-activations",
        Guarantee.ROUNDING,
        "Where, Exp, Clip and arithmetic → ELU, SELU, CELU, LeakyRelu, HardSigmoid, Softplus, Softsign …",
        (
            clips.HardSigmoid(),
            clips.WhereClip(),
            clips.MaxRelu(),
            activations_parts.LeakyRelu(),
            activations_parts.Elu(),
            activations_parts.Selu(),
            activations_parts.Celu(),
            activations_parts.ThresholdedRelu(),
            activations_parts.Softplus(),
            activations_parts.Softsign(),
        ),
    ),
    RulePass(
        "fuse-softmax",
        Guarantee.ROUNDING,
        "exp(x - max x) / Σ exp(x - max x) → Softmax(x); its logarithm → LogSoftmax(x)",
        (reductions.Softmax(), reductions.LogSoftmax()),
    ),
    RulePass(
        "fuse-reductions",
        Guarantee.ROUNDING,
        "Exp, Mul, Log, Sqrt around ReduceSum → ReduceL1, ReduceL2, ReduceLogSumExp …; means → pooling",
        (reductions.ReduceNorm(), reductions.GlobalPool()),
    ),
    RulePass(
        "fuse-affine",
        Guarantee.ROUNDING,
        "s · (W ∗ x + b) + t → (s · W) ∗ x + (s · b + t): BatchNorm, Mul, Add into Conv, Gemm, MatMul",
        (
            conv.AffineAfter(),
            affine_steps.BatchNormChain(),
            affine_steps.ConstantChain(),
            conv.AffineBefore(),
            conv_pads.PadInto(),
        ),
    ),
    RulePass(
        "fuse-gemm",
        Guarantee.ROUNDING,
        "A · B + c → Gemm(A, B, c); Gemm(Aᵀ, B) → Gemm(A, B, transA)",
        (gemm.MatMulAdd(), gemm.GemmTranspose()),
    ),
)
"""In order: whole expressions before their parts. Standard operators, but for GELU and SiLU of old opsets."""

FUSION_CONTRIB: tuple[Pass, ...] = (
    RulePass(
        "fuse-conv-activation",
        Guarantee.ROUNDING,
        "f(Conv(x) + z) → FusedConv(x, z, f)",
        (conv_activation.ConvAddRelu(), conv_activation.ConvActivation()),
    ),
    RulePass(
        "fuse-matmul",
        Guarantee.ROUNDING,
        "c · A · Bᵀ → FusedMatMul(A, B, transB, alpha = c); f(Gemm) → FusedGemm(f)",
        (gemm.MatMulTranspose(), gemm.MatMulScale(), gemm.GemmActivation()),
    ),
    RulePass(
        "fuse-skip",
        Guarantee.ROUNDING,
        "LayerNormalization(x + s) → SkipLayerNormalization(x, s)",
        (SkipLayerNorm(),),
        # ONNX Runtime's CPU kernel takes 5 to 7 times as long as Add and LayerNormalization at 128 rows.
        targets=frozenset({"onnxruntime-cuda"}),
    ),
    RulePass("fuse-bias-gelu", Guarantee.ROUNDING, "Gelu(x + b) → BiasGelu(x, b)", (activations.BiasGelu(),)),
)
"""ONNX Runtime's own operators: after attention, whose parts they would hide, and after layout, which cancels
transposes that they would take."""
