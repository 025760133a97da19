"""What can be folded: connected nodes that depend on constants alone, and what of them the rest reads."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import onnx_ir as ir

from burnish_optimizer.passes.contract import Scope
from burnish_optimizer.rewrite.cleanup_duplicates import deterministic
from burnish_optimizer.rewrite.shapes import static
from burnish_optimizer.rewrite.values import STANDARD, tensor
from burnish_optimizer.rewrite.walk import subgraphs

RULE = "fold-constants"
# The most that one step may hold in memory, whatever it gives in the end.
WORKING_BYTES = 256 << 20
# A quantized weight stays quantized: the pair is what integer kernels are chosen by.
KEPT = frozenset({"Constant", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"})
# Their outputs may be larger than their inputs: without a known shape they are not tried.
INFLATING = frozenset(
    {"ConstantOfShape", "EyeLike", "Expand", "OneHot", "Pad", "Range", "Resize", "Tile", "Upsample"}
)


@dataclass
class Island:
    """Connected nodes of one graph that depend on constants alone.

    frontier: their values that the rest of the graph reads.
    """

    nodes: list[ir.Node] = field(default_factory=list)
    frontier: list[ir.Value] = field(default_factory=list)

    @property
    def site(self) -> str:
        """What an exclusion names."""
        return self.frontier[0].name or ""


def freed_bytes(island: Island) -> int:
    """Bytes of constants that only this island reads."""
    own = {id(node) for node in island.nodes}
    read = {value for node in island.nodes for value in node.inputs if value is not None}
    return sum(
        held.nbytes
        for value in read
        if (held := tensor(value)) is not None and all(id(use.node) in own for use in value.uses())
    )


def islands_of(graph: ir.Graph, scope: Scope) -> list[Island]:
    """Grown until what leaves each island is a tensor of a size that may be kept."""
    banned: set[ir.Node] = set()
    while True:
        chosen = _chosen(graph, scope, banned)
        islands = _connected(chosen)
        wrong = {value.producer() for island in islands for value in _misfits(island, scope)}
        wrong |= {n for i in islands if any(v.name in scope.excluded for v in i.frontier) for n in i.nodes}
        if not wrong:
            return islands
        banned |= {node for node in wrong if node is not None}


def _chosen(graph: ir.Graph, scope: Scope, banned: set[ir.Node]) -> list[ir.Node]:
    found: list[ir.Node] = []
    known: set[ir.Value] = set()
    for node in graph:
        if node not in banned and _foldable(node, known) and _fits(node, scope):
            found.append(node)
            known.update(node.outputs)
    return found


def _foldable(node: ir.Node, known: set[ir.Value]) -> bool:
    if node.domain not in STANDARD or node.op_type in KEPT or not deterministic(node):
        return False
    for value in node.inputs:  # first: it is what most nodes are left alone for
        if value is not None and value not in known and tensor(value) is None:
            return False
    if any(a.is_ref() for a in node.attributes.data.values()) or subgraphs(node):
        return False
    # An Identity that gives a constant away is a Constant by another name.
    return not (node.op_type == "Identity" and node.outputs[0].is_graph_output())


def _fits(node: ir.Node, scope: Scope) -> bool:
    sizes = [_estimate(value) for value in node.outputs]
    if any(size is not None and size > WORKING_BYTES for size in sizes):
        scope.decline(RULE, "a step of it is too large to be computed here")
        return False
    return node.op_type not in INFLATING or None not in sizes


def _estimate(value: ir.Value) -> int | None:
    """Bytes, where the shape is known; 0 for what nothing reads."""
    shape = static(value)
    if not value.name:
        return 0
    if shape is None or value.dtype is None:
        return None
    count = 1
    for size in shape:
        count *= size
    return count * max(1, value.dtype.bitwidth if value.dtype != ir.DataType.STRING else 8) // 8


def _connected(chosen: list[ir.Node]) -> list[Island]:
    parents: dict[ir.Node, ir.Node] = {node: node for node in chosen}

    def find(node: ir.Node) -> ir.Node:
        while parents[node] is not node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    for node in chosen:
        for value in node.inputs:
            maker = value.producer() if value is not None else None
            if maker in parents and maker is not None:
                parents[find(maker)] = find(node)
    islands: dict[ir.Node, Island] = defaultdict(Island)
    for node in chosen:
        island = islands[find(node)]
        island.nodes.append(node)
        island.frontier += [v for v in node.outputs if _leaves(v, parents)]
    return [island for island in islands.values() if island.frontier]


def _leaves(value: ir.Value, inside: dict[ir.Node, ir.Node]) -> bool:
    return value.is_graph_output() or any(use.node not in inside for use in value.uses())


def _misfits(island: Island, scope: Scope) -> Iterable[ir.Value]:
    """Values that cannot become a constant: no tensors, or more bytes than the model may grow by."""
    room = freed_bytes(island) + scope.size_limit_bytes
    for value in island.frontier:
        size = _estimate(value)
        if value.type is not None and not isinstance(value.type, ir.TensorType):
            yield value
        elif size is not None and size > room:
            scope.decline(RULE, "the result is larger than what it replaces")
            yield value
