"""Rules that are wrong on purpose: what the gate has to catch.

Each is a function under `@wrong`: its docstring is the false equation, and the little host model beside it
has one place where it fires. Every host carries a second, unrelated place where a *right* rule fires
(`Identity(Identity(x)) = Identity(x)`), which must survive when the wrong one is rolled back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx import numpy_helper

from burnish_engine.report import Guarantee
from burnish_optimizer.passes.contract import Pass, Scope
from burnish_optimizer.rewrite.driver import RulePass
from burnish_optimizer.rewrite.rule import Replacement, Rule
from burnish_optimizer.rewrite.values import initializer

EXACT, ROUNDING = Guarantee.EXACT, Guarantee.ROUNDING
RIGHT = "identity-of-identity"
PASS = "wrong-on-purpose"


@dataclass(frozen=True)
class Host:
    """A small model in ONNX's own text. arrays: initializers by name; `side` is added by `build`."""

    inputs: str
    outputs: str
    body: str
    arrays: Mapping[str, Any] = field(default_factory=dict)
    opset: int = 21

    def build(self) -> onnx.ModelProto:
        """The checked model: the body, and `side = Identity(Identity(first input))`."""
        kind, name = self.inputs.split(", ")[0].split(" ")
        side = f"halfway = Identity({name}) side = Identity(halfway)"
        outputs = ", ".join(part for part in (self.outputs, f"{kind} side") if part)
        imports = f'"" : {self.opset}, "com.microsoft" : 1'
        text = f"<ir_version: 10, opset_import: [{imports}]> host ({self.inputs}) => ({outputs})"
        model = onnx.parser.parse_model(f"{text} {{ {self.body} {side} }}")
        model.graph.initializer.extend(
            numpy_helper.from_array(np.asarray(array), name) for name, array in self.arrays.items()
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def host(inputs: str, outputs: str, body: str, opset: int = 21, **arrays: Any) -> Host:
    """See `Host`."""
    return Host(inputs, outputs, body, arrays, opset)


def weights(*dims: int, seed: int = 7, dtype: Any = np.float32) -> np.ndarray[Any, Any]:
    """Random numbers, none of which is like another."""
    return np.random.default_rng(seed).normal(0, 1, dims).astype(dtype)


def spread(*dims: int, seed: int = 8) -> np.ndarray[Any, Any]:
    """Random positive numbers, as variances are."""
    return np.random.default_rng(seed).uniform(0.3, 3, dims).astype(np.float32)


def ints(*values: int) -> np.ndarray[Any, Any]:
    """int64 [n], as shapes and axes are."""
    return np.array(values, np.int64)


class Draft:
    """The nodes of a replacement, one call a node."""

    def __init__(self) -> None:
        self.nodes: list[ir.Node] = []
        self.constants: list[ir.Value] = []

    def __call__(self, op: str, *inputs: ir.Value | None, domain: str = "", **attributes: Any) -> ir.Value:
        """A node of one output."""
        return self.node(op, inputs, attributes, domain=domain).outputs[0]

    def node(
        self,
        op: str,
        inputs: Sequence[ir.Value | None],
        attributes: Mapping[str, Any],
        *,
        outputs: int = 1,
        domain: str = "",
    ) -> ir.Node:
        """A node."""
        made = ir.node(op, list(inputs), attributes=dict(attributes), num_outputs=outputs, domain=domain)
        self.nodes.append(made)
        return made

    def again(
        self, node: ir.Node, op: str = "", inputs: Sequence[ir.Value | None] = (), **changed: Any
    ) -> tuple[ir.Value, ...]:
        """The same node, but for what is named. An attribute that is None is left out."""
        merged = {name: changed.get(name, attribute) for name, attribute in node.attributes.items()}
        merged |= {name: value for name, value in changed.items() if name not in merged}
        kept = {name: value for name, value in merged.items() if value is not None}
        count = len(node.outputs)
        made = self.node(op or node.op_type, inputs or node.inputs, kept, outputs=count, domain=node.domain)
        return tuple(made.outputs)

    def constant(self, value: Any, dtype: Any = np.float32) -> ir.Value:
        """A new initializer."""
        made = initializer("wrong", np.asarray(value, dtype))
        self.constants.append(made)
        return made


Mistake = Callable[[ir.Node, Draft], Any]


@dataclass(frozen=True)
class WrongRule:
    """A mistake as a rule: what it gives takes the place of the node's outputs."""

    name: str
    anchors: frozenset[str]
    mistake: Mistake

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        """See `Rule.match`."""
        del scope
        draft = Draft()
        given = self.mistake(node, draft)
        if given is None:
            return None
        values = [given] if isinstance(given, ir.Value) else list(given)
        return Replacement(
            old_values=list(node.outputs[: len(values)]),
            new_values=values,
            nodes=draft.nodes,
            initializers=draft.constants,
            domains=(("com.microsoft", 1),),
        )


@dataclass(frozen=True)
class Fault:
    """A wrong pass and a model on which it fires.

    broken: the model that comes out is not even valid, so that only the whole pass can be undone.
    """

    name: str
    host: Host
    make: Callable[[], Pass]
    broken: bool = False


FAULTS: dict[str, Fault] = {}


def wrong(anchor: str, model: Host, claims: Guarantee = EXACT) -> Callable[[Mistake], Mistake]:
    """Register a mistake, named after its function, beside the right rule in one pass."""

    def register(mistake: Mistake) -> Mistake:
        name = mistake.__name__.replace("_", "-")
        rule = WrongRule(name, frozenset({anchor}), mistake)
        FAULTS[name] = Fault(name, model, lambda: pass_of(rule, IDENTITY_OF_IDENTITY, claims=claims))
        return mistake

    return register


def pass_of(*rules: Rule, claims: Guarantee = EXACT, rounds: int = 1) -> RulePass:
    """One pass of some rules. One round: a mistake that is made twice may undo itself."""
    return RulePass(PASS, claims, "right = wrong", rules, rounds=rounds)


def _identity_of_identity(node: ir.Node, draft: Draft) -> ir.Value | None:
    """Identity(Identity(x)) = Identity(x)."""
    inner = node.inputs[0].producer() if node.inputs[0] is not None else None
    if inner is None or inner.op_type != "Identity":
        return None
    return draft("Identity", inner.inputs[0])


IDENTITY_OF_IDENTITY = WrongRule(RIGHT, frozenset({"Identity"}), _identity_of_identity)
