"""ONNX Runtime's basic graph optimizations, done once and saved.

Basic: constant folding, Conv + BatchNorm, redundant nodes. The result has standard operators only, so
it runs on every processor of the class; layouts (NCHWc) are still chosen where the engine is loaded.
"""

from pathlib import Path

import onnx

from burnish_optimizer.errors import Declined
from burnish_optimizer.rewrite.opset import drop_unused_domains

MAX_MODEL_BYTES = (1 << 31) - (1 << 20)  # protobuf's limit, with room for the graph


def save_fused(source: Path, target: Path, threads: int | None = None) -> onnx.ModelProto:
    """Optimize `source` and save it to `target`, with inferred shapes. Returns the saved model.

    Raises: Declined: the model is too large for one file.
    """
    import onnxruntime  # noqa: PLC0415 - only builds need it

    if model_bytes(source) > MAX_MODEL_BYTES:
        raise Declined("the model is larger than one ONNX file may be (2 GiB)")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 1
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    model = drop_unused_domains(onnx.load(str(target)))
    model = onnx.shape_inference.infer_shapes(model)
    onnx.save(model, str(target))
    return model


def model_bytes(source: Path) -> int:
    """Bytes of a model and of the external data that its initializers name."""
    model = onnx.load(str(source), load_external_data=False)
    helper = onnx.external_data_helper
    names = {
        helper.ExternalDataInfo(tensor).location
        for tensor in model.graph.initializer
        if helper.uses_external_data(tensor)
    }
    return source.stat().st_size + sum((source.parent / name).stat().st_size for name in names)
