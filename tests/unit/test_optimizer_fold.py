"""Folding: constants by the same kernels, shape arithmetic without running it."""

import onnx
import onnx_ir as ir
import pytest

from burnish_engine.report import Guarantee
from burnish_optimizer.passes.cleanup import CLEANUP, FOLDING
from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.fold import fold_constants
from burnish_optimizer.rewrite.shapes import dims, forget_symbols, infer, same_shape
from burnish_optimizer.rewrite.shapes_content import Content, content
from burnish_optimizer.targets.kernels import PORTABLE
from support.exact import check, operators, parse, rewritten

X = "(float[N,S,384] x) => (float[A,B,C,D] y)"
CONSTANTS = (
    "<int64 i0 = {0}, int64 i1 = {1}, int64[1] a0 = {0}, int64[1] a1 = {1}, int64[1] twelve = {12}, "
    "int64[1] neg = {-1}, int64[1] thirtytwo = {32}, int64[1] four = {4}>"
)

FOLDED = {
    "a chain": (
        "(float[2,2] x) => (float[2,2] y) <float[2,2] w = {1, 2, 3, 4}>",
        "t = Transpose(w) e = Exp(t) s = Softmax(e) y = MatMul(x, s)",
        {"MatMul": 1},
    ),
    "a Constant": (
        "(float[N] x) => (float[N] y)",
        "c = Constant<value_float = 2.5>() y = Mul(x, c)",
        {"Mul": 1},
    ),
    "ConstantOfShape and Range": (
        "(int64[4] x) => (int64[4] y) <int64[1] s = {4}, int64 z = {0}, int64 f = {4}, int64 o = {1}>",
        """c = ConstantOfShape<value = int64[1] {7}>(s) r = Range(z, f, o)
        a = Add(x, r) b = Mul(c, x) y = Sub(a, b)""",
        {"Add": 1, "Mul": 1, "Sub": 1},
    ),
    "what the graph gives away": (
        "(float[2] x) => (float[2] y, float[2] z) <float[2] w = {1, -2}>",
        "y = Neg(x) a = Abs(w) z = Neg(a)",
        {"Neg": 1, "Constant": 1},
    ),
    "strings": (
        '(int64[1] x) => (string[1] y) <string[2] s = {"a", "b"}, int64[2] p = {1, 0}, int64 z = {0}>',
        "t = Gather(s, p) i = Mul(x, z) y = Gather(t, i)",
        {"Gather": 1, "Mul": 1},
    ),
    "in a branch, of the graph around it": (
        "(float[N] x, bool c) => (float[N] y) <float w = {4}>",
        """y = If(c) <then_branch = t () => (float[N] p) { s = Sqrt(w) p = Mul(x, s) },
                      else_branch = e () => (float[N] q) { q = Neg(x) }>""",
        {"If": 1, "Mul": 1, "Neg": 1},
    ),
}


@pytest.mark.parametrize("name", FOLDED)
def test_it_is_folded(name):
    signature, body, expected = FOLDED[name]
    check(parse(signature, body), (*FOLDING, *CLEANUP), **expected)


