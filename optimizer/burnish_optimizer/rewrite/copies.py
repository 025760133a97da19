"""Copies of a model to rewrite, and their order: what is done anew for every pass that changes anything."""

from collections.abc import Sequence

import onnx_ir as ir

from burnish_optimizer.rewrite.walk import BODIES, model_nodes, subgraphs


def copy_of(model: ir.Model) -> ir.Model:
    """As `model.clone()`, which takes twice as long: graphs, nodes and values anew, tensors shared."""
    if model.functions or any(node.device_configurations for node in model_nodes(model)):
        return model.clone()
    return ir.Model(
        _Copier().graph(model.graph),
        ir_version=model.ir_version,
        producer_name=model.producer_name,
        producer_version=model.producer_version,
        domain=model.domain,
        model_version=model.model_version,
        doc_string=model.doc_string,
        metadata_props=dict(model.metadata_props),
        device_configurations=model.device_configurations,
    )


def put_in_order(model: ir.Model) -> None:
    """As `model.graph.sort()`, which changes nothing where every value is made before it is taken."""
    if not _in_order(model.graph, set()):
        model.graph.sort()


def _in_order(graph: ir.Graph, made: set[ir.Node]) -> bool:
    """Args: made: nodes before; those of this graph are added. An inner graph may take what it is in."""
    for node in graph:
        makers = (value.producer() for value in node.inputs if value is not None)
        if any(maker is not None and maker not in made for maker in makers):
            return False
        if not all(_in_order(inner, made) for inner in subgraphs(node)):
            return False
        made.add(node)
    return True


class _Copier:
    """One copy: remembers what became of each value, so that inner graphs take the copies of outer ones."""

    def __init__(self) -> None:
        self._values: dict[ir.Value, ir.Value] = {}

    def graph(self, graph: ir.Graph) -> ir.Graph:
        inputs = [self._value(value) for value in graph.inputs]
        initializers = [self._value(value) for value in graph.initializers.values()]
        nodes = [self._node(node) for node in graph]
        made = ir.Graph(
            inputs,
            [self._values[value] for value in graph.outputs],
            nodes=nodes,
            initializers=initializers,
            doc_string=graph.doc_string,
            opset_imports=dict(graph.opset_imports),
            name=graph.name,
            metadata_props=dict(graph.metadata_props),
        )
        made.meta.update(graph.meta)
        return made

    def _node(self, node: ir.Node) -> ir.Node:
        made = ir.Node(
            node.domain,
            node.op_type,
            [None if value is None else self._values[value] for value in node.inputs],
            self._attributes(node),
            overload=node.overload,
            outputs=[self._value(value) for value in node.outputs],
            version=node.version,
            name=node.name,
            doc_string=node.doc_string,
            metadata_props=_props(node),
        )
        _take_meta(made, node)
        return made

    def _value(self, value: ir.Value) -> ir.Value:
        """Its copy; an initializer that is an input, too, is one value."""
        made = self._values.get(value)
        if made is None:
            made = self._values[value] = ir.Value(
                name=value.name,
                shape=_shape(value.shape),
                type=value.type,
                doc_string=value.doc_string,
                const_value=value.const_value,
                metadata_props=_props(value),
            )
            _take_meta(made, value)
        return made

    def _attributes(self, node: ir.Node) -> Sequence[ir.Attr]:
        """What holds no graph is shared: attributes never change."""
        given = tuple(node.attributes.data.values())
        if not given or not any(one.type in BODIES for one in given):
            return given
        return [self._attribute(one) for one in given]

    def _attribute(self, one: ir.Attr) -> ir.Attr:
        if one.type not in BODIES or one.is_ref():
            return one
        single = one.type == ir.AttributeType.GRAPH
        value = self.graph(one.value) if single else tuple(self.graph(graph) for graph in one.value)
        return ir.Attr(one.name, one.type, value, doc_string=one.doc_string)


def _props(one: ir.Node | ir.Value) -> dict[str, str] | None:
    """Asked for as a property, each node and value would be given an empty dictionary of its own."""
    held = one._metadata_props
    return dict(held) if held else None


def _take_meta(made: ir.Node | ir.Value, source: ir.Node | ir.Value) -> None:
    """As `_props`."""
    if source._metadata:
        made.meta.update(source._metadata)


def _shape(shape: ir.Shape | None) -> ir.Shape | None:
    """A frozen one is shared."""
    return shape if shape is None or shape.frozen else shape.copy()
