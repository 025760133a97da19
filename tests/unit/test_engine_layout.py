"""Configurations of other servers, read back by their own schemas; what they cannot serve is refused."""

import json
from typing import Any

import jsonschema
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from burnish_engine.descriptor import Batching, EngineDescriptor, RunOptions, TensorSpec
from burnish_engine.layout import fit, model_server, triton
from burnish_engine.layout.runtimes import ServingRuntime, backends_to_try
from burnish_engine.request import Backend
from support.layouts import PLAIN_CPU, X, Y, told
from support.model_server_schema import SCHEMA

TRITON, MODEL_SERVER = ServingRuntime.TRITON, ServingRuntime.OPENVINO_MODEL_SERVER
BATCHES = Batching(max_rows=16, deviation=0.0, seconds={1: 0.001})


def read(engine: EngineDescriptor, threads: int = 3) -> Any:
    """The configuration, as Triton's own message."""
    text = triton.config(engine, "pages", "model.onnx", threads)
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def parameters(config: Any) -> dict[str, str]:
    return {name: value.string_value for name, value in config.parameters.items()}


def test_requests_are_run_as_they_come_where_rows_are_not_known_to_be_independent() -> None:
    config = read(told())
    assert (config.name, config.backend, config.max_batch_size) == ("pages", "onnxruntime", 0)
    assert [list(tensor.dims) for tensor in (*config.input, *config.output)] == [[-1, 4], [-1, 3]]
    assert config.input[0].data_type == model_config_pb2.TYPE_FP32
    assert not config.HasField("dynamic_batching")
    assert list(config.version_policy.specific.versions) == [1]
    assert config.instance_group[0].kind == model_config_pb2.ModelInstanceGroup.KIND_CPU
    assert parameters(config) == {"intra_op_thread_count": "3", "inter_op_thread_count": "1"}


def test_rows_that_are_independent_share_a_run_and_leave_the_shapes() -> None:
    config = read(told(batching=BATCHES, warmup_shapes=({"x": (4, 4)}, {"x": (99, 4)})))
    assert config.max_batch_size == 16
    assert [list(tensor.dims) for tensor in (*config.input, *config.output)] == [[4], [3]]
    assert config.dynamic_batching.max_queue_delay_microseconds > 0
    [warm_up] = config.model_warmup
    assert (warm_up.batch_size, list(warm_up.inputs["x"].dims), warm_up.inputs["x"].zero_data) == (
        4,
        [4],
        True,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"backend": Backend.OPENVINO},
        {"outputs": (Y.model_copy(update={"shape": (3,)}),)},
        {"inputs": (X.model_copy(update={"shape": (None,)}),)},
        {"inputs": (X.model_copy(update={"shape": (1, 4)}),)},
    ],
)
def test_rows_that_triton_could_not_take_apart_are_never_batched(changes: dict[str, Any]) -> None:
    engine = told(batching=BATCHES, **changes)
    assert triton.batch_limit(engine) == 0
    assert read(engine).max_batch_size == 0


def test_every_recorded_shape_is_warmed_up() -> None:
    config = read(told(warmup_shapes=({"x": (2, 4)}, {"x": (8, 4)})))
    assert [list(one.inputs["x"].dims) for one in config.model_warmup] == [[2, 4], [8, 4]]
    assert [list(one.inputs["x"].dims) for one in read(told()).model_warmup] == [[1, 4]]


@pytest.mark.parametrize("dtype", sorted(fit._DTYPES[TRITON, False]))
def test_every_type_has_its_name(dtype: str) -> None:
    spec = X.model_copy(update={"dtype": dtype})
    engine = told(inputs=(spec,))
    fit.check("e", engine, TRITON)
    assert read(engine).input[0].data_type != model_config_pb2.TYPE_INVALID


def test_cuda_is_told_what_it_was_measured_with() -> None:
    options = RunOptions(provider_options={"use_tf32": "0", "device_id": "1", "gpu_mem_limit": "4096"})
    config = read(told(backend=Backend.ONNXRUNTIME_CUDA, options=options))
    [cuda] = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert (cuda.name, dict(cuda.parameters)) == ("cuda", {"use_tf32": "0"})
    expected = {"arena_extend_strategy": "1", "gpu_mem_limit": "4096"}
    assert expected.items() <= parameters(config).items()
    assert config.instance_group[0].kind == model_config_pb2.ModelInstanceGroup.KIND_GPU


def test_tensorrt_options_have_triton_s_names() -> None:
    options = {"trt_fp16_enable": "1", "trt_int8_enable": "0", "trt_max_workspace_size": "1024"}
    engine = told(
        backend=Backend.ONNXRUNTIME_TENSORRT,
        options=RunOptions(provider_options=options, graph_optimization="disabled"),
    )
    fit.check("e", engine, TRITON)
    config = read(engine)
    [tensorrt] = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert dict(tensorrt.parameters) == {"precision_mode": "FP16", "max_workspace_size_bytes": "1024"}
    assert config.optimization.graph.level == 2


