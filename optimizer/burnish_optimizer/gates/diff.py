"""What a pass changed: regions of nodes that differ, between values that both graphs have."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import onnx_ir as ir

from burnish_optimizer.rewrite.values import site_name
from burnish_optimizer.rewrite.walk import subgraphs

DIGEST_LIMIT_BYTES = 1 << 20
Signature = tuple[Any, ...]


@dataclass(frozen=True)
class Region:
    """Nodes that changed together, by the names of their first outputs, and the values that leave them."""

    before: frozenset[str]
    after: frozenset[str]
    outputs: tuple[str, ...]
    names: frozenset[str]


@dataclass
class View:
    """One side: top-level nodes by output name, constants by name, who uses what."""

    graph: ir.Graph
    nodes: dict[str, ir.Node] = field(default_factory=dict)
    producers: dict[str, str] = field(default_factory=dict)
    constants: dict[str, ir.TensorProtocol] = field(default_factory=dict)
    inputs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    opsets: dict[str, int] = field(default_factory=dict)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the graph's outputs."""
        return tuple(v.name or "" for v in self.graph.outputs)


def view(model: ir.Model) -> View:
    """Index the main graph; `Constant` nodes count as constants."""
    made = View(model.graph, opsets=dict(model.opset_imports))
    overridable = {v.name for v in model.graph.inputs}
    for name, value in model.graph.initializers.items():
        if value.const_value is not None and name not in overridable:
            made.constants[name] = value.const_value
    for node in model.graph:
        tensor = _constant(node)
        if tensor is not None:
            made.constants[node.outputs[0].name or ""] = tensor
            continue
        key = key_of(node)
        made.nodes[key] = node
        made.inputs[key] = tuple(dict.fromkeys(used_names(node)))
        made.producers.update({v.name: key for v in node.outputs if v.name})
    return made


def regions(before: View, after: View) -> tuple[Region, ...]:
    """Connected changes. Empty where every node of the one is a node of the other."""
    changed = _changed(before, after)
    groups = _groups(before, after, changed)
    kept_uses = {n for key, names in after.inputs.items() if key not in changed[1] for n in names}
    leaving = kept_uses | set(after.outputs)
    return tuple(_region((before, after), (old, new), leaving) for old, new in groups)


def key_of(node: ir.Node) -> str:
    """A node's identity: its first named output."""
    return site_name(node) or node.name or f"node-{id(node)}"


def used_names(node: ir.Node) -> Iterator[str]:
    """Names of the values of the outer graph that a node takes, those its subgraphs capture included."""
    yield from (v.name for v in node.inputs if v is not None and v.name)
    for graph in subgraphs(node):
        inner = {v.name for v in graph.inputs} | set(graph.initializers)
        for child in graph:
            yield from (name for name in used_names(child) if name not in inner)
            inner |= {v.name for v in child.outputs}
        yield from (v.name for v in graph.outputs if v.name and v.name not in inner)


def _constant(node: ir.Node) -> ir.TensorProtocol | None:
    if node.op_type != "Constant" or node.domain not in ("", "ai.onnx"):
        return None
    return ir.convenience.get_const_tensor(node.outputs[0])


def _changed(before: View, after: View) -> tuple[set[str], set[str]]:
    old = {key: _signature(node, before, after) for key, node in before.nodes.items()}
    new = {key: _signature(node, after, before) for key, node in after.nodes.items()}
    return (
        {key for key, signature in old.items() if new.get(key) != signature},
        {key for key, signature in new.items() if old.get(key) != signature},
    )


