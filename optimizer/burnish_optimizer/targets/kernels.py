"""Which kernels a target has: what fusion may produce there.

ONNX Runtime lists the kernels that it was built with. For execution providers that are not in this build
the list is data (`providers.py`), taken from the provider's own documentation of operators.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from burnish_engine.request import Backend
from burnish_optimizer.targets.providers import (
    CONTRIB,
    CPU,
    CUDA,
    FUSED,
    KERNELS,
    OPENVINO,
    TENSORRT,
    Kernel,
)

MICROSOFT = CONTRIB
STANDARD_DOMAINS = frozenset({"", "ai.onnx"})
CONTRIB_DOMAINS = STANDARD_DOMAINS | {MICROSOFT}

# Kernels name the type of their data T, T1 or V. These have another type there.
DATA_CONSTRAINTS: Mapping[str, tuple[str, ...]] = {"ConstantOfShape": ("T2",), "SequenceEmpty": ("S",)}
BY_CONVENTION = ("T", "T1", "V")


@dataclass(frozen=True)
class RewriteTarget:
    """Where a rewritten model shall run.

    Args:
        name: as `--target` gives it.   backend: which runtime loads it; None: any that reads ONNX.
        provider: whose kernels count: an execution provider of ONNX Runtime, or `providers.OPENVINO`; empty:
            nobody's, the standard operators alone.
        domains: operator domains that may be written.
    """

    name: str
    backend: Backend | None = None
    provider: str = ""
    domains: frozenset[str] = field(default=STANDARD_DOMAINS)

    def has_kernel(self, domain: str, op: str, dtype: str, opset: int = 0) -> bool:
        """Whether `op` runs here on tensors of `dtype` (ONNX Runtime's words: float, float16, int64 …).

        Args: opset: the version of the domain that the model imports; 0: the newest.
        """
        domain = "" if domain in STANDARD_DOMAINS else domain
        if domain not in self.domains:
            return False
        if not self.provider or (not domain and op not in FUSED and self.provider != CPU):
            return True
        return any(
            first <= (opset or last) <= last and (not dtypes or dtype in dtypes)
            for first, last, dtypes in kernels(self.provider).get((domain, op), ())
        )


PORTABLE = RewriteTarget("portable")
ONNXRUNTIME_CPU = RewriteTarget("onnxruntime-cpu", Backend.ONNXRUNTIME, CPU, CONTRIB_DOMAINS)
ONNXRUNTIME_CUDA = RewriteTarget("onnxruntime-cuda", Backend.ONNXRUNTIME_CUDA, CUDA, CONTRIB_DOMAINS)
OPENVINO_CPU = RewriteTarget("openvino-cpu", Backend.OPENVINO, OPENVINO, CONTRIB_DOMAINS)
TENSORRT_GPU = RewriteTarget("tensorrt", None, TENSORRT)
TARGETS: Mapping[str, RewriteTarget] = {
    t.name: t for t in (PORTABLE, ONNXRUNTIME_CPU, ONNXRUNTIME_CUDA, OPENVINO_CPU, TENSORRT_GPU)
}


OF_BACKEND: Mapping[Backend, RewriteTarget] = {
    Backend.ONNXRUNTIME: ONNXRUNTIME_CPU,
    Backend.OPENVINO: OPENVINO_CPU,
    Backend.ONNXRUNTIME_CUDA: ONNXRUNTIME_CUDA,
    Backend.ONNXRUNTIME_TENSORRT: TENSORRT_GPU,
    Backend.TENSORRT_RTX: TENSORRT_GPU,
}
"""What a model is rewritten for that a backend shall run: each backend opens one provider."""


@cache
def kernels(provider: str) -> Mapping[tuple[str, str], tuple[Kernel, ...]]:
    """(domain, op) → (first opset, last opset, element types of its data; none: any)."""
    return _installed(provider) or KERNELS.get(provider, {})


def _installed(provider: str) -> Mapping[tuple[str, str], tuple[Kernel, ...]]:
    """What the ONNX Runtime of this process was built with; nothing where it has no such provider."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415

    found: dict[tuple[str, str], list[Kernel]] = {}
    for kernel in state.get_all_opkernel_def():
        if kernel.provider == provider:
            first, last = kernel.version_range
            domain = "" if kernel.domain in STANDARD_DOMAINS else kernel.domain
            entry = (first, last, _elements(kernel.op_name, kernel.type_constraints))
            found.setdefault((domain, kernel.op_name), []).append(entry)
    return {key: tuple(entries) for key, entries in found.items()}


def _elements(op: str, constraints: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """The element types of an operator's data."""
    names = DATA_CONSTRAINTS.get(op, BY_CONVENTION)
    named = next((constraints[n] for n in names if n in constraints), None)
    if named is None:
        named = next(iter(constraints.values()), ())
    return frozenset(text.removeprefix("tensor(").removesuffix(")") for text in named)
