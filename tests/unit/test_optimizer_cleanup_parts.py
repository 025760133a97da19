"""Slices, concatenations, duplicates, dead code, control flow."""

from collections import Counter

import onnx
import onnx_ir as ir
import pytest

from burnish_optimizer.passes.cleanup import CLEANUP, FOLDING
from support.exact import check, inside, operators, parse, rewritten

X = "(float[N,12] x) => (float[N,M] y)"
CUTS = (
    "<int64[1] z = {0}, int64[1] two = {2}, int64[1] five = {5}, int64[1] nine = {9}, int64[1] end = {99}, "
    "int64[1] ax = {1}, int64[1] neg = {-1}>"
)

LESS = {
    "slice of slice": (X, "a = Slice(x, two, nine, ax) y = Slice(a, two, five, ax)", {"Slice": 1}),
    "slices of two axes": (X, "a = Slice(x, two, nine, ax) y = Slice(a, z, two, z)", {"Slice": 1}),
    "slice beyond the first": (X, "a = Slice(x, five, nine, ax) y = Slice(a, two, end, ax)", {"Slice": 1}),
    "gathers": (
        X,
        "a = Gather<axis = 1>(x, g) y = Gather<axis = 1>(a, h)",
        {"Gather": 1},
    ),
    "concats": (
        X,
        "a = Concat<axis = 1>(x, x) b = Neg(x) y = Concat<axis = -1>(b, a)",
        {"Concat": 1, "Neg": 1},
    ),
    "split and concat": (
        X,
        "a, b = Split<axis = 1, num_outputs = 2>(x) c = Concat<axis = 1>(a, b) y = Neg(c)",
        {"Neg": 1},
    ),
    "concat and split": (
        X,
        """n = Neg(x) c = Concat<axis = 1>(x, n) a, b = Split<axis = 1, num_outputs = 2>(c)
        d = Relu(a) e = Abs(b) y = Add(d, e)""",
        {"Relu": 1, "Abs": 1, "Add": 1},
    ),
    "slices side by side": (
        X,
        """a = Slice(x, two, five, ax) b = Slice(x, five, nine, ax) y = Concat<axis = 1>(a, b)""",
        {"Slice": 1},
    ),
    "all slices": (
        X,
        """a = Slice(x, z, five, ax) b = Slice(x, five, end, ax) c = Concat<axis = 1>(a, b) y = Neg(c)""",
        {"Neg": 1},
    ),
    "slices with a gap": (
        X,
        """a = Slice(x, z, two, ax) b = Slice(x, five, nine, ax) y = Concat<axis = 1>(a, b)""",
        {"Slice": 2, "Concat": 1},
    ),
    "slices in another order": (
        X,
        """a = Slice(x, five, nine, ax) b = Slice(x, two, five, ax) y = Concat<axis = 1>(a, b)""",
        {"Slice": 2, "Concat": 1},
    ),
    "split and concat in another order": (
        X,
        "a, b = Split<axis = 1, num_outputs = 2>(x) y = Concat<axis = 1>(b, a)",
        {"Split": 1, "Concat": 1},
    ),
    "slice from the end of a slice": (
        X,
        "a = Slice(x, two, nine, ax) y = Slice(a, neg, end, ax)",
        {"Slice": 2},
    ),
}


@pytest.mark.parametrize("name", LESS)
def test_parts(name):
    signature, body, expected = LESS[name]
    constants = CUTS.replace(">", ", int64[3] g = {5, 0, -1}, int64[2] h = {-1, 1}>")
    more = Counter(expected) + Counter(Concat=1)
    check(parse(*inside(f"{signature} {constants}", body)), CLEANUP, **more)


ABS_TWICE = {"Abs": 1, "Add": 1}
TWINS = {
    "equal nodes": ("a = Abs(x) b = Abs(x) y = Add(a, b)", ABS_TWICE),
    "equal chains": (
        "a = Abs(x) b = Abs(x) c = Neg(a) d = Neg(b) y = Add(c, d)",
        {"Abs": 1, "Neg": 1, "Add": 1},
    ),
    "zeros of two signs": (
        "a = LeakyRelu<alpha = 0.0>(x) b = LeakyRelu<alpha = -0.0>(x) y = Div(a, b)",
        {"LeakyRelu": 2, "Div": 1},
    ),
    "other attributes": (
        "a = Elu<alpha = 1.0>(x) b = Elu<alpha = 2.0>(x) y = Add(a, b)",
        {"Elu": 2, "Add": 1},
    ),
}


