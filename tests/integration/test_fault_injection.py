"""Passes that are wrong on purpose: each is caught by the gate, and what was right beside it stays.

`tests/support/wrong_rules*.py` holds them, each with a small model on which it fires. Here are also the
places where a mistake could hide: deep in a graph, among right applications of the same rule, in a
model whose answers are left to chance.
"""

import importlib
import itertools

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from burnish_bench.zoo import MODELS
from burnish_demo.models import cache_root, fetch
from burnish_optimizer.gates.equality import difference
from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.passes.pipeline import rewrite
from burnish_optimizer.rewrite.values import constant
from burnish_optimizer.targets.kernels import ONNXRUNTIME_CPU, PORTABLE
from support.random_graphs import numbers
from support.wrong_rules import (
    FAULTS,
    IDENTITY_OF_IDENTITY,
    RIGHT,
    ROUNDING,
    Draft,
    Host,
    WrongRule,
    host,
    pass_of,
    spread,
    weights,
)

for family in ("values", "axes", "layers", "sequences", "graph", "sizes"):
    importlib.import_module(f"support.wrong_rules_{family}")
SIZES = {"N": 3, "M": 4, "S": 5, "D": 1}
RULES = sorted(name for name, fault in FAULTS.items() if not fault.broken)


def ran(model, seed=11):
    """The answers of a model on inputs of its own kind, at sizes that no probe has to have."""
    feeds = {}
    for index, value in enumerate(model.graph.input):
        tensor = value.type.tensor_type
        kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
        dims = [d.dim_value if d.HasField("dim_value") else SIZES[d.dim_param] for d in tensor.shape.dim]
        feeds[value.name] = np.abs(numbers(seed + index, dims, kind, awkward=kind == "float32"))
    return Executable(model).run(feeds)


def told(done):
    """All that the report says of the one pass."""
    report = done.passes[0]
    return " ".join([report.reason, *(f"{back.rule} {back.evidence}" for back in report.rolled_back)])


def kept(done):
    """Rules with changes that are in the result."""
    return {change.rule for report in done.passes if report.applied for change in report.changes}


def test_there_are_many_kinds_of_mistakes():
    assert len(FAULTS) >= 70
    assert len(RULES) >= 70


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_wrong_pass_is_caught_and_rolled_back(name):
    fault = FAULTS[name]
    source = fault.host.build()
    done = rewrite(ir.from_proto(source), ONNXRUNTIME_CPU, [fault.make()])
    assert not done.unproven
    assert name not in kept(done)
    assert "rolled back" in told(done)
    assert all(gate.passed for gate in done.gates)
    after = ir.to_proto(done.model)
    assert [v.SerializeToString() for v in after.graph.output] == [
        v.SerializeToString() for v in source.graph.output
    ]
    for (output, found), expected in zip(ran(after).items(), ran(source).values(), strict=True):
        assert difference(found, expected) is None, output


@pytest.mark.parametrize("name", RULES)
def test_what_is_right_in_the_same_pass_is_kept(name):
    fault = FAULTS[name]
    done = rewrite(ir.from_proto(fault.host.build()), ONNXRUNTIME_CPU, [fault.make()])
    report = done.passes[0]
    assert kept(done) == {RIGHT}
    assert {back.rule for back in report.rolled_back} == {name}
    assert all(back.evidence for back in report.rolled_back)
    assert "side" not in {back.site for back in report.rolled_back}


@pytest.mark.parametrize("name", RULES)
def test_a_wrong_rule_fires_and_is_wrong(name):
    """Else catching it would prove nothing: it fires on its host, and the graph is another then."""
    fault = FAULTS[name]
    model = ir.from_proto(fault.host.build())
    changes = fault.make().apply(model, Scope(ONNXRUNTIME_CPU))
    assert {change.rule for change in changes} == {name, RIGHT}