KEPT = {
    "draws": (
        "(float[2] x) => (float[2] y)",
        "r = RandomNormal<shape = [2]>() y = Add(x, r)",
        {"RandomNormal", "Add"},
    ),
    "draws like a constant": (
        "(float[2] x) => (float[2] y) <float[2] w = {1, 2}>",
        "r = Bernoulli(w) y = Add(x, r)",
        {"Bernoulli", "Add"},
    ),
    "training dropout": (
        "(float[2] x) => (float[2] y) <float[2] w = {1, 2}, float r = {0.5}, bool t = {1}>",
        "d = Dropout(w, r, t) y = Add(x, d)",
        {"Dropout", "Add"},
    ),
    "quantized weights": (
        "(float[2] x) => (float[2] y) <int8[2] w = {1, 2}, float s = {0.5}, int8 z = {0}>",
        "d = DequantizeLinear(w, s, z) y = Add(x, d)",
        {"DequantizeLinear", "Add"},
    ),
    "defaults that callers may override": (
        "(float[2] x, float[2] w) => (float[2] y) <float[2] w = {1, 2}>",
        "d = Exp(w) y = Add(x, d)",
        {"Exp", "Add"},
    ),
    "what would make the model larger": (
        "(float[1000000] x) => (float[1000000] y) <int64[1] s = {1000000}>",
        "c = ConstantOfShape(s) y = Add(x, c)",
        {"ConstantOfShape", "Add"},
    ),
    "unknown operators": (
        "(float[2] x) => (float[2] y) <float[2] w = {1, 2}>",
        "d = com.microsoft.Gelu(w) y = Add(x, d)",
        {"Gelu", "Add"},
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_it_is_not_folded(name):
    signature, body, expected = KEPT[name]
    text = f'<ir_version: 9, opset_import: ["" : 20, "com.microsoft" : 1]> g {signature} {{ {body} }}'
    result, _, _ = rewritten(onnx.parser.parse_model(text), FOLDING)
    assert {n.op_type for n in result.graph.node} == expected


def test_weights_that_kernels_pack_are_folded_by_a_pass_that_promises_less():
    proto = parse(
        "(float[2,2] x) => (float[2,2] y) <float[2,2] w = {1, 2, 3, 4}>",
        "t = Transpose(w) i = Identity(w) a = MatMul(x, t) b = Gemm(a, i) y = Add(b, i)",
    )
    exact = [one for one in (*CLEANUP, *FOLDING) if one.guarantee is Guarantee.EXACT]
    assert operators(rewritten(proto, exact)[0]) == operators(proto)
    rounding = [one for one in FOLDING if one.guarantee is Guarantee.ROUNDING]
    assert [one.name for one in rounding] == ["fold-weights"]
    assert operators(rewritten(proto, rounding)[0]) == {"MatMul": 1, "Gemm": 1, "Add": 1}


def test_half_precision_is_folded_by_the_pass_that_promises_less():
    signature = "(float16[2] x) => (float16[2] y) <float[2] w = {0.1, 0.3}>"
    proto = parse(signature, "s = Sqrt(w) h = Cast<to = 10>(s) y = Mul(x, h)")
    _, changes, _ = rewritten(proto, FOLDING)
    assert [one for one in changes if one.rule == "fold-constants"]
    exact = [one for one in FOLDING if one.guarantee is Guarantee.EXACT]
    assert not [one for one in rewritten(proto, exact)[1] if one.site == "h"]


def test_what_a_pass_may_hold_in_memory_is_bounded(monkeypatch):
    from burnish_optimizer.rewrite import fold, fold_islands

    monkeypatch.setattr(fold, "HELD_BYTES", 0)
    monkeypatch.setattr(fold, "WORKING_BYTES", 1)
    monkeypatch.setattr(fold, "MAX_ROUNDS", 1)
    signature = "(float[2] x) => (float[2] y) <float[2] v = {1, 2}, float[2] w = {1, 2}>"
    proto = parse(signature, "e = Exp(v) f = Neg(w) a = Add(x, e) y = Add(a, f)")
    scope = Scope(PORTABLE)
    assert len(fold_constants(ir.from_proto(proto), scope)) == 1
    assert scope.declined["fold-constants", "as much as may be held in memory is folded already"]
    assert fold_islands.WORKING_BYTES > 1


def test_inflation_is_measured_against_what_goes():
    proto = parse(
        "(float[4] x) => (float[4] y) <int64[1] s = {4}>", "c = ConstantOfShape(s) e = Exp(c) y = Add(x, e)"
    )
    kept, freed = ir.from_proto(proto), ir.from_proto(proto)
    scope = Scope(PORTABLE, size_limit_bytes=7)
    assert fold_constants(kept, scope) == []
    assert scope.declined["fold-constants", "the result is larger than what it replaces"]
    # 16 bytes of floats take the place of 8 bytes of shape.
    assert [c.site for c in fold_constants(freed, Scope(PORTABLE, size_limit_bytes=8))] == ["e"]


def test_a_kernel_that_refuses_does_not_stop_the_others():
    proto = parse(
        "(float[2] x) => (float[2] y) <float[2] w = {1, 2}, float[3] v = {1, 2, 3}, int64[1] far = {9}>",
        "e = Exp(w) g = Gather(v, far) a = Add(x, e) y = Add(a, g)",
    )
    result, changes, declined = rewritten(proto, FOLDING)
    assert [c.site for c in changes if c.rule == "fold-constants"] == ["e"]
    assert any(rule == "fold-constants" and "Gather" in reason for rule, reason in declined)
    assert operators(result) == {"Gather": 1, "Add": 2}


def test_an_excluded_value_is_not_folded():
    proto = parse("(float[1] x) => (float[1] y) <float[1] w = {2}>", "e = Exp(w) y = Add(x, e)")
    result, changes, _ = rewritten(proto, FOLDING, excluded={"e"})
    assert not changes
    assert operators(result) == {"Exp": 1, "Add": 1}


def test_bfloat16_keeps_its_bits():
    signature = "(float[2] x) => (float[2] y) <float[2] w = {1.5, -3}>"
    check(parse(signature, "b = Cast<to = 16>(w) c = Cast<to = 1>(b) y = Add(x, c)"), FOLDING, Add=1)


SHAPES = {
    "heads": (
        X,
        """s = Shape(x) n = Gather(s, i0) m = Gather(s, i1) nu = Unsqueeze(n, a0) mu = Unsqueeze(m, a0)
        t = Concat<axis = 0>(nu, mu, twelve, thirtytwo) y = Reshape(x, t)""",
        {"Reshape": 1},
    ),
    "the rest, as the model wrote it": (
        X,
        """s = Shape(x) n = Gather(s, a0) m = Gather(s, a1) t = Concat<axis = 0>(n, m, twelve, neg)
        y = Reshape(x, t)""",
        {"Reshape": 1},
    ),
    "by way of elementwise functions": (
        X,
        """r = Relu(x) f = Neg(r) s = Shape<start = 0, end = 2>(f) t = Concat<axis = 0>(s, twelve, thirtytwo)
        y = Reshape(x, t)""",
        {"Reshape": 1},
    ),
    "expand as torch writes it": (
        "(float[N,1,4] x) => (float[N,1,4] y)",
        """s = Shape(x) n = Gather(s, a0) t = Concat<axis = 0>(n, neg, four) z = Shape(t)
        ones = ConstantOfShape<value = int64[1] {1}>(z) q = Equal(t, neg) w = Where(q, ones, t)
        e = Expand(x, w) y = Neg(e)""",
        {"Neg": 1},
    ),
    "one size that is not known": (
        "(float[N,S,4] x) => (float[A,4] y)",
        """s = Shape(x) n = Gather(s, a0) m = Gather(s, a1) p = Mul(n, m) t = Concat<axis = 0>(p, four)
        y = Reshape(x, t)""",
        {"Reshape": 1},
    ),
    "static shapes and sizes": (
        "(float[2,3] x) => (float[6] y)",
        "z = Size(x) u = Unsqueeze(z, a0) r = Reshape(x, u) y = Neg(r)",
        {"Reshape": 1, "Neg": 1},
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shape_arithmetic(name):
    signature, body, expected = SHAPES[name]
    check(parse(f"{signature} {CONSTANTS}", body), (*FOLDING, *CLEANUP), **expected)


LEFT = {
    # [N, S*4] with N = 0: -1 has no meaning beside a dimension that may be 0.
    "a rest beside a dimension that may be 0": (
        "(float[N,S,4] x) => (float[N,B] y)",
        """s = Shape(x) n = Gather(s, a0) m = Gather(s, a1) p = Mul(m, four) t = Concat<axis = 0>(n, p)
        y = Reshape(x, t)""",
    ),
    "a symbol in another place": (
        "(float[N,S] x) => (float[S,N] y)",
        "s = Shape(x) n = Gather(s, a0) m = Gather(s, a1) t = Concat<axis = 0>(m, n) y = Reshape(x, t)",
    ),
    "zeros that are meant": (
        "(float[N,0] x) => (float[0,B] y)",
        """s = Shape(x) m = Gather(s, a1) n = Gather(s, a0) t = Concat<axis = 0>(m, n)
        y = Reshape<allowzero = 1>(x, t)""",
    ),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_is_not_provable_stays(name):
    signature, body = LEFT[name]
    proto = parse(f"{signature} {CONSTANTS}", body)
    result, _ = check(proto, FOLDING, **operators(rewritten(proto, FOLDING)[0]))
    assert operators(result)["Shape"] == 1


def test_content_follows_symbols():
    proto = parse(
        f"(float[N,3] x) => (int64[A] y) {CONSTANTS}",
        """s = Shape(x) d = Div(s, neg) n = Gather(s, i0) u = Unsqueeze(n, a0)
        t = Concat<axis = 0>(u, d, twelve) y = Neg(t)""",
    )
    model = ir.from_proto(proto)
    assert infer(model)
    values = {v.name: v for n in model.graph for v in n.outputs}
    assert content(values["s"]) == Content(("N", 3))
    assert content(values["n"]) == Content(("N",), 0)
    assert content(values["t"]) == Content(("N", None, -3, 12))
    assert content(values["y"]) is None


def test_stale_shapes_are_forgotten_and_the_signature_stays():
    proto = parse("(float[N,3] x) => (float[Q,3] y)", "a = Relu(x) y = Neg(a)")
    proto.graph.value_info.append(onnx.helper.make_tensor_value_info("a", onnx.TensorProto.FLOAT, [7, 7]))
    model = ir.from_proto(proto)
    assert infer(model)
    a, y = (n.outputs[0] for n in model.graph)
    assert dims(a) == ("N", 3)
    assert dims(y) == ("Q", 3)
    unknown = ir.Value(name="u", shape=ir.Shape([None, 3]))
    assert not same_shape(unknown, unknown)


def test_symbols_that_inference_made_up_are_forgotten_and_those_of_the_signature_stay():
    proto = parse("(float[N,4] x) => (int64[1,Q] y)", "r = Relu(x) n = NonZero(r) m = Neg(n) y = Abs(m)")
    model = ir.from_proto(proto)
    assert infer(model)
    r, n, m, y = (node.outputs[0] for node in model.graph)
    assert dims(n) == dims(m)
    assert isinstance(dims(n)[1], str)
    forget_symbols(model)
    assert [dims(value) for value in (r, n, m, y)] == [("N", 4), (2, None), (2, None), (1, "Q")]
