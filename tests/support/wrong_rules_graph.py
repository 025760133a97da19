"""Wrong control flow, wrong constants, and passes that break the graph itself."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish_engine.report import Guarantee
from burnish_optimizer.passes.contract import Change, Pass, Scope
from burnish_optimizer.rewrite.driver import graphs
from burnish_optimizer.rewrite.values import initializer
from support.wrong_rules import (
    FAULTS,
    IDENTITY_OF_IDENTITY,
    Draft,
    Fault,
    Host,
    WrongRule,
    host,
    pass_of,
    weights,
    wrong,
)

__all__ = ["FAULTS"]

IF = host(
    "float[N,4] x, bool c",
    "float[N,4] y",
    """y = If (c) <then_branch = t () => (float[N,4] a) { a = Abs(x) },
                  else_branch = e () => (float[N,4] b) { b = Neg(x) }>""",
)
LOOP = host(
    "float[4] x, int64 n",
    "float[4] y",
    """y = Loop (n, go, x) <body = b (int64 i, bool c, float[4] v) => (bool d, float[4] w)
                                 { d = Identity(c) w = Mul(v, factor) }>""",
    go=np.bool_(True),
    factor=np.float32(1.25),
)
SCAN = host(
    "float[4] x, float[S,4] z",
    "float[4] last, float[S,4] y",
    """last, y = Scan <num_scan_inputs = 1, body = b (float[4] v, float[4] e) => (float[4] w, float[4] o)
                                 { w = Add(v, e) o = Mul(w, e) }> (x, z)""",
)


@wrong("If", IF)
def branches_swapped(node: ir.Node, draft: Draft) -> object:
    """If(c, a, b) = If(c, b, a)."""
    # Copies: a graph belongs to one node, and the node that is replaced still exists.
    then, other = (node.attributes[name].as_graph().clone(allow_outer_scope_values=True) for name in BRANCHES)
    return draft.again(node, then_branch=other, else_branch=then)


@wrong("If", IF)
def branch_taken_as_constant(node: ir.Node, draft: Draft) -> object:
    """If(c, a, b) = a, as c was in one probe."""
    inner = next(iter(node.attributes["then_branch"].as_graph()))
    return draft("Abs", *inner.inputs)


@wrong("Neg", IF)
def mistake_in_a_branch(node: ir.Node, draft: Draft) -> object:
    """-x = |x|, deep in an If."""
    return draft("Abs", *node.inputs)


@wrong("Loop", LOOP)
def one_trip_more(node: ir.Node, draft: Draft) -> object:
    """Loop(n) = Loop(n + 1)."""
    trips = draft("Add", node.inputs[0], draft.constant(1, np.int64))
    body = node.attributes["body"].as_graph().clone(allow_outer_scope_values=True)
    return draft.again(node, inputs=[trips, *node.inputs[1:]], body=body)


@wrong("Loop", LOOP)
def loop_run_once(node: ir.Node, draft: Draft) -> object:
    """Loop(n, body) = body, as n was in one probe."""
    return draft("Mul", node.inputs[2], draft.constant(1.25))


@wrong("Scan", SCAN)
def scan_backwards(node: ir.Node, draft: Draft) -> object:
    """Scan(x, forward) = Scan(x, reverse)."""
    body = node.attributes["body"].as_graph().clone(allow_outer_scope_values=True)
    return draft.again(node, body=body, scan_input_directions=[1])


BRANCHES = "then_branch", "else_branch"
NEAR = weights(4)


@wrong(
    "Mul",
    host("float[N,4] x", "float[N,4] y", "a = Add(x, v) y = Mul(a, w)", v=NEAR, w=np.nextafter(NEAR, 9)),
)
def nearly_equal_constants_shared(node: ir.Node, draft: Draft) -> object:
    """Constants that differ in the last bit are one."""
    left, _ = node.inputs
    return draft("Mul", left, left.producer().inputs[1]) if left and left.producer() else None


@wrong("Div", host("float[N,4] x", "float[N,4] y", "y = Div(x, w)", w=np.array([1, -0.0, 2, 4], np.float32)))
def zeros_of_both_signs_shared(node: ir.Node, draft: Draft) -> object:
    """-0 and +0 are one constant."""
    return draft("Div", node.inputs[0], draft.constant([1, 0.0, 2, 4]))


@dataclass(frozen=True)
class WrongPass:
    """A mistake that no rule can make: it is done to the model after the right rule ran."""

    name: str
    mistake: Callable[[ir.Model], str]
    guarantee: Guarantee = Guarantee.EXACT
    equation: str = "right = wrong"
    anchors: frozenset[str] | None = None

    def requires(self, model: ir.Model, scope: Scope) -> str:
        """See `Pass.requires`."""
        del model, scope
        return ""

    def apply(self, model: ir.Model, scope: Scope) -> tuple[Change, ...]:
        """See `Pass.apply`."""
        right = pass_of(IDENTITY_OF_IDENTITY).apply(model, scope)
        site = self.mistake(model)
        return (*right, Change(self.name, site))

    def ensures(self, model: ir.Model, scope: Scope) -> str:
        """See `Pass.ensures`."""
        del model, scope
        return ""


PLAIN = host("float[N,4] x, float[N,4] z", "float[N,4] y, float[N,4] second", "y = Relu(x) second = Neg(z)")
NESTED = host(IF.inputs, IF.outputs, IF.body.replace("Neg(x)", "Mul(x, w)"), w=weights(4))


def broken(model: Host = PLAIN) -> Callable[[Callable[[ir.Model], str]], Callable[[ir.Model], str]]:
    """Register something done to a whole model; it gives the name of the value where it was done."""

    def register(mistake: Callable[[ir.Model], str]) -> Callable[[ir.Model], str]:
        name = mistake.__name__.replace("_", "-")
        FAULTS[name] = Fault(name, model, lambda: WrongPass(name, mistake), broken=True)
        return mistake

    return register


def _node(model: ir.Model, op: str) -> ir.Node:
    return next(node for graph in graphs(model) for node in graph if node.op_type == op)


@broken()
def output_renamed(model: ir.Model) -> str:
    """y is called z."""
    model.graph.outputs[0].name = "other"
    return "other"


@broken()
def output_retyped(model: ir.Model) -> str:
    """y becomes double."""
    old = model.graph.outputs[0]
    cast = ir.node("Cast", [old], attributes={"to": ir.DataType.DOUBLE.value})
    model.graph.append(cast)
    new = cast.outputs[0]
    old.name, new.name = "inner", "y"
    new.type, new.shape = ir.TensorType(ir.DataType.DOUBLE), old.shape
    model.graph.outputs[0] = new
    return "y"


@broken()
def output_dropped(model: ir.Model) -> str:
    """One output fewer."""
    return str(model.graph.outputs.pop(1).name)


@broken()
def outputs_reordered(model: ir.Model) -> str:
    """(y, second) = (second, y)."""
    first, second = model.graph.outputs[:2]
    model.graph.outputs[0], model.graph.outputs[1] = second, first
    return "y"


@broken()
def outputs_exchange_names(model: ir.Model) -> str:
    """y is what second was, and the other way round: the signature stays."""
    first, second = model.graph.outputs[:2]
    first.name, second.name = "passing", "y"
    first.name = "second"
    model.graph.outputs[0], model.graph.outputs[1] = second, first
    return "y"


@broken()
def input_dropped(model: ir.Model) -> str:
    """z is no longer asked for."""
    value = model.graph.inputs.pop(1)
    constant = initializer("z", np.zeros((1, 4), np.float32))
    model.graph.register_initializer(constant)
    value.replace_all_uses_with(constant)
    return "second"


@broken()
def input_renamed(model: ir.Model) -> str:
    """x is called z2."""
    model.graph.inputs[1].name = "z2"
    return "second"


@broken()
def batch_frozen(model: ir.Model) -> str:
    """N = 2 in the signature."""
    model.graph.inputs[0].shape = ir.Shape([2, 4])
    return "y"


@broken()
def two_values_of_one_name(model: ir.Model) -> str:
    """Two nodes make y."""
    extra = ir.node("Neg", [model.graph.inputs[0]])
    extra.outputs[0].name = "y"
    model.graph.insert_before(_node(model, "Relu"), extra)
    return "y"


@broken()
def cyclic(model: ir.Model) -> str:
    """y = Relu(y + x)."""
    relu = _node(model, "Relu")
    extra = ir.node("Add", [relu.outputs[0], model.graph.inputs[0]])
    extra.outputs[0].name = "round"
    model.graph.insert_before(relu, extra)
    relu.replace_input_with(0, extra.outputs[0])
    return "y"


@broken()
def taken_from_nowhere(model: ir.Model) -> str:
    """Relu of a value that nothing makes."""
    _node(model, "Relu").replace_input_with(0, ir.Value(name="nowhere"))
    return "y"


@broken()
def invalid_attribute(model: ir.Model) -> str:
    """Relu has no axis."""
    _node(model, "Relu").attributes.add(ir.AttrInt64("axis", 3))
    return "y"


@broken()
def unknown_op(model: ir.Model) -> str:
    """Relu2 is no operator."""
    _node(model, "Relu").op_type = "Relu2"
    return "y"


@broken()
def domain_not_imported(model: ir.Model) -> str:
    """An operator set that the model does not import."""
    _node(model, "Relu").domain = "elsewhere"
    return "y"


@broken()
def operator_set_lost(model: ir.Model) -> str:
    """The standard operators are no longer imported."""
    del model.opset_imports[""]
    return "y"


@broken(host("float[N,3,4] x", "float[N,3,4] y", "y = Softmax(x)", opset=13))
def operator_set_with_another_meaning(model: ir.Model) -> str:
    """Softmax of opset 13 = Softmax of opset 11, which flattens."""
    model.opset_imports[""] = 11
    model.graph.opset_imports[""] = 11
    return "y"


@broken(NESTED)
def constant_changed_under_its_name(model: ir.Model) -> str:
    """w is another w."""
    value = model.graph.initializers["w"]
    value.const_value = ir.tensor(weights(4, seed=99), name="w")
    return "y"


@broken(host("float[N,4] x", "float[N,4] y", "y = Mul(x, w)", w=weights(4)))
def constant_retyped_in_the_last_bit(model: ir.Model) -> str:
    """w = w(1 + ε)."""
    value = model.graph.initializers["w"]
    value.const_value = ir.tensor(np.nextafter(weights(4), np.float32(9)), name="w")
    return "y"


@broken(IF)
def missing_capture(model: ir.Model) -> str:
    """A branch takes a value that the outer graph does not make."""
    _node(model, "Neg").replace_input_with(0, ir.Value(name="nowhere"))
    return "y"


@broken()
def raises(model: ir.Model) -> str:
    """A pass that fails half-way, when the model is changed already."""
    _node(model, "Relu").op_type = "Neg"
    raise RuntimeError("the rule gave up")


@broken()
def says_nothing(model: ir.Model) -> str:
    """A change under another site than its own."""
    _node(model, "Relu").op_type = "Neg"
    return "no such value"


def _mutates(node: ir.Node, draft: Draft) -> object:
    del draft
    node.op_type = "Abs"


def _grows(node: ir.Node, draft: Draft) -> object:
    return draft("Neg", draft("Neg", draft("Neg", node.inputs[0])))


def _stuffed(node: ir.Node, draft: Draft) -> object:
    return draft("Relu", draft.constant("no tensor", np.str_))


def _whole(name: str, anchor: str, mistake: Callable[[ir.Node, Draft], object], rounds: int = 1) -> None:
    rule = WrongRule(name, frozenset({anchor}), mistake)

    def make() -> Pass:
        return pass_of(rule, IDENTITY_OF_IDENTITY, rounds=rounds)

    FAULTS[name] = Fault(name, PLAIN, make, broken=True)


_whole("changes-while-matching", "Relu", _mutates)
_whole("relu-of-a-string", "Relu", _stuffed)
