"""Options of ONNX Runtime as Triton's backend takes them.

Source: triton-inference-server/onnxruntime_backend, README.md and `onnxruntime.cc` (`ModelState::LoadModel`).
"""

from collections.abc import Mapping
from types import MappingProxyType

from burnish_engine.request import Backend

# Our levels, as `optimization.graph.level`; None: the backend's default, which is all of them.
LEVELS: Mapping[str, int | None] = MappingProxyType({"all": None, "disabled": 2})
SESSION_ENTRIES = frozenset({"session.use_device_allocator_for_initializers"})
# These four are read from `parameters` whenever there are any, over what an accelerator says.
_CUDA_PARAMETERS: Mapping[str, Mapping[str, str] | None] = MappingProxyType(
    {
        "arena_extend_strategy": {"kNextPowerOfTwo": "0", "kSameAsRequested": "1"},
        "cudnn_conv_algo_search": {"EXHAUSTIVE": "0", "HEURISTIC": "1", "DEFAULT": "2"},
        "do_copy_in_default_stream": None,
        "gpu_mem_limit": None,
    }
)
_TENSORRT_MODES: Mapping[str, str] = MappingProxyType(
    {"trt_fp16_enable": "FP16", "trt_bf16_enable": "BF16", "trt_int8_enable": "INT8"}
)
_TENSORRT_RENAMED = frozenset({"trt_max_workspace_size", *_TENSORRT_MODES})
_OFF = ("0", "False", "false")
_TENSORRT_SAME = frozenset(
    f"trt_{name}"
    for name in (
        *("max_partition_iterations", "min_subgraph_size", "engine_cache_enable", "engine_cache_path"),
        *("force_sequential_engine_build", "context_memory_sharing_enable", "layer_norm_fp32_fallback"),
        *("timing_cache_enable", "timing_cache_path", "force_timing_cache", "build_heuristics_enable"),
        *("sparsity_enable", "builder_optimization_level", "auxiliary_streams", "tactic_sources"),
        *("profile_min_shapes", "profile_max_shapes", "profile_opt_shapes", "cuda_graph_enable"),
    )
)
# Triton places instances itself.
_PLACED = frozenset({"device_id"})


def unknown(backend: Backend, options: Mapping[str, str]) -> list[str]:
    """Options that Triton cannot be told, by name."""
    given = set(options) - _PLACED
    if backend is Backend.ONNXRUNTIME_TENSORRT:
        modes = [name for name in sorted(given) if _mode(name, options)]
        return sorted((given - _TENSORRT_SAME - _TENSORRT_RENAMED) | set(modes[1:]))
    if backend is Backend.ONNXRUNTIME_CUDA:
        choices = ((name, _CUDA_PARAMETERS.get(name)) for name in given)
        return sorted(name for name, values in choices if values and options[name] not in values)
    return sorted(given)


def parameters(backend: Backend, options: Mapping[str, str]) -> dict[str, str]:
    """What stands in `parameters`. Memory grows by what is asked for, as where the engine was measured."""
    if backend is Backend.ONNXRUNTIME:
        return {}
    own = options if backend is Backend.ONNXRUNTIME_CUDA else {}
    told = {"arena_extend_strategy": "kSameAsRequested", **own}
    return {
        name: values[told[name]] if values else told[name]
        for name, values in _CUDA_PARAMETERS.items()
        if name in told
    }


def accelerators(backend: Backend, options: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """`gpu_execution_accelerator`: name -> parameters. CUDA stands behind TensorRT without being named."""
    if backend is Backend.ONNXRUNTIME_TENSORRT:
        return {"tensorrt": dict(_tensorrt(options))}
    rest = {name: value for name, value in options.items() if name not in (*_CUDA_PARAMETERS, *_PLACED)}
    return {"cuda": rest} if rest else {}


def _tensorrt(options: Mapping[str, str]) -> dict[str, str]:
    told = {name: value for name, value in options.items() if name in _TENSORRT_SAME}
    if mode := next((mode for name in sorted(options) if (mode := _mode(name, options))), ""):
        told["precision_mode"] = mode
    if "trt_max_workspace_size" in options:
        told["max_workspace_size_bytes"] = options["trt_max_workspace_size"]
    return told


def _mode(name: str, options: Mapping[str, str]) -> str:
    """The precision that this option switches on: Triton takes one of them."""
    return _TENSORRT_MODES.get(name, "") if options[name] not in _OFF else ""
