"""A graph in numbers, for reports."""

import onnx_ir as ir

from burnish_engine.report import GraphFacts
from burnish_optimizer.rewrite.walk import constants, graphs_of, op_counts


def graph_facts(model: ir.Model) -> GraphFacts:
    """Nodes (those of subgraphs and functions too), weights (Constant nodes too) and their bytes."""
    ops = op_counts(model)
    graphs = tuple(graphs_of(model.graph))
    weights = list(constants(model))
    return GraphFacts(
        nodes=sum(ops.values()),
        ops=ops,
        initializers=sum(len(g.initializers) for g in graphs),
        parameters=sum(w.size for w in weights if w.dtype.is_floating_point()),
        size_bytes=sum(w.nbytes for w in weights if w.dtype != ir.DataType.STRING),
        opset=model.opset_imports.get("", 0),
    )
