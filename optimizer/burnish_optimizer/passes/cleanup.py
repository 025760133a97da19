"""What can be removed, or computed beforehand, without touching a bit of any answer."""

import onnx_ir as ir
from onnx_ir.passes import common

from burnish_engine.report import Guarantee
from burnish_optimizer.passes.contract import Pass
from burnish_optimizer.passes.irpass import IrPass, ModelPass
from burnish_optimizer.passes.shaped import ShapedRulePass
from burnish_optimizer.rewrite.cleanup_algebra import ALGEBRA
from burnish_optimizer.rewrite.cleanup_control import CONTROL
from burnish_optimizer.rewrite.cleanup_duplicates import merge_equal_initializers, merge_equal_nodes
from burnish_optimizer.rewrite.cleanup_noops import NO_OPS
from burnish_optimizer.rewrite.cleanup_pairs import PAIRS
from burnish_optimizer.rewrite.cleanup_slices import SLICES
from burnish_optimizer.rewrite.cleanup_unused import remove_unused, remove_unused_outputs
from burnish_optimizer.rewrite.driver import RulePass
from burnish_optimizer.rewrite.fold import fold_constants, fold_weights, lift_constants
from burnish_optimizer.rewrite.fold_shapes import SHAPES
from burnish_optimizer.rewrite.opset_upgrade import raise_ir_version, upgrade

EXACT = Guarantee.EXACT


def _has_functions(model: ir.Model) -> bool:
    return bool(model.functions)


def _has_domains(model: ir.Model) -> bool:
    return bool(model.functions) or any(model.graph.opset_imports)


INLINE = IrPass(
    "inline-functions",
    EXACT,
    "g(x) with g a function of the model → the body of g",
    common.InlinePass,
    _has_functions,
)
UNUSED = ModelPass("remove-unused", EXACT, "f(x) that nothing reads → nothing", remove_unused)

UPGRADE: tuple[Pass, ...] = (
    ModelPass(
        "raise-ir-version", EXACT, "an old file format → one that newer operators need", raise_ir_version
    ),
    ModelPass("raise-opset", EXACT, "operators of an old set → the same ones of a newer set", upgrade),
)

# Models of IR 3 had to list every initializer as an input. Not among the defaults: it changes the signature.
CLEANUP: tuple[Pass, ...] = (
    INLINE,
    UNUSED,
    IrPass(
        "remove-unused-functions",
        EXACT,
        "a function that nothing calls → nothing",
        common.RemoveUnusedFunctionsPass,
        _has_functions,
    ),
    IrPass(
        "remove-unused-domains",
        EXACT,
        "an operator set that no node is of → nothing",
        common.RemoveUnusedOpsetsPass,
        _has_domains,
    ),
    ModelPass(
        "remove-unused-outputs",
        EXACT,
        "(y, extra) = f(x) where nothing reads extra → y = f(x)",
        remove_unused_outputs,
    ),
    RulePass(
        "known-control-flow", EXACT, "If(true, f, g) → f; Loop once, or never → its body, or nothing", CONTROL
    ),
    ShapedRulePass("remove-no-ops", EXACT, "Identity(x), Cast(x, to=its type), Pad(x, 0) … → x", NO_OPS),
    ShapedRulePass(
        "exact-algebra", EXACT, "x * 1, x - 0.0, Not(Not(x)), Relu(Relu(x)) … → x, Relu(x)", ALGEBRA
    ),
    ShapedRulePass(
        "inverse-pairs",
        EXACT,
        "Transpose(Transpose(x)), Reshape(Reshape(x)), Cast(Cast(x)) → one, or x",
        PAIRS,
    ),
    ShapedRulePass(
        "parts", EXACT, "Slice(Slice(x)), Concat(Concat(x)), Concat(Split(x)) → one, or x", SLICES
    ),
    ModelPass("equal-initializers", EXACT, "two constants of the same bytes → one", merge_equal_initializers),
    ModelPass("common-subexpressions", EXACT, "f(x), f(x) → one f(x), read twice", merge_equal_nodes),
)

FOLDING: tuple[Pass, ...] = (
    ModelPass("lift-constants", EXACT, "Constant(c) → an initializer c", lift_constants),
    ShapedRulePass("fold-shapes", EXACT, "Reshape(x, arithmetic of Shape(x)) → Reshape(x, constant)", SHAPES),
    ModelPass("fold-constants", EXACT, "f(constants) → a constant, by the same kernel", fold_constants),
    ModelPass(
        "fold-weights",
        Guarantee.ROUNDING,
        "MatMul(x, f(constants)) → MatMul(x, constant): packed, and so added in another order",
        fold_weights,
    ),
)