@pytest.mark.parametrize("name", TWINS)
def test_twins(name):
    body, expected = TWINS[name]
    check(parse("(float[N] x) => (float[N] y)", body), CLEANUP, **expected)


def test_draws_are_never_twins():
    for draw in ("RandomNormalLike(x)", "RandomUniformLike(x)", "Bernoulli(x)"):
        proto = parse("(float[4] x) => (float[4] y)", f"a = {draw} b = {draw} y = Sub(a, b)")
        assert operators(rewritten(proto, CLEANUP)[0])["Sub"] == 1
        assert sum(operators(rewritten(proto, CLEANUP)[0]).values()) == 3


def test_two_training_dropouts_are_not_twins():
    proto = parse(
        "(float[4] x) => (float[4] y) <float r = {0.5}, bool t = {1}>",
        "a = Dropout(x, r, t) b = Dropout(x, r, t) y = Sub(a, b)",
    )
    assert operators(rewritten(proto, CLEANUP)[0])["Dropout"] == 2


def test_a_branch_reads_what_the_graph_has_computed():
    body = """a = Abs(x)
      b = If(c) <then_branch = t () => (float[N] p) { q = Abs(x) p = Neg(q) },
                 else_branch = e () => (float[N] r) { r = Abs(x) }>
      y = Add(a, b)"""
    check(parse("(float[N] x, bool c) => (float[N] y)", body), CLEANUP, Abs=2, If=1, Neg=1, Add=1)


def test_what_one_branch_computes_is_not_read_by_the_other():
    body = """y = If(c) <then_branch = t () => (float[N] p) { q = Abs(x) p = Neg(q) },
                         else_branch = e () => (float[N] r) { s = Abs(x) r = Relu(s) }>"""
    check(parse("(float[N] x, bool c) => (float[N] y)", body), CLEANUP, Abs=2, If=1, Neg=1, Relu=1)


def test_equal_constants_are_one_and_zeros_of_two_signs_are_two():
    constants = "<float[2] p = {0.0, 1.5}, float[2] q = {0.0, 1.5}, float[2] r = {-0.0, 1.5}>"
    body = "a = Add(x, p) b = Div(a, q) y = Div(b, r)"
    proto = parse(f"(float[N,2] x) => (float[N,2] y) {constants}", body)
    result, _ = check(proto, CLEANUP, Add=1, Div=2)
    assert len(result.graph.initializer) == 2


def test_strings_that_padding_makes_alike_stay_two():
    signature = (
        '(int64[1] x) => (string[1] y, string[1] z) <string[2] p = {"a", "b"}, string[2] q = {"a", "b"}>'
    )
    proto = parse(signature, "y = Gather(p, x) z = Gather(q, x)")
    assert len(rewritten(proto, CLEANUP)[0].graph.initializer) == 1
    for held, texts in zip(proto.graph.initializer, ([b"a\0", b"bb"], [b"a", b"bb"]), strict=True):
        held.string_data[:] = texts
    assert len(rewritten(proto, CLEANUP)[0].graph.initializer) == 2


def test_dead_code_goes_in_bodies_too_and_defaults_stay():
    body = """dead = Abs(x) deader = Neg(dead)
      y = If(c) <then_branch = t () => (float[N] p) { q = Abs(x) p = Neg(x) },
                 else_branch = e () => (float[N] r) { r = Relu(x) }>"""
    proto = parse("(float[N] x, bool c, float d) => (float[N] y) <float d = {1}, float unused = {2}>", body)
    result, _ = check(proto, CLEANUP, If=1, Neg=1, Relu=1)
    assert [t.name for t in result.graph.initializer] == ["d"]


def test_unread_outputs_go_where_they_are_optional():
    proto = parse(
        "(float[1,1,4] x, float[3] v) => (float[1,1,2] y, int64[2] i) <int64[1] k = {2}>",
        "y, ind = MaxPool<kernel_shape = [2], strides = [2]>(x) w, i = TopK(v, k)",
    )
    result, _ = check(proto, CLEANUP, MaxPool=1, TopK=1)
    assert [len(n.output) for n in result.graph.node] == [1, 2]


def test_a_training_batch_normalization_keeps_its_statistics():
    proto = parse(
        "(float[2,3] x) => (float[2,3] y) <float[3] s = {1,1,1}, float[3] b = {0,0,0}>",
        "y, m, v = BatchNormalization<training_mode = 1>(x, s, b, b, s)",
    )
    result, _, _ = rewritten(proto, CLEANUP)
    assert result.graph.node[0].attribute[0].i == 1


