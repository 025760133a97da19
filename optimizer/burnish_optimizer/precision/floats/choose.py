"""Which nodes become narrow: all that may, without those that must not, and with few casts between. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import onnx_ir as ir

from burnish_optimizer.precision.floats.rules import Facts, makers, must_be_exact, reason
from burnish_optimizer.precision.floats.slots import Slots, slots
from burnish_optimizer.rewrite.values import dtype, op_key, site_name, tensor
from burnish_optimizer.rewrite.walk import nodes_of

# Worth a cast: their arithmetic is what narrow types are for.
WEIGHTED = frozenset({"Attention", "Conv", "ConvTranspose", "Einsum", "GRU", "Gemm", "LSTM", "MatMul", "RNN"})
FEW_CASTS = "its neighbours keep FP32"


@dataclass
class Choice:
    """narrow: by id of the node, what of it becomes narrow.   kept: why others stay, by name."""

    narrow: dict[int, Slots] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)


def choose(model: ir.Model, kind: ir.DataType, facts: Facts) -> Choice:
    """For nodes that compute with FLOAT, in all graphs of the model."""
    chosen, exact = Choice(), list[ir.Value]()
    nodes = [node for node in nodes_of(model.graph) if _is_float(node)]
    for node in nodes:
        found = slots(node, kind, model.opset_imports)
        why = found if isinstance(found, str) else reason(node, found, facts)
        if isinstance(found, str) or why:
            chosen.kept[name_of(node)] = why
        else:
            chosen.narrow[id(node)] = found
        exact += must_be_exact(node, why)
    ids = makers(exact)
    for node in nodes:
        if id(node) in ids and chosen.narrow.pop(id(node), None) is not None:
            chosen.kept[name_of(node)] = "an index, a size or a large angle is made of it"
    for node in _with_fewer_casts(nodes, chosen.narrow):
        chosen.kept[name_of(node)] = FEW_CASTS
    return chosen


def name_of(node: ir.Node) -> str:
    """What reports call a node."""
    return node.name or site_name(node)


def _is_float(node: ir.Node) -> bool:
    return op_key(node) != "Constant" and any(
        dtype(value) == ir.DataType.FLOAT for value in (*node.inputs, *node.outputs) if value is not None
    )


def _with_fewer_casts(nodes: Iterable[ir.Node], narrow: dict[int, Slots]) -> Iterator[ir.Node]:
    """Nodes that go back to FP32, where that takes casts away: never one that narrow types are for."""
    light = [node for node in nodes if op_key(node) not in WEIGHTED]
    while True:
        back = [node for node in light if id(node) in narrow and _saves(node, narrow)]
        if not back:
            return
        yield from back


def _saves(node: ir.Node, narrow: dict[int, Slots]) -> bool:
    """Take the node back if that leaves fewer casts of what it takes and makes."""
    own = narrow[id(node)]
    values = {id(v): v for v in own.values(node) if tensor(v) is None}
    before = sum(_casts(value, narrow) for value in values.values())
    del narrow[id(node)]
    after = sum(_casts(value, narrow) for value in values.values())
    if after < before:
        return True
    narrow[id(node)] = own
    return False


def _casts(value: ir.Value, narrow: dict[int, Slots]) -> int:
    """1 where some take the value in another type than it is made in."""
    maker = value.producer()
    made = maker is not None and id(maker) in narrow and value.index() in narrow[id(maker)].outputs
    taken = {id(use.node) in narrow and use.idx in narrow[id(use.node)].inputs for use in value.uses()}
    if value.is_graph_output():
        taken.add(False)
    return int((not made) in taken)
