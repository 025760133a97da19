"""Kernels of providers that are not in every build: what fusion may write there, as data.

Only operators that fusions write. A standard operator that is not named here is one that every ONNX runtime
has (MatMul, Add …), and is taken to run; one that fusions write and that a table lacks is not.

Sources: CPU and CUDA: ONNX Runtime, `docs/OperatorKernels.md` (a test holds the CPU part against the build
that is installed). TensorRT: onnx-tensorrt, `docs/operators.md` of TensorRT 10.15 (standard operators only;
its Attention takes four dimensions only, ours has three). OpenVINO: its ONNX frontend 2026.4 converts them,
and a test runs each beside ONNX Runtime. Left out there: com.microsoft RotaryEmbedding (refused where
`interleaved` is not written out) and SimplifiedLayerNormalization (answers were off by 2e-5).
"""

from collections.abc import Mapping

CONTRIB = "com.microsoft"
CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"
OPENVINO = "OpenVINO"

Kernel = tuple[int, int, frozenset[str]]
"""First opset, last opset, element types in ONNX Runtime's words (none: any)."""

NEWEST = (1 << 31) - 1
FLOAT = frozenset({"float"})
HALVES = frozenset({"float", "float16"})
SHORTS = frozenset({"float", "float16", "bfloat16"})
FLOATS = frozenset({"float", "double", "float16", "bfloat16"})
DOUBLES = frozenset({"float", "double"})
NO_BFLOAT = frozenset({"float", "double", "float16"})

FUSED = frozenset({
    "Attention", "Gelu", "GroupNormalization", "HardSwish", "LayerNormalization", "Mish",
    "RMSNormalization", "RotaryEmbedding", "SimplifiedLayerNormalization", "Swish",
})  # fmt: skip
"""Standard operators that fusions write, and that runtimes got late or not at all."""


def _since(first: int, elements: frozenset[str]) -> tuple[Kernel, ...]:
    return ((first, NEWEST, elements),)


Table = Mapping[tuple[str, str], tuple[Kernel, ...]]

_CPU: Table = {
    ("", "Attention"): _since(23, HALVES),
    ("", "Gelu"): _since(20, FLOAT),
    ("", "LayerNormalization"): _since(17, FLOATS),
    ("", "RMSNormalization"): _since(23, NO_BFLOAT),
    ("", "RotaryEmbedding"): _since(23, HALVES),
    ("", "SimplifiedLayerNormalization"): _since(1, FLOATS),
    (CONTRIB, "Attention"): _since(1, FLOAT),
    (CONTRIB, "BiasGelu"): _since(1, FLOAT),
    (CONTRIB, "FastGelu"): _since(1, FLOAT),
    (CONTRIB, "FusedConv"): _since(1, FLOAT),
    (CONTRIB, "FusedGemm"): _since(1, FLOAT),
    (CONTRIB, "FusedMatMul"): _since(1, DOUBLES),
    (CONTRIB, "Gelu"): _since(1, FLOAT),
    (CONTRIB, "MultiHeadAttention"): _since(1, FLOAT),
    (CONTRIB, "QuickGelu"): _since(1, FLOAT),
    (CONTRIB, "RotaryEmbedding"): _since(1, HALVES),
    (CONTRIB, "SkipLayerNormalization"): _since(1, FLOATS),
    (CONTRIB, "SkipSimplifiedLayerNormalization"): _since(1, FLOATS),
}

_CUDA: Table = {
    ("", "Gelu"): _since(20, FLOATS),
    ("", "HardSwish"): ((14, 21, NO_BFLOAT), (22, NEWEST, FLOATS)),
    ("", "LayerNormalization"): _since(17, FLOATS),
    ("", "RotaryEmbedding"): _since(23, SHORTS),
    ("", "SimplifiedLayerNormalization"): _since(1, FLOATS),
    (CONTRIB, "Attention"): _since(1, SHORTS),
    (CONTRIB, "BiasGelu"): _since(1, FLOATS),
    (CONTRIB, "FastGelu"): _since(1, FLOATS),
    (CONTRIB, "FusedConv"): _since(1, FLOAT),
    (CONTRIB, "FusedMatMul"): _since(1, FLOATS),
    (CONTRIB, "Gelu"): _since(1, FLOATS),
    (CONTRIB, "MultiHeadAttention"): _since(1, SHORTS),
    (CONTRIB, "QuickGelu"): _since(1, FLOATS),
    (CONTRIB, "RotaryEmbedding"): _since(1, SHORTS),
    (CONTRIB, "SkipLayerNormalization"): _since(1, SHORTS),
    (CONTRIB, "SkipSimplifiedLayerNormalization"): _since(1, SHORTS),
}

_TENSORRT: Table = {
    ("", "Gelu"): _since(20, SHORTS),
    ("", "GroupNormalization"): _since(21, SHORTS),
    ("", "HardSwish"): _since(14, SHORTS),
    ("", "LayerNormalization"): _since(17, SHORTS),
    ("", "Mish"): _since(18, HALVES),
    ("", "RMSNormalization"): _since(23, SHORTS),
    ("", "RotaryEmbedding"): _since(23, SHORTS),
}

_OPENVINO: Table = {
    ("", "Attention"): _since(23, HALVES),
    ("", "Gelu"): _since(20, HALVES),
    ("", "GroupNormalization"): _since(21, HALVES),
    ("", "HardSwish"): _since(14, HALVES),
    ("", "LayerNormalization"): _since(17, HALVES),
    ("", "Mish"): _since(18, HALVES),
    ("", "RMSNormalization"): _since(23, HALVES),
    ("", "RotaryEmbedding"): _since(23, HALVES),
    ("", "Swish"): _since(24, HALVES),
    (CONTRIB, "BiasGelu"): _since(1, HALVES),
    (CONTRIB, "FastGelu"): _since(1, HALVES),
    (CONTRIB, "FusedConv"): _since(1, HALVES),
    (CONTRIB, "FusedGemm"): _since(1, HALVES),
    (CONTRIB, "FusedMatMul"): _since(1, HALVES),
    (CONTRIB, "Gelu"): _since(1, HALVES),
    (CONTRIB, "MultiHeadAttention"): _since(1, HALVES),
    (CONTRIB, "QuickGelu"): _since(1, HALVES),
    (CONTRIB, "SkipLayerNormalization"): _since(1, HALVES),
    (CONTRIB, "SkipSimplifiedLayerNormalization"): _since(1, HALVES),
}

KERNELS: Mapping[str, Table] = {CPU: _CPU, CUDA: _CUDA, TENSORRT: _TENSORRT, OPENVINO: _OPENVINO}
"""Provider → its table. The CPU's own serves where ONNX Runtime is not installed (and the test)."""
