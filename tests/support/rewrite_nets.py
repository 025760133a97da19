"""Small nets, wrong and right passes on them, and a count of what runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import onnx
import onnx_ir as ir

from burnish_engine.report import Guarantee
from burnish_optimizer.gates.capture import Captures
from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.gates.judge import Evidence, Judge
from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.driver import RulePass
from burnish_optimizer.rewrite.rule import Replacement


def parsed(body: str, signature: str = "(float[N,4] x) => (float[N,4] y)", opset: int = 20) -> ir.Model:
    """A model with one graph."""
    text = f'<ir_version: 9, opset_import: ["" : {opset}]> g {signature} {{ {body} }}'
    return ir.from_proto(onnx.parser.parse_model(text))


def judge_of(model: ir.Model, feeds: list[dict[str, Any]], small: dict[str, Any] | None = None) -> Judge:
    """A judge by these inputs. Args: small: smaller ones than those."""
    proto = ir.serde.serialize_model(model)
    less = [Captures(proto, lambda: [small], None, 1, declared=False)] if small else []
    evidence = Evidence([*less, Captures(proto, lambda: feeds, None, 1)])
    return Judge(lambda: evidence)


class _Drop:
    """op(x) → x."""

    def __init__(self, op: str) -> None:
        self.name, self.anchors = f"drop-{op}", frozenset({op})

    def match(self, node: ir.Node, scope: Scope) -> Replacement | None:
        del scope
        taken = node.inputs[0]
        return Replacement([node.outputs[0]], [taken]) if taken is not None else None


def drop(op: str, name: str) -> RulePass:
    """Drops every node of an operator: right for Identity, wrong for most."""
    return RulePass(name, Guarantee.EXACT, f"{op}(x) → x", (_Drop(op),))


@contextmanager
def counted_runs() -> Iterator[list[str]]:
    """The runs of models in ONNX Runtime meanwhile, one entry each."""
    runs: list[str] = []
    run = Executable.run

    def counted(self: Executable, *args: object, **options: object) -> object:
        runs.append(",".join(self.outputs))
        return run(self, *args, **options)  # type: ignore[arg-type]

    with mock.patch.object(Executable, "run", counted):
        yield runs