def deep(model: Host, steps: int = 6) -> Host:
    """The same host behind a chain that any number passes unchanged: the cut lies inside the graph."""
    kind, name = model.inputs.split(", ")[0].split(" ")
    rest = model.inputs.split(", ")[1:]
    op = "Neg" if kind.startswith(("float", "int", "double")) else "Identity"
    names = ["start", *(f"step{i}" for i in range(1, steps)), name]
    chain = " ".join(f"{b} = {op}({a})" for a, b in itertools.pairwise(names))
    inputs = ", ".join([f"{kind} start", *rest])
    return Host(inputs, model.outputs, f"{chain} {model.body}", model.arrays, model.opset)


# `-x` is the anchor of these, and what the chain is made of.
SHALLOW = {"infinity-clipped", "negative-zero-lost", "mistake-in-a-branch"}


@pytest.mark.parametrize("name", sorted(set(RULES) - SHALLOW))
def test_a_mistake_deep_in_a_graph_is_caught_too(name):
    fault = FAULTS[name]
    done = rewrite(ir.from_proto(deep(fault.host).build()), ONNXRUNTIME_CPU, [fault.make()])
    assert not done.unproven
    assert name not in kept(done)
    assert name in told(done)


def _relu_is_nothing(node: ir.Node, draft: Draft) -> object:
    """Relu(x) = x: right after Abs, wrong elsewhere."""
    return draft("Identity", node.inputs[0])


MIXED = """
    a0 = Abs(x) r0 = Relu(a0) t0 = Tanh(r0)
    r1 = Relu(t0) s1 = Sub(r1, x) r2 = Relu(s1)
    a3 = Abs(r2) r3 = Relu(a3) e3 = Erf(s1) r4 = Relu(e3)
    y = Add(r3, r4)
"""


@pytest.mark.parametrize("rounds", [1, 10])
def test_right_and_wrong_applications_of_one_rule_are_told_apart(rounds):
    """Of five sites three hold (behind Abs, and of what is never negative); the other two are left alone."""
    rule = WrongRule("relu-is-nothing", frozenset({"Relu"}), _relu_is_nothing)
    source = host("float[N,5] x", "float[N,5] y", MIXED).build()
    done = rewrite(ir.from_proto(source), PORTABLE, [pass_of(rule, IDENTITY_OF_IDENTITY, rounds=rounds)])
    report = done.passes[0]
    assert {back.site for back in report.rolled_back} == {"r2", "r4"}
    left = [node.outputs[0].name for node in done.model.graph if node.op_type == "Relu"]
    assert left == ["r2", "r4"]


def _equal_steps(count: int) -> Host:
    """x s + b again and again, with weights of its own; two of 40 channels hold next to nothing."""
    arrays, body, last = {}, "", "x"
    for step in range(count):
        scale, shift = spread(1, 40, 1, 1, seed=step), weights(1, 40, 1, 1, seed=step)
        arrays |= {f"s{step}": scale * FAINT, f"b{step}": shift * FAINT}
        body += f"m{step} = Mul({last}, s{step}) a{step} = Add(m{step}, b{step}) t{step} = Tanh(a{step}) "
        last = f"t{step}"
    return Host("float[1,40,6,6] x", "float[1,40,6,6] y", f"{body} y = Abs({last})", arrays)


FAINT = np.where((np.arange(40) == 5) | (np.arange(40) == 6), 1e-7, 1).reshape(1, 40, 1, 1).astype(np.float32)


def _factored(node: ir.Node, draft: Draft) -> object:
    """x s + b = s (x + b / s); at one of many places the faint channels lose their b."""
    x, s = node.inputs[0].producer().inputs
    quotient = constant(node.inputs[1]) / constant(s)
    lost = node.outputs[0].name == "a4"
    return draft("Mul", draft("Add", x, draft.constant(quotient * (FAINT == 1) if lost else quotient)), s)


def test_a_mistake_in_faint_channels_at_one_of_many_equal_places_is_caught():
    rule = WrongRule("factored", frozenset({"Add"}), _factored)
    source = ir.from_proto(_equal_steps(9).build())
    done = rewrite(source, PORTABLE, [pass_of(rule, claims=ROUNDING)])
    assert {back.site for back in done.passes[0].rolled_back} == {"a4"}
    assert done.passes[0].changes[0].changes == 8


