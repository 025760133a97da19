"""Which values of an FP16 graph leave its range: seen on the CPU, one number a value, whatever its size.

A value is watched in the graph itself: count of |x| that are not below the limit. Looking for infinities
would miss most: ONNX Runtime computes FP16 on the CPU in FP32 and drops the casts between kernels (1.32:
Sqrt(300·300) is 300 there, and infinity where it is computed in FP16). So the limit is FP16's own.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper

from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.ingest.feeds import Feeds
from burnish_optimizer.rewrite.values import dtype, op_key

# What is below rounds to 65504 at most; what is not becomes infinite.
FLOAT16_END = np.nextafter(np.float32(65520), np.float32(0))
FLOAT32_END = np.float32(np.inf)
PREFIX = "burnish/watch"


def overflowing(
    exact: ir.Model, narrow: ir.Model, feeds: Iterable[Feeds], base: Path | None = None, threads: int = 1
) -> frozenset[str]:
    """Values of the main graph, by their names in `exact`, that are finite there and not in FP16.

    Args: narrow: `exact` in FP16.   base: where external tensors of both are.
    """
    names = _names(exact, narrow)
    if not names:
        return frozenset()
    watch = Watch(narrow, tuple(names), FLOAT16_END, base, threads)
    found: set[str] = set()
    wide: Watch | None = None
    for feed in feeds:
        suspects = {names[name] for name in watch.beyond(feed)} - found
        if suspects:
            everything = tuple(dict.fromkeys(names.values()))
            wide = wide or Watch(exact, everything, FLOAT32_END, base, threads)
            found |= suspects - wide.beyond(feed)
    return frozenset(found)


class Watch:
    """A model that is loaded, and counts numbers that are not below `end` in some of its values."""

    def __init__(
        self, model: ir.Model, names: tuple[str, ...], end: np.float32, base: Path | None, threads: int
    ) -> None:
        self._names = names
        self._session = Executable(watching(model, names, end), base, threads)

    def beyond(self, feed: Feeds) -> set[str]:
        """Values that hold such numbers on this sample."""
        counts = self._session.run(feed)
        return {name for name, count in zip(self._names, counts.values(), strict=True) if count}


def watching(model: ir.Model, names: Sequence[str], end: np.float32) -> onnx.ModelProto:
    """The model, whose outputs are, for each of these values, how many of its numbers are not below `end`."""
    proto = ir.to_proto(model)
    del proto.graph.output[:]
    proto.graph.initializer.append(numpy_helper.from_array(np.array(end, np.float32), f"{PREFIX}/end"))
    for index, name in enumerate(names):
        proto.graph.node.extend(_counting(name, index))
        told = helper.make_tensor_value_info(f"{PREFIX}/{index}", TensorProto.FLOAT, [])
        proto.graph.output.append(told)
    _by_need(proto.graph)
    return proto


def _counting(name: str, index: int) -> list[onnx.NodeProto]:
    wide, size, below, beyond, ones = (f"{PREFIX}/{index}/{part}" for part in range(5))
    return [
        helper.make_node("Cast", [name], [wide], to=TensorProto.FLOAT),
        helper.make_node("Abs", [wide], [size]),
        helper.make_node("Less", [size, f"{PREFIX}/end"], [below]),  # false for NaN
        helper.make_node("Not", [below], [beyond]),
        helper.make_node("Cast", [beyond], [ones], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", [ones], [f"{PREFIX}/{index}"], keepdims=0),
    ]


def _by_need(graph: onnx.GraphProto) -> None:
    """Each watch right behind what it watches, so that values are let go of as in the model itself."""
    own = [node for node in graph.node if not node.output[0].startswith(PREFIX)]
    watches: dict[str, list[onnx.NodeProto]] = {}
    watched = ""
    for node in graph.node:
        if node.output[0].startswith(PREFIX):
            watched = watched if node.input[0].startswith(PREFIX) else node.input[0]
            watches.setdefault(watched, []).append(node)
    made = {name for node in own for name in node.output}
    ordered = [node for name, nodes in watches.items() if name not in made for node in nodes]
    for node in own:
        ordered.append(node)
        ordered += [one for name in node.output for one in watches.get(name, ())]
    del graph.node[:]
    graph.node.extend(ordered)


def _names(exact: ir.Model, narrow: ir.Model) -> dict[str, str]:
    """FP16 values of the narrow graph → what they are in the exact one."""
    known = {v.name for node in exact.graph for v in node.outputs} | {v.name for v in exact.graph.inputs}
    found: dict[str, str] = {}
    for value in (value for node in narrow.graph for value in node.outputs):
        if dtype(value) == ir.DataType.FLOAT16 and value.name:
            alias = next((name for name in _aliases(value) if name in known), None)
            if alias:
                found[value.name] = alias
    return found


def _aliases(value: ir.Value) -> list[str]:
    """Its own name, that of what it is cast to, and that of what it was cast from."""
    casts = [use.node.outputs[0].name for use in value.uses() if op_key(use.node) == "Cast"]
    maker = value.producer()
    source = maker.inputs[0] if maker is not None and op_key(maker) == "Cast" else None
    return [name for name in (value.name, *casts, source.name if source is not None else None) if name]