def test_a_known_branch_moves_out_with_its_constants_and_inner_branches():
    body = """y = If(k) <then_branch = t () => (float[N] p) {
                w = Constant<value = float {3.0}>() q = Mul(x, w)
                p = If(c) <then_branch = u () => (float[N] o) { o = Neg(q) },
                           else_branch = e () => (float[N] r) { r = Abs(q) }> },
              else_branch = f () => (float[N] s) { s = Relu(x) }>"""
    proto = parse("(float[N] x, bool c) => (float[N] y) <bool k = {1}>", body)
    lifted, _, _ = rewritten(proto, FOLDING)
    assert [t.name for t in lifted.graph.node[0].attribute[0].g.initializer] == ["w"]
    check(lifted, CLEANUP, Mul=1, If=1, Neg=1, Abs=1)


def test_a_known_branch_that_gives_an_outer_value_twice():
    body = """z = Neg(x)
      y, w = If(k) <then_branch = t () => (float[N] p, float[N] q) { p = Identity(z) q = Identity(z) },
                    else_branch = f () => (float[N] r, float[N] s) { r = Relu(x) s = Relu(x) }>"""
    proto = parse("(float[N] x) => (float[N] y, float[N] w) <bool k = {1}>", body)
    check(proto, CLEANUP, Neg=1, Identity=1)


def loop(trips, condition=""):
    body = f"""y, s = Loop({trips}, {condition}, x) <body = l (int64 i, bool go, float[3] v) =>
        (bool on, float[3] w, float[3] scan) {{ on = Identity(go) f = Cast<to = 1>(i) g = Add(v, f) w = Neg(g)
        scan = Abs(g) }}>"""
    return parse(
        "(float[3] x) => (float[3] y, float[A,3] s) <int64 one = {1}, int64 two = {2}, bool off = {0}>", body
    )


def test_a_loop_of_one_iteration_is_its_body():
    check(loop("one"), (*CLEANUP, *FOLDING), Add=1, Neg=1, Abs=1, Unsqueeze=1)


def test_other_loops_stay():
    for given in (("two",), ("two", "off")):
        _, declined = check(loop(*given), CLEANUP, Loop=1, Cast=1, Add=1, Neg=1, Abs=1, Identity=1)
        assert ("off" in given) == any(rule == "loop-known" for rule, _ in declined)


def test_a_loop_that_never_runs_gives_its_start():
    body = """a = Neg(x) y = Loop(zero, , a) <body = l (int64 i, bool go, float[3] v) => (bool on, float[3] w)
        { on = Identity(go) w = Neg(v) }>"""
    check(parse("(float[3] x) => (float[3] y) <int64 zero = {0}>", body), CLEANUP, Neg=1)


def test_functions_are_inlined():
    text = """<ir_version: 9, opset_import: ["" : 20, "mine" : 1]>
      g (float[N] x) => (float[N] y) { a = mine.f(x) y = mine.f(a) }
      <domain: "mine", opset_import: ["" : 20]> f (v) => (w) { t = Neg(v) w = Relu(t) }"""
    result, _ = check(onnx.parser.parse_model(text), CLEANUP, Neg=2, Relu=2)
    assert not result.functions


def test_a_function_of_another_operator_set_is_declined():
    from burnish_optimizer.errors import Declined
    from burnish_optimizer.passes.cleanup import INLINE

    text = """<ir_version: 9, opset_import: ["" : 20, "mine" : 1]>
      g (float[N] x) => (float[N] y) { y = mine.f(x) }
      <domain: "mine", opset_import: ["" : 18]> f (v) => (w) { w = Relu(v) }"""
    with pytest.raises(Declined, match="Opset mismatch"):
        rewritten(onnx.parser.parse_model(text), (INLINE,))


def test_long_chains_go_at_once():
    x = ir.Value(name="x", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape(["N"]))
    nodes, value = [], x
    for number, op in enumerate(["Abs", *["Identity", "Neg"] * 1_000]):
        nodes.append(ir.node(op, [value]))
        value = nodes[-1].outputs[0]
        value.name = f"v{number}"
    value.type, value.shape = x.type, x.shape
    graph = ir.Graph([x], [value], nodes=nodes, opset_imports={"": 20}, name="g")
    check(ir.to_proto(ir.Model(graph, ir_version=9)), CLEANUP, Abs=1)
