"""Memory of activations, by a walk over the nodes in their order. Pure.

A value is alive from the node that makes it to the last that takes it; outputs to the end; inputs from
the beginning. While a node runs, what it takes, what it makes and the most of its subgraphs are alive.
"""

import math

import onnx_ir as ir

from burnish_optimizer.inspection.flops import known
from burnish_optimizer.inspection.records import Memory
from burnish_optimizer.rewrite.values import dtype, op_key
from burnish_optimizer.rewrite.walk import constants, needs, subgraphs


def memory(model: ir.Model, run: ir.Model | None = None) -> Memory:
    """Weights, and the peak of activations. `run`: the same model as one run takes it, with known shapes."""
    peak, where, unknown = _peak((run or model).graph)
    weights = sum(tensor.nbytes for tensor in constants(model))
    return Memory(weights_bytes=weights, peak_activation_bytes=peak, peak_at=where, unknown=unknown)


def size_bytes(value: ir.Value) -> int | None:
    """Bytes of a value; None where its shape or type is not known."""
    dims, kind = known(value), dtype(value)
    if dims is None or kind is None or kind in (ir.DataType.STRING, ir.DataType.UNDEFINED):
        return None
    return math.ceil(math.prod(dims) * kind.itemsize)


def _peak(graph: ir.Graph) -> tuple[int, str, int]:
    last = _last_uses(graph)
    entries = [v for v in graph.inputs if v.name not in graph.initializers]
    alive = {id(value): size_bytes(value) or 0 for value in entries}
    unknown = sum(size_bytes(value) is None for value in entries)
    now = peak = sum(alive.values())
    where = "inputs"
    for position, node in enumerate(graph):
        if op_key(node) == "Constant":
            continue  # counted as a weight
        for value in node.outputs:
            bytes_ = size_bytes(value) if value.name else 0
            unknown += bytes_ is None
            alive[id(value)] = bytes_ or 0
            now += bytes_ or 0
        inner = [_peak(held) for held in subgraphs(node)]
        unknown += sum(each[2] for each in inner)
        most = now + max((each[0] for each in inner), default=0)
        if most > peak:
            peak, where = most, f"{op_key(node)} {node.outputs[0].name if node.outputs else node.name}"
        for key in [id(v) for v in (*needs(node), *node.outputs) if last.get(id(v), -1) <= position]:
            now -= alive.pop(key, 0)
    return peak, where, unknown


def _last_uses(graph: ir.Graph) -> dict[int, int]:
    """The position of the last node that takes a value; outputs of the graph: past the end."""
    last: dict[int, int] = {}
    count = 0
    for position, node in enumerate(graph):
        last.update((id(value), position) for value in needs(node))
        count += 1
    last.update((id(value), count) for value in graph.outputs)
    return last
