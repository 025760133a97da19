"""`config.pbtxt` of NVIDIA's Triton Inference Server, from what the engine was measured with.

Triton batches requests only where the engine showed that its rows are independent, and never on OpenVINO:
that backend fixes the batch at its largest size and refuses smaller ones.
Source: triton-inference-server/common, `model_config.proto`; server, "Model Configuration".
"""

from collections.abc import Iterator, Mapping, Sequence

from burnish_engine.descriptor import EngineDescriptor, TensorSpec
from burnish_engine.layout import triton_providers as providers
from burnish_engine.layout.fit import PRECISION, TRITON_OPENVINO
from burnish_engine.layout.protobuf_text import Enum, Message, mapped, write
from burnish_engine.request import Backend

CONFIG_FILE = "config.pbtxt"
VERSION = 1
_TYPES: Mapping[str, str] = {
    "bool": "BOOL",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "bfloat16": "BF16",
    "object": "STRING",
    **{f"{kind}int{bits}": f"{kind.upper()}INT{bits}" for kind in ("", "u") for bits in (8, 16, 32, 64)},
}
# How long a request may wait for others: far below what a person notices, and above what a busy queue needs.
QUEUE_DELAY_MICROSECONDS = 500
WARM_UP_RUNS = 3


def config(engine: EngineDescriptor, name: str, file: str, threads: int) -> str:
    """The whole file.

    Args: name: of the model in URLs.   file: of the model below the version's folder.   threads: of one run.
    """
    rows = batch_limit(engine)
    message: dict[str, object] = {
        "name": name,
        "backend": "openvino" if engine.backend is Backend.OPENVINO else "onnxruntime",
        "default_model_filename": file,
        "max_batch_size": rows,
        "input": [_tensor(spec, rows) for spec in engine.inputs],
        "output": [_tensor(spec, rows) for spec in engine.outputs],
        "version_policy": {"specific": {"versions": [VERSION]}},
        "instance_group": [{"count": 1, "kind": Enum("KIND_GPU" if _on_gpu(engine) else "KIND_CPU")}],
        **_optimization(engine),
        "parameters": mapped({k: {"string_value": v} for k, v in _parameters(engine, threads).items()}),
        **({"dynamic_batching": {"max_queue_delay_microseconds": QUEUE_DELAY_MICROSECONDS}} if rows else {}),
        "model_warmup": list(_warm_ups(engine, rows)),
    }
    return write(message)


def batch_limit(engine: EngineDescriptor) -> int:
    """Rows that Triton may put into one run; 0: requests are run as they come, with all their axes."""
    specs = (*engine.inputs, *engine.outputs)
    has_rows = all(len(spec.shape) > 1 and spec.shape[0] is None for spec in specs)
    if engine.batching is None or engine.backend is Backend.OPENVINO or not has_rows:
        return 0
    return engine.batching.max_rows


def _on_gpu(engine: EngineDescriptor) -> bool:
    return engine.backend in (Backend.ONNXRUNTIME_CUDA, Backend.ONNXRUNTIME_TENSORRT)


def _tensor(spec: TensorSpec, rows: int) -> Message:
    shape = spec.shape[1:] if rows else spec.shape
    return {"name": spec.name, "data_type": _type(spec), "dims": [-1 if d is None else d for d in shape]}


def _type(spec: TensorSpec) -> Enum:
    return Enum(f"TYPE_{_TYPES[spec.dtype]}")


def _optimization(engine: EngineDescriptor) -> Message:
    if engine.backend is Backend.OPENVINO:
        return {}
    level = providers.LEVELS[engine.options.graph_optimization]
    found = providers.accelerators(engine.backend, engine.options.provider_options)
    listed = [{"name": name, "parameters": mapped(options)} for name, options in found.items()]
    parts: dict[str, object] = {} if level is None else {"graph": {"level": level}}
    parts |= {"execution_accelerators": {"gpu_execution_accelerator": listed}} if listed else {}
    return {"optimization": parts} if parts else {}


def _parameters(engine: EngineDescriptor, threads: int) -> dict[str, str]:
    options = engine.options
    if engine.backend is Backend.OPENVINO:
        told = {name: value for name, value in options.properties.items() if name in TRITON_OPENVINO}
        bf16 = {"HINT_BF16": "YES"} if options.properties.get(PRECISION) == "bf16" else {}
        return {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": str(threads), **bf16, **told}
    entries = {n: v for n, v in options.properties.items() if n in providers.SESSION_ENTRIES}
    counts = {"intra_op_thread_count": str(threads), "inter_op_thread_count": "1"}
    return {**counts, **providers.parameters(engine.backend, options.provider_options), **entries}


def _warm_ups(engine: EngineDescriptor, rows: int) -> Iterator[Message]:
    """Zeros of every recorded shape, before the model counts as ready: first runs allocate, and are slow."""
    for index, shapes in enumerate(warm_up_shapes(engine)):
        batch = _rows_of(list(shapes.values())) if rows else 0
        if rows and not 0 < batch <= rows:
            continue
        inputs = {
            spec.name: {
                "data_type": _type(spec),
                "dims": list(shapes[spec.name][1:] if rows else shapes[spec.name]),
                "zero_data": True,
            }
            for spec in engine.inputs
        }
        yield {
            "name": f"recorded-{index}",
            "batch_size": batch or 1,
            "inputs": mapped(inputs),
            "count": WARM_UP_RUNS,
        }


def _rows_of(shapes: Sequence[tuple[int, ...]]) -> int:
    """The rows that all inputs have; 0: they do not agree."""
    found = {shape[0] for shape in shapes}
    return found.pop() if len(found) == 1 else 0


def warm_up_shapes(engine: EngineDescriptor) -> tuple[dict[str, tuple[int, ...]], ...]:
    """Shapes by input name, as `burnish serve` warms up; every free axis is 1 where none were recorded."""
    smallest = {spec.name: tuple(1 if d is None else d for d in spec.shape) for spec in engine.inputs}
    return tuple({**smallest, **shapes} for shapes in engine.warmup_shapes) or (smallest,)
