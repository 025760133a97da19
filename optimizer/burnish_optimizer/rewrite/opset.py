"""Operator sets: quantization needs what came with opset 13."""

import onnx

from burnish_engine.errors import one_line
from burnish_optimizer.errors import Declined
from burnish_optimizer.ingest.contents import graphs

# QuantizeLinear and DequantizeLinear take an axis (per-channel scales) from opset 13 on. A per-channel
# QDQ model of an older opset is an invalid graph: "Unrecognized attribute: axis".
PER_CHANNEL_OPSET = 13
# ONNX IR 4 and later keep initializers out of the inputs; opset 13 models are of IR 7 at least.
PER_CHANNEL_IR = 8


def default_opset(model: onnx.ModelProto) -> int:
    """The version of the standard operator set."""
    return next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)


def raise_opset(model: onnx.ModelProto, least: int = PER_CHANNEL_OPSET) -> onnx.ModelProto:
    """The same model with at least this opset.

    Raises: Declined: ONNX's version converter cannot.
    """
    found = default_opset(model)
    if found >= least:
        return model
    model.ir_version = max(model.ir_version, PER_CHANNEL_IR)
    try:
        return onnx.version_converter.convert_version(model, least)
    except Exception as error:
        message = one_line(error, 200)
        raise Declined(f"opset {found} cannot be raised to {least}: {message}") from error


def drop_unused_domains(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without imports of operator sets that no node uses: ONNX Runtime lists all it knows when it saves."""
    used = {node.domain for graph in graphs(model) for node in graph.node} | {""}
    kept = [o for o in model.opset_import if o.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    return model