def test_openvino_in_bf16_is_told_so() -> None:
    options = RunOptions(properties={"INFERENCE_PRECISION_HINT": "bf16", "NUM_STREAMS": "2"})
    config = read(told(backend=Backend.OPENVINO, options=options))
    assert parameters(config) == {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": "3",
        "HINT_BF16": "YES",
        "NUM_STREAMS": "2",
    }
    assert config.backend == "openvino"


def test_the_model_server_is_told_what_burnish_tells_openvino() -> None:
    options = RunOptions(properties={"INFERENCE_PRECISION_HINT": "bf16", "NUM_STREAMS": "2"})
    config = json.loads(model_server.config(told(backend=Backend.OPENVINO, options=options), "pages", 3))
    jsonschema.validate(config, SCHEMA)
    [model] = config["model_config_list"]
    assert (model["config"]["name"], model["config"]["base_path"]) == ("pages", "pages")
    assert model["config"]["nireq"] == 2
    assert model["config"]["plugin_config"]["INFERENCE_PRECISION_HINT"] == "bf16"
    assert config["monitoring"]["metrics"]["enable"] is True


def test_the_schema_refuses_what_the_model_server_refuses() -> None:
    config = json.loads(model_server.config(told(backend=Backend.OPENVINO), "pages", 3))
    config["model_config_list"][0]["config"]["nirek"] = 1
    with pytest.raises(jsonschema.ValidationError, match="nirek"):
        jsonschema.validate(config, SCHEMA)


SCALAR = TensorSpec(name="s", dtype="float32", shape=())
TEXT = TensorSpec(name="t", dtype="object", shape=(None,))
BF16_CPU = {"features": "AVX2,AVX512BF16"}


@pytest.mark.parametrize(
    ("runtime", "changes", "found"),
    [
        (TRITON, {"backend": Backend.TENSORRT_RTX}, "an engine of tensorrt-rtx"),
        (MODEL_SERVER, {"backend": Backend.ONNXRUNTIME}, "an engine of onnxruntime"),
        (TRITON, {"inputs": (X, SCALAR)}, "'s' a scalar"),
        (TRITON, {"outputs": (Y.model_copy(update={"shape": (0, 3)}),)}, "an axis of size 0"),
        (MODEL_SERVER, {"backend": Backend.OPENVINO, "inputs": (TEXT,)}, "'t' of type object"),
        (TRITON, {"backend": Backend.OPENVINO, "target": BF16_CPU}, "may compute it in BF16"),
        (TRITON, {"backend": Backend.OPENVINO, "target": {"name": "selected"}}, "may compute it in BF16"),
        (TRITON, {"options": RunOptions(properties={"session.x": "1"})}, "the property session.x"),
        (TRITON, {"options": RunOptions(graph_optimization="basic")}, "'basic'"),
        (
            TRITON,
            {
                "backend": Backend.ONNXRUNTIME_TENSORRT,
                "options": RunOptions(provider_options={"trt_new": "1"}),
            },
            "the provider option trt_new",
        ),
        (
            TRITON,
            {
                "backend": Backend.ONNXRUNTIME_TENSORRT,
                "options": RunOptions(provider_options={"trt_bf16_enable": "1", "trt_fp16_enable": "1"}),
            },
            "the provider option trt_fp16_enable",
        ),
    ],
)
def test_what_a_server_cannot_serve_is_refused_with_what_to_do(
    runtime: ServingRuntime, changes: dict[str, Any], found: str
) -> None:
    with pytest.raises(fit.EngineNotServable) as refusal:
        fit.check("engine", told(**changes), runtime)
    assert found in refusal.value.found
    assert "Burnish" in refusal.value.remedy


@pytest.mark.parametrize("backend", list(Backend))
def test_burnish_serves_every_engine(backend: Backend) -> None:
    fit.check("engine", told(backend=backend, inputs=(SCALAR,)), ServingRuntime.BURNISH)


def test_the_search_is_narrowed_to_what_can_be_served() -> None:
    assert backends_to_try(ServingRuntime.BURNISH, PLAIN_CPU) is None
    assert backends_to_try(MODEL_SERVER, BF16_CPU) == (Backend.OPENVINO,)
    assert Backend.OPENVINO in (backends_to_try(TRITON, PLAIN_CPU) or ())
    assert Backend.OPENVINO not in (backends_to_try(TRITON, BF16_CPU) or ())
    assert Backend.OPENVINO not in (backends_to_try(TRITON, {"features": "AVX2 AVX512BF16"}) or ())
    assert Backend.TENSORRT_RTX not in (backends_to_try(TRITON, {}) or ())
