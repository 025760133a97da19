"""A graph in numbers, for reports."""

from collections import Counter

import onnx_ir as ir

from burnish_engine.report import GraphFacts
from burnish_optimizer.inspection.walk import constants
from burnish_optimizer.rewrite.values import op_key


def graph_facts(model: ir.Model) -> GraphFacts:
    """Nodes (those of subgraphs and functions too), weights (Constant nodes too) and their bytes."""
    inner = [model.graph, *(f.graph for f in model.functions.values())]
    ops = Counter(op_key(node) for graph in inner for node in ir.traversal.RecursiveGraphIterator(graph))
    graphs = (model.graph, *model.graph.subgraphs())
    weights = list(constants(model))
    return GraphFacts(
        nodes=sum(ops.values()),
        ops=dict(ops.most_common()),
        initializers=sum(len(g.initializers) for g in graphs),
        parameters=sum(w.size for w in weights if w.dtype.is_floating_point()),
        size_bytes=sum(w.nbytes for w in weights if w.dtype != ir.DataType.STRING),
        opset=model.opset_imports.get("", 0),
    )
