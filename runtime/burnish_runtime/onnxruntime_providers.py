"""Execution providers of ONNX Runtime: which ones a backend asks for, and whether it got them.

ONNX Runtime falls back quietly: a provider that is not in the build is left out with a warning, one that
fails to start is replaced by the CPU's, and a node that a provider does not take runs on the next one.
Here each of the three is an error, or counted.
Source: ONNX Runtime, "Execution Providers", and `onnxruntime_session_options_config_keys.h` (1.32).
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from burnish_engine.coverage import Coverage, Elsewhere
from burnish_engine.request import Backend
from burnish_runtime.errors import InvalidOptions, UnsupportedBackend

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
NO_FALLBACK = "session.disable_cpu_ep_fallback"
RECORD = "session.record_ep_graph_assignment_info"
# A folder that only its user can write: what lies there is loaded as code for the device.
CACHE = "BURNISH_TENSORRT_CACHE"


class Provider(NamedTuple):
    """An execution provider, and what it is told, by its own names."""

    name: str
    options: Mapping[str, str]


def providers(
    backend: Backend, options: Mapping[str, str], environment: Mapping[str, str] = os.environ
) -> tuple[Provider, ...]:
    """What a backend asks for, the first to the last resort. Options are the first one's.

    TensorRT has CUDA behind it: what that takes counts as elsewhere. Its engines are kept between starts in
    `$BURNISH_TENSORRT_CACHE`, where that is set. Memory grows by what is asked for, never by doubling: a
    device is shared.
    Raises: InvalidOptions: the CPU's provider takes none.
    """
    device = {"device_id": options.get("device_id", "0")}
    grow = {"arena_extend_strategy": "kSameAsRequested"}
    match backend:
        case Backend.ONNXRUNTIME_CUDA:
            return (Provider(CUDA, {**device, **grow, **options}),)
        case Backend.ONNXRUNTIME_TENSORRT:
            first = Provider(TENSORRT, {**device, **_cache(environment), **options})
            return (first, Provider(CUDA, {**device, **grow}))
        case _:
            if options:
                raise InvalidOptions(
                    "provider_options",
                    found=", ".join(options),
                    expected="none: the CPU's provider takes none",
                )
            return (Provider(CPU, {}),)


def check_available(library: Any, wanted: Sequence[Provider]) -> None:
    """The build must have the providers.

    Raises: UnsupportedBackend.
    """
    built = library.get_available_providers()
    if wanted[0].name != CPU and wanted[0].name in built:
        library.preload_dlls(directory="")  # those of the CUDA wheels, where they are installed
    missing = [provider.name for provider in wanted if provider.name not in built]
    if missing:
        raise UnsupportedBackend(
            "onnxruntime",
            found=f"a build with {', '.join(built)}",
            expected=", ".join(missing),
            remedy="Install onnxruntime-gpu in place of onnxruntime (docs/backends.md).",
        )


def check_taken(taken: Sequence[str], wanted: Sequence[Provider]) -> None:
    """The session must run on what was asked for first.

    Args: taken: providers of the session, by priority.
    Raises: UnsupportedBackend.
    """
    if taken[:1] != [wanted[0].name]:
        raise UnsupportedBackend(
            wanted[0].name,
            found=f"a session on {', '.join(taken)}",
            expected=f"one on {wanted[0].name}",
            remedy="Check that nvidia-smi lists a device, and that the CUDA libraries fit the driver.",
        )


def coverage(assigned: Iterable[Any], own: str) -> Coverage:
    """Nodes by the provider that took them.

    Args: assigned: `InferenceSession.get_provider_graph_assignment_info()`.   own: what was asked for.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for part in assigned:
        counts.update((part.ep_name, _op(node)) for node in part.get_nodes())
    elsewhere = tuple(
        Elsewhere(op=op, nodes=count, reason=f"runs on {name}")
        for (name, op), count in counts.most_common()
        if name != own
    )
    return Coverage(nodes=counts.total(), elsewhere=elsewhere)


def _op(node: Any) -> str:
    return f"{node.domain}.{node.op_type}" if node.domain else str(node.op_type)


def _cache(environment: Mapping[str, str]) -> dict[str, str]:
    folder = environment.get(CACHE)
    return {"trt_engine_cache_enable": "1", "trt_engine_cache_path": folder} if folder else {}
