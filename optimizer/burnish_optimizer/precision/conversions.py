"""From what builders know to what reports tell of it. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import onnx_ir as ir

from burnish_engine.conversion import FloatConversion, LayerBits, Stayed, ValueRange, WeightConversion
from burnish_engine.request import Precision
from burnish_optimizer.precision.floats.choose import name_of

MOST_REASONS, MOST_NODES, MOST_VALUES, MOST_LAYERS = 40, 5, 256, 256
LIMITS = {Precision.FP16: 65504.0}  # BF16 has FP32's range, and FP8 a scale for each tensor
Ranges = Mapping[str, tuple[float, float]]


def stayed(kept: Mapping[str, str]) -> tuple[Stayed, ...]:
    """Nodes by reason, the most frequent first; rare reasons beyond the fortieth are counted together.

    Args: kept: why, by name of the node.
    """
    nodes: dict[str, list[str]] = defaultdict(list)
    for name, why in kept.items():
        nodes[why].append(name)
    ordered = sorted(nodes.items(), key=lambda item: -len(item[1]))
    shown = [_of(why, names) for why, names in ordered[:MOST_REASONS]]
    others = [name for _, names in ordered[MOST_REASONS:] for name in names]
    return (*shown, *([_of("other reasons", others)] if others else []))


def _of(reason: str, names: Sequence[str]) -> Stayed:
    return Stayed(reason=reason, count=len(names), nodes=tuple(names[:MOST_NODES]))


def floats(
    precision: Precision,
    exact: ir.Model,
    ranges: Ranges,
    kept: Mapping[str, str],
    *,
    nodes: int,
    casts: int | None = None,
) -> FloatConversion:
    """Args: exact: the model before.   kept: why nodes stayed, by name.   nodes: how many did not."""
    known = list(_ranges(exact, ranges, kept))
    return FloatConversion(
        precision=precision,
        nodes=nodes,
        casts=casts,
        limit=LIMITS.get(precision),
        stayed=stayed(kept),
        ranges=_largest(known),
        values=len(known),
    )


def _ranges(exact: ir.Model, ranges: Ranges, kept: Collection[str]) -> Iterable[ValueRange]:
    made = [(value, name_of(node) in kept) for node in exact.graph for value in node.outputs]
    for value, stays in (*((value, True) for value in exact.graph.inputs), *made):
        found = ranges.get(value.name or "")
        if found is not None:
            yield ValueRange(name=value.name or "", low=found[0], high=found[1], stayed=stays)


def _largest(known: Sequence[ValueRange]) -> tuple[ValueRange, ...]:
    order = sorted(range(len(known)), key=lambda i: -max(abs(known[i].low), abs(known[i].high)))
    return tuple(known[i] for i in sorted(order[:MOST_VALUES]))


def weights(layers: Sequence[LayerBits], kept: Mapping[str, str]) -> WeightConversion:
    """Args: layers: all of them, in the order of the graph.   kept: why others stayed, by name."""
    order = sorted(range(len(layers)), key=lambda i: -layers[i].error)
    return WeightConversion(
        layers=tuple(layers[i] for i in sorted(order[:MOST_LAYERS])),
        count=len(layers),
        bytes_before=sum(layer.bytes_before for layer in layers),
        bytes_after=sum(layer.bytes_after for layer in layers),
        stayed=stayed(kept),
    )
