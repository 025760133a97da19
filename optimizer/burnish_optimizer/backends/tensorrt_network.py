"""An ONNX file as a typed network of TensorRT for RTX, and which of its nodes the parser takes.

Source: TensorRT for RTX 1.7, `IOnnxParser` (`supportsModelV2`, `isSubgraphSupported`, `getError`).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from burnish_engine.coverage import Coverage, Elsewhere
from burnish_optimizer.errors import Declined
from burnish_runtime.dtypes import TENSORRT_TYPES
from burnish_runtime.tensorrt_rtx_log import log_of

MOST_ERRORS = 5


@dataclass(frozen=True)
class Network:
    """A parsed network and what it hangs on: the library's objects do not keep each other alive.

    parser: holds the weights.
    """

    library: Any
    log: Any
    builder: Any
    definition: Any
    parser: Any

    def tensor_types(self) -> dict[str, int]:
        """NumPy's names of element types → tensors that layers give, most first."""
        layers = (self.definition.get_layer(index) for index in range(self.definition.num_layers))
        counts = Counter(
            _element(layer.get_output(index).dtype.name)
            for layer in layers
            for index in range(layer.num_outputs)
        )
        return dict(counts.most_common())


def parse(model: Path) -> Network:
    """Read an ONNX file, its external data beside it.

    Raises: Declined: nodes that the parser does not take, with its reasons.
    """
    network = _empty()
    proto = named_apart(onnx.load(str(model), load_external_data=False))
    # The path tells where external data is; the bytes are the graph's.
    if not network.parser.parse(proto.SerializeToString(), str(model)):
        raise Declined(
            f"TensorRT does not take the model: {'; '.join(_errors(network)) or 'no reason given'}"
        )
    return network


def named_apart(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The model with free axes of one input that share a name without it: exporters call all `?`.

    TensorRT takes axes of one name for equal. Changes its argument.
    """
    for value in proto.graph.input:
        dims = value.type.tensor_type.shape.dim
        names = Counter(dim.dim_param for dim in dims if dim.dim_param)
        for dim in dims:
            if names[dim.dim_param] > 1:
                dim.ClearField("dim_param")
    return proto


def support(model: Path) -> Coverage:
    """Nodes that the parser takes, and the others with its reason. Constants are values, not counted.

    Where it refuses a node it cuts the graph there, and leaves the parts between unconfirmed; what is in one
    of them, and that it had no error about, counts as taken.
    """
    network = _empty()
    proto = onnx.load(str(model), load_external_data=False)
    network.parser.supports_model_v2(model.read_bytes(), str(model))
    parts = range(network.parser.num_subgraphs)
    listed = {index for part in parts for index in network.parser.get_subgraph_nodes(part)}
    reasons = dict(_reasons(network))
    return taken_of(proto, listed - set(reasons), reasons)


def taken_of(proto: onnx.ModelProto, taken: Iterable[int], reasons: dict[int, str]) -> Coverage:
    """The coverage of a model whose nodes of these indices are taken. Pure.

    Args: reasons: node → why it is not.
    """
    nodes, known = list(enumerate(proto.graph.node)), set(taken)
    counted = [(index, node) for index, node in nodes if node.op_type != "Constant"]
    counts = Counter(
        (node.op_type, reasons.get(index, "the parser does not take it"))
        for index, node in counted
        if index not in known
    )
    elsewhere = tuple(Elsewhere(op=op, nodes=n, reason=why) for (op, why), n in counts.most_common())
    return Coverage(nodes=len(counted), elsewhere=elsewhere)


def _element(name: str) -> str:
    return TENSORRT_TYPES.get(name, name.lower())


def _empty() -> Network:
    import tensorrt_rtx  # noqa: PLC0415 - only these builds need it

    log = log_of(tensorrt_rtx)
    builder = tensorrt_rtx.Builder(log)
    typed = 1 << int(tensorrt_rtx.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    definition = builder.create_network(typed)
    return Network(tensorrt_rtx, log, builder, definition, tensorrt_rtx.OnnxParser(definition, log))


def _errors(network: Network) -> Iterable[str]:
    for index in range(min(network.parser.num_errors, MOST_ERRORS)):
        error = network.parser.get_error(index)
        node = f"{error.node_operator()} {error.node_name()!r}: " if error.node_operator() else ""
        yield f"{node}{_reason(error)}"


def _reasons(network: Network) -> Iterable[tuple[int, str]]:
    for index in range(network.parser.num_errors):
        error = network.parser.get_error(index)
        yield error.node(), _reason(error)


def _reason(error: Any) -> str:
    """`unsupported node (checkUnique): false`: the condition alone would say little."""
    kind = error.code().name.lower().replace("_", " ")
    return f"{kind} ({error.func()}): {' '.join(error.desc().split())[:300]}"