def _groups(
    before: View, after: View, changed: tuple[set[str], set[str]]
) -> Iterable[tuple[set[str], set[str]]]:
    parents: dict[str, str] = {}

    def find(name: str) -> str:
        while parents.setdefault(name, name) != name:
            parents[name] = parents[parents[name]]
            name = parents[name]
        return name

    moved = (set(before.producers) & set(after.constants)) | (set(after.producers) & set(before.constants))
    made = {n for side, keys in zip((before, after), changed, strict=True) for n in _made(side, keys)} | moved
    for side, keys in zip((before, after), changed, strict=True):
        for key in keys:
            names = [n for n in side.inputs[key] if n in made]
            for name in (*names, *(v.name for v in side.nodes[key].outputs if v.name)):
                parents[find(name)] = find(key)
    groups: dict[str, tuple[set[str], set[str]]] = {}
    for index, keys in enumerate(changed):
        for key in keys:
            groups.setdefault(find(key), (set(), set()))[index].add(key)
    return groups.values()


def _made(side: View, keys: Iterable[str]) -> Iterator[str]:
    for key in keys:
        yield from (v.name for v in side.nodes[key].outputs if v.name)


def _region(sides: tuple[View, View], keys: tuple[set[str], set[str]], leaving: set[str]) -> Region:
    made = list(_made(sides[0], sorted(keys[0])))
    inner = {
        n for side, chosen in zip(sides, keys, strict=True) for k in chosen for n in _inner(side.nodes[k])
    }
    return Region(
        before=frozenset(keys[0]),
        after=frozenset(keys[1]),
        outputs=tuple(name for name in made if name in leaving),
        names=frozenset(made) | frozenset(keys[1]) | inner,
    )


def _inner(node: ir.Node) -> Iterator[str]:
    """Names of the values that a node's subgraphs make: sites, too."""
    for graph in subgraphs(node):
        for child in graph:
            yield from (value.name for value in child.outputs if value.name)
            yield from _inner(child)


def _signature(node: ir.Node, side: View, other: View) -> Signature:
    return (
        node.domain,
        node.op_type,
        node.overload,
        side.opsets.get(node.domain),
        tuple(_entry(v, side, other) for v in node.inputs),
        tuple(v.name for v in node.outputs),
        _attributes(node, side, other),
    )


def _entry(value: ir.Value | None, side: View, other: View) -> object:
    if value is None:
        return None
    name = value.name or ""
    tensor = side.constants.get(name)
    if tensor is not None and value.graph in (side.graph, None) and name not in other.producers:
        return content(tensor)
    return name


def content(tensor: ir.TensorProtocol) -> object:
    """What makes two constants the same: type, shape and bytes; where they lie, for large ones."""
    if isinstance(tensor, ir.ExternalTensor):
        return ("file", str(tensor.path), tensor.offset, tensor.length, tensor.dtype, tensor.shape.numpy())
    if tensor.nbytes > DIGEST_LIMIT_BYTES or isinstance(tensor, ir.LazyTensor | ir.StringTensor):
        return ("object", id(tensor))
    return ("bytes", tensor.dtype, tuple(tensor.shape.numpy()), tensor.tobytes())


def _attributes(node: ir.Node, side: View, other: View) -> Signature:
    named = sorted(node.attributes.items())
    return tuple((name, str(one.type), _attribute(one, side, other)) for name, one in named)


def _attribute(attribute: ir.Attr, side: View, other: View) -> object:
    """Equal where the attributes are; no text of a text, which doubles with every level of subgraphs."""
    if attribute.is_ref():
        return f"ref {attribute.ref_attr_name}"
    if attribute.type == ir.AttributeType.GRAPH:
        return _graph(attribute.as_graph(), side, other)
    if attribute.type == ir.AttributeType.GRAPHS:
        return [_graph(graph, side, other) for graph in attribute.as_graphs()]
    if attribute.type == ir.AttributeType.TENSOR:
        return content(attribute.as_tensor())
    return repr(attribute.value)


def _graph(graph: ir.Graph, side: View, other: View) -> Signature:
    constants: Mapping[str, ir.Value] = graph.initializers
    return (
        tuple(v.name for v in graph.inputs),
        tuple(_entry(v, side, other) for v in graph.outputs),
        tuple((n, content(v.const_value)) for n, v in constants.items() if v.const_value is not None),
        tuple(_signature(node, side, other) for node in graph),
    )