def test_a_rule_that_is_right_is_not_rolled_back():
    fused = WrongRule("abs-of-abs", frozenset({"Abs"}), _abs_of_abs)
    source = host("float[N,5] x", "float[N,5] y", "a = Abs(x) y = Abs(a)").build()
    done = rewrite(ir.from_proto(source), PORTABLE, [pass_of(fused)])
    assert kept(done) == {"abs-of-abs"}
    assert not done.passes[0].rolled_back


def _abs_of_abs(node: ir.Node, draft: Draft) -> object:
    inner = node.inputs[0].producer() if node.inputs[0] is not None else None
    return draft("Abs", inner.inputs[0]) if inner is not None and inner.op_type == "Abs" else None


def test_a_rule_that_never_has_enough_comes_to_an_end():
    """-x = -(-(-x)), again and again: right each time, and bounded by the driver."""
    rule = WrongRule("grows", frozenset({"Neg"}), _grows)
    source = host("float[N,5] x", "float[N,5] y", "y = Neg(x)").build()
    done = rewrite(ir.from_proto(source), PORTABLE, [pass_of(rule, rounds=4)])
    assert all(gate.passed for gate in done.gates)
    assert len(done.model.graph) < 1000


def _grows(node: ir.Node, draft: Draft) -> object:
    return draft("Neg", draft("Neg", draft("Neg", node.inputs[0])))


CHANCE = "a = RandomUniformLike(x) b = RandomUniformLike(x) y = Sub(a, b)"


def test_answers_of_chance_prove_nothing_and_nothing_is_changed():
    """Two draws of chance are not one; and no gate could tell."""
    rule = WrongRule("draws-shared", frozenset({"Sub"}), lambda n, draft: draft("Sub", *[n.inputs[0]] * 2))
    source = host("float[N,4] x", "float[N,4] y", CHANCE).build()
    done = rewrite(ir.from_proto(source), PORTABLE, [pass_of(rule, IDENTITY_OF_IDENTITY)])
    assert "differ from run to run" in done.unproven
    assert ir.to_proto(done.model) == ir.to_proto(ir.from_proto(source))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_a_wrong_epsilon_is_caught_at_every_scale_of_the_weights(scale):
    fault = FAULTS["wrong-epsilon-in-batch-norm"]
    arrays = {n: a * np.float32(scale if n == "v" else 1) for n, a in fault.host.arrays.items()}
    model = Host(fault.host.inputs, fault.host.outputs, fault.host.body, arrays)
    done = rewrite(ir.from_proto(model.build()), PORTABLE, [fault.make()])
    assert fault.name not in kept(done)


def test_a_wrong_pass_after_a_right_one_leaves_the_right_one():
    fault = FAULTS["relu-dropped"]
    first = pass_of(IDENTITY_OF_IDENTITY, claims=ROUNDING)
    done = rewrite(ir.from_proto(fault.host.build()), PORTABLE, [first, fault.make()])
    assert [report.applied for report in done.passes] == [True, False]
    assert RIGHT in kept(done)


REAL = [
    ("text-direction", "relu-dropped", 15),
    ("text-direction", "variance-without-its-root", 35),
    ("minilm-l3", "wrong-epsilon-in-layer-norm", 7),
    ("minilm-l3", "bias-lost-in-layer-norm", 7),
]


@pytest.mark.parametrize(("model", "name", "sites"), REAL)
def test_a_mistake_in_a_real_model_is_undone_wherever_it_was_made(model, name, sites):
    real = next(one for one in MODELS if one.wheel.name == model)
    source = ir.load(fetch(real.wheel, cache_root() / "models"))
    done = rewrite(source, ONNXRUNTIME_CPU, [FAULTS[name].make()])
    assert not done.unproven
    assert not kept(done) - {RIGHT}
    assert [back.rule for back in done.passes[0].rolled_back] == [name] * sites
