"""Whether a server can serve an engine as it was measured: same files, same precision, same answers.

What a server cannot be told is a reason against it only where answers would change. Threads that spin under
a CPU quota, or shapes that OpenVINO was also compiled for alone, cost time and are left to it.
"""

from collections.abc import Iterator, Mapping

from burnish_engine.descriptor import EngineDescriptor, RunOptions, TensorSpec
from burnish_engine.errors import StalledError
from burnish_engine.layout import triton_providers
from burnish_engine.layout.runtimes import BACKENDS, ServingRuntime, computes_fp32_alone
from burnish_engine.request import Backend

PRECISION = "INFERENCE_PRECISION_HINT"
_NUMBERS = frozenset(
    {"bool", "float16", "float32", *(f"{kind}int{bits}" for kind in ("", "u") for bits in (8, 16, 32, 64))}
)
# What each server's backend takes as inputs and outputs.
# Triton, `onnxruntime_utils.cc` and `openvino_utils.cc`; OpenVINO Model Server, `kfs_utils.cpp`.
_DTYPES: Mapping[tuple[ServingRuntime, bool], frozenset[str]] = {
    (ServingRuntime.TRITON, False): _NUMBERS | {"float64", "bfloat16", "object"},
    (ServingRuntime.TRITON, True): _NUMBERS,
    (ServingRuntime.OPENVINO_MODEL_SERVER, True): _NUMBERS | {"float64"},
}
# Properties of OpenVINO that Triton's backend passes on, by the same names. Source: its README.
TRITON_OPENVINO = frozenset(
    {"PERFORMANCE_HINT", "INFERENCE_NUM_THREADS", "COMPILATION_NUM_THREADS", "NUM_STREAMS"}
)
# These cost time, and change no answer.
_HARMLESS = frozenset({"ENABLE_CPU_PINNING", "session.intra_op.allow_spinning"})


class EngineNotServable(StalledError):
    """An engine that the chosen server cannot serve, or not with the answers that it was judged by."""


def check_backend(subject: str, backend: Backend, runtime: ServingRuntime) -> None:
    """Raises: EngineNotServable: the server has no such backend."""
    if backend not in BACKENDS[runtime]:
        raise _refused(subject, f"an engine of {backend.value}", runtime, _expected(runtime))


def check(subject: str, engine: EngineDescriptor, runtime: ServingRuntime) -> None:
    """Raises: EngineNotServable: with the first reason. Every engine can be served by Burnish."""
    if runtime is ServingRuntime.BURNISH:
        return
    check_backend(subject, engine.backend, runtime)
    for found, expected in _reasons(engine, runtime):
        raise _refused(subject, found, runtime, expected)


def _expected(runtime: ServingRuntime) -> str:
    return " or ".join(backend.value for backend in BACKENDS[runtime])


def _refused(subject: str, found: str, runtime: ServingRuntime, expected: str) -> EngineNotServable:
    return EngineNotServable(
        subject,
        found=found,
        expected=f"{expected}, for {runtime.value}",
        remedy="Serve it with runtime Burnish, or with another server that can.",
    )


def _reasons(engine: EngineDescriptor, runtime: ServingRuntime) -> Iterator[tuple[str, str]]:
    """What was found, and what the server can do instead."""
    on_openvino = engine.backend is Backend.OPENVINO
    dtypes = _DTYPES[runtime, on_openvino]
    for spec in (*engine.inputs, *engine.outputs):
        if spec.dtype not in dtypes:
            yield f"{spec.name!r} of type {spec.dtype}", "a type that its backend knows"
        if runtime is ServingRuntime.TRITON and (reason := _shape_reason(spec)):
            yield f"{spec.name!r} {reason}", "tensors with at least one axis, each of 1 or more"
    if runtime is ServingRuntime.TRITON:
        yield from _triton_openvino(engine) if on_openvino else _triton_onnxruntime(engine)


def _shape_reason(spec: TensorSpec) -> str:
    """Triton can name neither a scalar nor an axis of size 0. Source: its `model_config_utils.cc`."""
    if not spec.shape:
        return "a scalar"
    return "with an axis of size 0" if 0 in spec.shape else ""


def _triton_openvino(engine: EngineDescriptor) -> Iterator[tuple[str, str]]:
    precision = engine.options.properties.get(PRECISION, "f32")
    if precision not in ("f32", "bf16"):
        yield f"{PRECISION}={precision}", "f32 or bf16"
    if precision == "f32" and not computes_fp32_alone(engine.target):
        yield (
            "an engine that was judged in FP32, for a processor that may compute it in BF16",
            "one whose precision its OpenVINO backend can be told",
        )
    yield from _unknown(engine.options, TRITON_OPENVINO | {PRECISION})


def _triton_onnxruntime(engine: EngineDescriptor) -> Iterator[tuple[str, str]]:
    if engine.options.graph_optimization not in triton_providers.LEVELS:
        yield (
            f"graph optimizations {engine.options.graph_optimization!r}",
            " or ".join(triton_providers.LEVELS),
        )
    yield from _unknown(engine.options, triton_providers.SESSION_ENTRIES)
    for name in triton_providers.unknown(engine.backend, engine.options.provider_options):
        yield f"the provider option {name}", "options that its backend passes on"


def _unknown(options: RunOptions, known: frozenset[str]) -> Iterator[tuple[str, str]]:
    for name in sorted(set(options.properties) - known - _HARMLESS):
        yield f"the property {name}", "properties that its backend passes on"
