"""The model as one run takes it: an If of the main graph gives way to the branch that its inputs choose."""

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir

from burnish_engine.report import Guarantee
from burnish_optimizer.gates.execute import Executable, Feeds
from burnish_optimizer.gates.extract import with_outputs
from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.cleanup_control import IfKnown
from burnish_optimizer.rewrite.driver import RulePass
from burnish_optimizer.rewrite.values import initializer, op_key
from burnish_optimizer.targets.kernels import PORTABLE

DEEPEST = 8
CHOOSE = RulePass("take-branches", Guarantee.EXACT, "If(c, f, g) → f where c is true", (IfKnown(),))


def taken(proto: onnx.ModelProto, feeds: Feeds, base: Path, threads: int) -> tuple[onnx.ModelProto, bool]:
    """The model without the Ifs of its main graph, and whether there were any.

    Raises: whatever ONNX Runtime raises: the model does not run on these feeds.
    """
    found = False
    for depth in range(DEEPEST):
        model = ir.from_proto(proto)
        conditions = {v.name or "": v for v in _conditions(model)}
        if not conditions:
            break
        found = True
        _fix(model, depth, conditions, _values(proto, list(conditions), feeds, base, threads))
        CHOOSE.apply(model, Scope(PORTABLE))
        proto = ir.to_proto(model)
    return proto, found


def _conditions(model: ir.Model) -> list[ir.Value]:
    inputs = [node.inputs[0] for node in model.graph if op_key(node) == "If"]
    return [value for value in inputs if value is not None]


def _values(
    proto: onnx.ModelProto, names: list[str], feeds: Feeds, base: Path, threads: int
) -> dict[str, bool]:
    inner = [name for name in names if name not in feeds]
    session = Executable(with_outputs(proto, inner), base, threads)
    found = {**feeds, **(session.run(feeds, inner) if inner else {})}
    return {name: bool(np.all(found[name])) for name in names}


def _fix(model: ir.Model, depth: int, conditions: dict[str, ir.Value], values: dict[str, bool]) -> None:
    """Constants in the place of conditions, where an If of the main graph reads them."""
    for position, node in enumerate(n for n in model.graph if op_key(n) == "If"):
        name = next(key for key, value in conditions.items() if value is node.inputs[0])
        constant = initializer(f"burnish/condition.{depth}.{position}", np.array(values[name]))
        model.graph.register_initializer(constant)
        node.replace_input_with(0, constant)
