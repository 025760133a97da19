"""Rewrite reports and the models around them, for tests that do not care who rewrote."""

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper

from burnish_engine.report import (
    GateResult,
    GraphFacts,
    Guarantee,
    PassReport,
    RewriteReport,
    RolledBack,
    RuleReport,
)


def facts(nodes: int, ops: dict[str, int], size_bytes: int = 3 << 20) -> GraphFacts:
    """Facts of a graph with these op counts."""
    return GraphFacts(
        nodes=nodes, ops=ops, initializers=4, parameters=1_500_000, size_bytes=size_bytes, opset=17
    )


def report(name: str = "net.onnx", *, word: str = "", unproven: str = "") -> RewriteReport:
    """A report that has everything: kept, rolled back, declined. `word` is put where files name things."""
    fused = PassReport(
        name="fuse-hard-swish",
        guarantee=Guarantee.ROUNDING,
        applied=True,
        reason="94 changes kept",
        equation="x · Clip(x + 3, 0, 6) / 6 → HardSwish(x)",
        changes=(
            RuleReport(
                rule="hard-swish",
                changes=94,
                removed={"Add": 94, "Clip": 94, "Div": 94, "Mul": 94},
                added={"HardSwish": 94},
                sites=(f"p2o.Mul.1{word}", "p2o.Mul.3"),
            ),
            RuleReport(rule="hard-sigmoid", changes=2, removed={"Clip": 2}, added={"HardSigmoid": 2}),
        ),
        declined={f"hard-swish: the Clip has other users{word}": 3},
        gates=(
            GateResult(name="numbers", passed=True, found="94 regions within their bounds", expected="all"),
        ),
        nodes_before=400,
        nodes_after=118,
        seconds=2.0,
        gate_seconds=1.5,
    )
    undone = PassReport(
        name="drop-dead-nodes",
        guarantee=Guarantee.EXACT,
        applied=False,
        reason=f"rolled back{word}",
        rolled_back=(RolledBack(rule="swallow", site=f"y{word}", evidence=f"3 of 12 elements differ{word}"),),
        gates=(GateResult(name="bytes", passed=False, found="3 differ", expected="none"),),
        nodes_before=118,
        nodes_after=118,
        seconds=0.05,
    )
    return RewriteReport(
        source=name,
        source_digest="sha256:" + "5" * 64,
        target="portable",
        before=facts(400, {"Add": 94, "Clip": 96, "Div": 94, "Mul": 94, "Conv": 20, f"Odd{word}": 2}),
        after=facts(118, {"HardSwish": 94, "HardSigmoid": 2, "Conv": 20, f"Odd{word}": 2}, 2 << 20),
        passes=(fused, undone),
        gates=(GateResult(name="whole model", passed=True, found="6 of 6 probes", expected="all"),),
        probes=("batch 1, normal", f"batch 2, normal{word}"),
        unproven=unproven,
        environment={"version.onnx": "1.23"},
        seconds=2.5,
        gate_seconds=1.5,
        peak_memory_bytes=200 << 20,
    )


def net(*, fused: bool, blocks: int = 4) -> onnx.ModelProto:
    """x [N,8] → blocks of (MatMul, HardSwish in four ops or in one, residual Add) → y."""
    nodes, last = [], "x"
    for i in range(blocks):
        nodes.append(helper.make_node("MatMul", [last, "w"], [f"m{i}"]))
        if fused:
            nodes.append(helper.make_node("HardSwish", [f"m{i}"], [f"s{i}"]))
        else:
            nodes += [
                helper.make_node("Add", [f"m{i}", "three"], [f"a{i}"]),
                helper.make_node("Clip", [f"a{i}", "zero", "six"], [f"c{i}"]),
                helper.make_node("Div", [f"c{i}", "six"], [f"d{i}"]),
                helper.make_node("Mul", [f"m{i}", f"d{i}"], [f"s{i}"]),
            ]
        out = "y" if i == blocks - 1 else f"r{i}"
        nodes.append(helper.make_node("Add", [f"s{i}", last], [out]))
        last = out
    weights = {"w": np.full((8, 8), 0.1), "three": np.array(3.0), "zero": np.array(0.0), "six": np.array(6.0)}
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 8])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def models() -> tuple[ir.Model, ir.Model]:
    """`net` before and after fusion."""
    return ir.from_proto(net(fused=False)), ir.from_proto(net(fused=True))
