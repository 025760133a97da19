"""Random small graphs: cleaned and folded, they give the same bits."""

import onnx_ir as ir
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish_engine.report import Guarantee
from burnish_optimizer.passes.cleanup import CLEANUP, FOLDING
from support.exact import differences, parse, rewritten

EXACT = [one for one in (*CLEANUP, *FOLDING) if one.guarantee is Guarantee.EXACT]
CONSTANTS = """<float zero = {0}, float nzero = {-0.0}, float one = {1}, float six = {6}, float[1] w = {1},
    int64[2] back = {0, -1}, int64[1] flat = {-1}, int64[2] own = {-1, 3}, int64[1] three = {3},
    int64[1] a0 = {0}, int64[1] a1 = {1}, int64[1] end = {99}, int64[2] tiles = {1, 1}>"""
# Each keeps the shape [N, 3], whatever comes before it.
STEPS = [
    *(f"{op}({{x}})" for op in ("Relu", "Neg", "Abs", "Sign", "Ceil", "Floor", "Round", "Identity", "Exp")),
    *(f"Add({{x}}, {c})" for c in ("zero", "nzero", "one", "w")),
    *(f"Sub({{x}}, {c})" for c in ("zero", "nzero", "one")),
    *(f"Mul({{x}}, {c})" for c in ("zero", "nzero", "one", "w")),
    *(f"{op}({{x}}, {c})" for op in ("Div", "Pow") for c in ("one", "six")),
    "Clip({x}, zero, six)",
    "Clip({x}, one, six)",
    "Clip({x}, nzero)",
    "Reshape({x}, back)",
    "Tile({x}, tiles)",
    "Dropout({x})",
    "Slice({x}, a0, end)",
    "Add({x}, {y})",
    "Sub({x}, {y})",
    "Max({x}, {y})",
]
PAIRS = [
    ("Transpose({x})", "Transpose({x})"),
    ("Reshape({x}, flat)", "Reshape({x}, own)"),
    ("Unsqueeze({x}, a1)", "Squeeze({x}, a1)"),
    ("Cast<to = 11>({x})", "Cast<to = 1>({x})"),
    ("Cast<to = 10>({x})", "Cast<to = 1>({x})"),
    ("Concat<axis = 1>({x}, {x})", "Slice({x}, a0, three, a1)"),
]
STEP = st.one_of(st.sampled_from(STEPS).map(lambda s: (s,)), st.sampled_from(PAIRS))


@st.composite
def graphs(draw):
    names, lines = ["x"], []
    for steps in draw(st.lists(STEP, min_size=1, max_size=8)):
        value, other = draw(st.sampled_from(names[-3:])), draw(st.sampled_from(names))
        for step in steps:
            name = f"v{len(lines)}"
            lines.append(f"{name} = {step.format(x=value, y=other)}")
            value = name
        names.append(value)
    lines.append(f"y = Add({names[-1]}, {draw(st.sampled_from(names))})")
    return parse(f"(float[N,3] x) => (float[N,3] y) {CONSTANTS}", "\n".join(lines))


@settings(max_examples=60)
@given(graphs())
def test_every_bit_stays(proto):
    result, _, _ = rewritten(proto, EXACT)
    assert differences(proto, result) == []
    assert len(result.graph.node) <= len(proto.graph.node)


@settings(max_examples=20)
@given(graphs())
def test_a_second_time_there_is_nothing_to_do(proto):
    once, _, _ = rewritten(proto, EXACT)
    again, changes, _ = rewritten(once, EXACT)
    assert not changes
    assert ir.from_proto(again).graph.num_nodes() == len(once.graph.node)
