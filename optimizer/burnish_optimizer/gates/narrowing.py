"""No pass may compute in a narrower type than the source does. Pure.

Numbers alone do not show it: where ONNX Runtime has no kernel for float16 it takes `Cast`s to it and back
out again, so that a region which narrows looks right here, and rounds on the next runtime.
"""

from collections.abc import Iterable, Iterator

import onnx_ir as ir

from burnish_optimizer.rewrite.values import dtype
from burnish_optimizer.rewrite.walk import subgraphs

# Attributes that name the element type of what a node makes, or computes in.
TYPES = frozenset({"to", "dtype", "stash_type", "output_dtype", "softmax_precision", "precision"})


def narrowed(before: Iterable[ir.Node], after: Iterable[ir.Node], fed: Iterable[ir.DataType]) -> str:
    """The floating-point type that nodes of `after` ask for, and that nothing in `before` has; else empty.

    A type at least as wide as the widest of `before` is no narrowing.

    Args: fed: element types that are known of what goes in: a graph need not tell its types.
    """
    known = {kind for node in before for kind in _types(node)} | set(fed)
    widest = max((_bits(kind) for kind in known), default=0)
    asked = {kind for node in after for kind in _asked(node)} - known
    found = sorted(kind.name for kind in asked if 0 < _bits(kind) < widest)
    return f"casts to {found[0]}, in which the source does not compute" if found else ""


def _types(node: ir.Node) -> Iterator[ir.DataType]:
    """Every element type at a node, and in its subgraphs."""
    yield from _asked(node)
    for value in (*node.inputs, *node.outputs):
        kind = dtype(value)
        if kind is not None:
            yield kind
    for graph in subgraphs(node):
        for child in graph:
            yield from _types(child)


def _asked(node: ir.Node) -> Iterator[ir.DataType]:
    """The types that a node names in its attributes."""
    for name, attribute in node.attributes.items():
        if attribute.is_ref():
            continue
        if name in TYPES and attribute.type == ir.AttributeType.INT and attribute.value:
            yield ir.DataType(attribute.value)
        elif attribute.type == ir.AttributeType.TENSOR:
            yield attribute.value.dtype
    for graph in subgraphs(node):
        for child in graph:
            yield from _asked(child)


def _bits(kind: ir.DataType) -> int:
    """Width of a floating-point type; 0 for others."""
    return int(kind.bitwidth) if kind.is_floating_point() else 0
