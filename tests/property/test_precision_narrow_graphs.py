"""Random models in FP16 and BF16: valid, the same signature, loaded by ONNX Runtime, few casts."""

import onnx
import onnx_ir as ir
from hypothesis import HealthCheck, assume, given, settings

from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.precision.floats.bf16 import to_bf16
from burnish_optimizer.precision.floats.fp16 import to_fp16
from burnish_optimizer.precision.large import drop_unused
from burnish_optimizer.rewrite.shapes import ensure_shapes
from support.random_graph_blocks import ALL_SMOOTH
from support.random_graphs import Drawn, models

RANDOM = settings(max_examples=150, derandomize=True, suppress_health_check=list(HealthCheck))
FLOATS = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16}


def signature(proto: onnx.ModelProto) -> list[tuple[str, int]]:
    return [(v.name, v.type.tensor_type.elem_type) for v in (*proto.graph.input, *proto.graph.output)]


def is_loaded(proto: onnx.ModelProto) -> bool:
    try:
        onnx.checker.check_model(proto)
        Executable(proto)
    except Exception:  # noqa: BLE001 - whatever ONNX Runtime raises
        return False
    return True


def cast_pairs(proto: onnx.ModelProto) -> list[str]:
    """Casts between floats of what was cast between floats."""
    known = {v.name: v.type.tensor_type.elem_type for v in (*proto.graph.input, *proto.graph.value_info)}
    casts = {
        n.output[0]: n for n in proto.graph.node if n.op_type == "Cast" and known.get(n.input[0]) in FLOATS
    }
    return [name for name, node in casts.items() if node.input[0] in casts]


@RANDOM
@given(models(ALL_SMOOTH))
def test_random_models_in_narrow_floats_are_models(drawn: Drawn) -> None:
    assume(is_loaded(drawn.model))
    source = ir.from_proto(drawn.model)
    ensure_shapes(source)
    before = cast_pairs(drawn.model)
    for method in (to_fp16, to_bf16):
        made, report = method(source)
        drop_unused(made)
        proto = ir.to_proto(made)
        onnx.checker.check_model(proto)
        assert signature(proto) == signature(drawn.model)
        if method is to_fp16 and report.narrow:
            assert is_loaded(proto)
        inferred = onnx.shape_inference.infer_shapes(proto, strict_mode=True)
        assert len(cast_pairs(inferred)) <= len(before)
