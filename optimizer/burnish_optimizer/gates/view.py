"""A model as gates read it: nodes by the names of what they make, constants, who takes what."""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

import onnx_ir as ir

from burnish_optimizer.rewrite.values import STANDARD, site_name
from burnish_optimizer.rewrite.walk import nodes_of, subgraphs

Identifier = tuple[str, str, str]


@dataclass
class View:
    """One side: top-level nodes by output name, constants by name, who uses what, nodes' places in order.

    bodies: what the model's own functions do.
    """

    graph: ir.Graph
    nodes: dict[str, ir.Node] = field(default_factory=dict)
    producers: dict[str, str] = field(default_factory=dict)
    constants: dict[str, ir.TensorProtocol] = field(default_factory=dict)
    inputs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    opsets: dict[str, int] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    bodies: dict[Identifier, Hashable] = field(default_factory=dict)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the graph's outputs."""
        return tuple(v.name or "" for v in self.graph.outputs)

    def any_body(self, keys: Iterable[str]) -> bool:
        """Whether any of these nodes holds a graph."""
        return any(True for key in keys for _ in subgraphs(self.nodes[key]))


def view(model: ir.Model) -> View:
    """Index the main graph; `Constant` nodes count as constants."""
    made = View(model.graph, opsets=dict(model.opset_imports), bodies=_bodies(model))
    overridable = {v.name for v in model.graph.inputs}
    for name, value in model.graph.initializers.items():
        if value.const_value is not None and name not in overridable:
            made.constants[name] = value.const_value
    for node in model.graph:
        tensor = constant_of(node)
        if tensor is not None:
            made.constants[node.outputs[0].name or ""] = tensor
            continue
        key = key_of(node)
        made.places[key] = len(made.nodes)
        made.nodes[key] = node
        made.inputs[key] = tuple(dict.fromkeys(used_names(node)))
        for value in node.outputs:
            if value.name:
                made.producers[value.name] = key
    return made


def _bodies(model: ir.Model) -> dict[Identifier, Hashable]:
    """Functions as they are written, and those that they call."""
    written = {key: ir.serde.serialize_function(f) for key, f in model.functions.items()}
    own = {key: proto.SerializeToString(deterministic=True) for key, proto in written.items()}
    return {key: tuple(own[k] for k in sorted(_called(key, model))) for key in own}


def _called(key: Identifier, model: ir.Model) -> set[Identifier]:
    """A function and those that it cannot do without."""
    found, waiting = set[Identifier](), [key]
    while waiting:
        one = waiting.pop()
        if one in model.functions and one not in found:
            found.add(one)
            waiting += [node.op_identifier() for node in nodes_of(model.functions[one])]
    return found


def key_of(node: ir.Node) -> str:
    """A node's identity: its first named output."""
    return site_name(node) or node.name or f"node-{id(node)}"


def used_names(node: ir.Node) -> Iterable[str]:
    """Names of the values of the outer graph that a node takes, those its subgraphs capture included."""
    names = [v.name for v in node.inputs if v is not None and v.name]
    return chain(names, _captured(node)) if subgraphs(node) else names


def _captured(node: ir.Node) -> Iterator[str]:
    for graph in subgraphs(node):
        inner = {v.name for v in graph.inputs} | set(graph.initializers)
        for child in graph:
            yield from (name for name in used_names(child) if name not in inner)
            inner |= {v.name for v in child.outputs}
        yield from (v.name for v in graph.outputs if v.name and v.name not in inner)


def constant_of(node: ir.Node) -> ir.TensorProtocol | None:
    """The tensor that a `Constant` node holds; None where it is none."""
    if node.op_type != "Constant" or node.domain not in STANDARD:
        return None
    value = node.attributes.get("value")
    if value is not None and value.type == ir.AttributeType.TENSOR and not value.is_ref():
        return value.value  # type: ignore[no-any-return] # (checked against a protocol, `as_tensor` is slow)
    return ir.convenience.get_const_tensor(node.outputs[0])
