"""Whole answers: ordinary numbers at the declared sizes, odd ones on smaller inputs where there are any."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.gates.miniature import miniature
from burnish_optimizer.gates.probes import Probing
from burnish_optimizer.gates.whole import judge_whole
from burnish_optimizer.gates.whole_answers import Asked, Source
from support.rewrite_nets import counted_runs

IMAGES = "(float[N,3,128,160] x) => (float[N,3,128,160] y)"
SCALED = "n = Shape<start = 2>(x) f = Cast<to = 1>(n) s = ReduceSum<keepdims = 0>(f) y = Mul(x, s)"


def parsed(body, signature=IMAGES):
    text = f'<ir_version: 8, opset_import: ["" : 17]> g {signature} {{ {body} }}'
    return ir.from_proto(onnx.parser.parse_model(text))


def source_of(body):
    model = parsed(body)
    proto = ir.serde.serialize_model(model)
    session = Executable(proto)

    def shrink(feeds):
        return miniature(proto, feeds)

    probes = Probing(model, session.run, shrink=shrink)
    first = next(iter(probes))
    return Source(model, proto, session, lambda: Asked((first, *probes), shrink(first.feeds)))


def gates(body, rewritten, exact=True):
    found = judge_whole(source_of(body), parsed(rewritten), exact=exact)
    return {gate.name: gate for gate in found}


def test_ordinary_numbers_come_at_the_declared_sizes_and_odd_ones_on_small_inputs():
    probes = source_of("y = Relu(x)").probes
    sides = {probe.name.split(", ", 1)[1]: probe.feeds["x"].shape[2:] for probe in probes}
    assert sides["normal"] == (128, 160)
    assert (
        sides["uniform 0 to 1"]
        == sides["large"]
        == sides["NaN and infinities"]
        == sides["tiny, zeros and denormals"]
        == (128, 96)
    )
    assert all(probe.in_full.feeds["x"].shape[2:] == (128, 160) for probe in probes)


def test_a_mistake_that_large_numbers_show_is_seen_on_small_inputs():
    with counted_runs() as runs:
        found = gates("y = Relu(x)", "h = Constant<value = float {300.0}>() r = Relu(x) y = Min(r, h)")
    assert not found["answers"].passed
    assert "large" in found["answers"].found
    assert runs


@pytest.mark.parametrize(("scale", "holds"), [(288, True), (256, False), (192, False), (224, False)])
def test_what_is_folded_for_the_declared_size_is_judged_there(scale, holds):
    """288 is 128 + 160; on small inputs another number would do."""
    found = gates(SCALED, f"s = Constant<value = float {{{scale}.0}}>() y = Mul(x, s)")
    assert found["answers"].passed is holds


def test_sizes_that_became_part_of_the_model_are_tried_at_the_declared_size_alone():
    reshaped = "n = Constant<value = int64[4] {-1, 3, 128, 160}>() a = Reshape(x, n) y = Relu(a)"
    assert all(gate.passed for gate in gates("y = Relu(x)", reshaped).values())


def test_rows_that_are_mixed_break_the_laws_on_small_inputs_too():
    mixed = "r = ReduceMax<axes = [0], keepdims = 1>(x) z = Sub(r, r) a = Relu(x) y = Add(a, z)"
    leaky = mixed.replace("Sub(r, r)", "Mul(r, e)").replace("r =", "e = Constant<value = float {1e-3}>() r =")
    assert gates("y = Relu(x)", "y = Relu(x)")["batch-laws"].passed
    assert not gates("y = Relu(x)", leaky, exact=False)["batch-laws"].passed


def test_what_the_source_refuses_at_the_declared_sizes_is_no_evidence():
    """The largest of many numbers is an index beyond the table, that of a few is not."""
    large = next(p for p in source_of("y = Relu(x)").probes if "large" in p.name)
    few, many = (int(np.abs(probe.feeds["x"]).max()) for probe in (large, large.in_full))
    assert few < many
    body = (
        f"n = Constant<value = int64[1] {{{many}}}>() t = ConstantOfShape(n) m = Abs(x) "
        "r = ReduceMax<keepdims = 0>(m) i = Cast<to = 7>(r) g = Gather(t, i) y = Add(m, g)"
    )
    source = source_of(body)
    assert any("large" in probe.name for probe in source.probes)
    assert len(source.captured()) == 2
    sized = "k = Constant<value = int64[4] {-1, 3, 128, 160}>() s = Reshape(m, k) y = Add(s"
    assert all(
        gate.passed for gate in judge_whole(source, parsed(body.replace("y = Add(m", sized)), exact=True)
    )


def test_an_output_that_is_gone_is_told():
    """What broke the structure is judged as a whole, too, while its verdict is open."""
    found = judge_whole(source_of("y = Relu(x)"), parsed("z = Relu(x)", IMAGES.replace("y", "z")), exact=True)
    assert {gate.name: gate.passed for gate in found}["valid-model"] is False
    assert "no output 'y'" in next(gate.found for gate in found if gate.name == "answers")
