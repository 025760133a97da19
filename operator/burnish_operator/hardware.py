"""Which labels say what hardware a node is, as data. Values are compared exactly, never in part.

Sources: NVIDIA GPU Feature Discovery and Node Feature Discovery, label reference; well-known labels
of Kubernetes.
"""

ARCH = "kubernetes.io/arch"
INSTANCE_TYPE = "node.kubernetes.io/instance-type"
GPU = "nvidia.com/gpu"
GPU_PRODUCT = "nvidia.com/gpu.product"
GPU_COUNT = "nvidia.com/gpu.count"
MIG_PREFIX = "nvidia.com/mig-"
CPU_VENDOR = "feature.node.kubernetes.io/cpu-model.vendor_id"
CPU_FAMILY = "feature.node.kubernetes.io/cpu-model.family"
CPU_MODEL = "feature.node.kubernetes.io/cpu-model.id"
CPUID_PREFIX = "feature.node.kubernetes.io/cpu-cpuid."

# Instruction sets that change which kernels the backends choose.
CPU_FEATURES = (
    "AMXBF16", "AMXFP16", "AMXINT8", "AMXTILE", "ASIMD", "ASIMDDP", "ASIMDHP", "AVX", "AVX2", "AVX512BF16",
    "AVX512BW", "AVX512F", "AVX512FP16", "AVX512VNNI", "AVXVNNI", "AVXVNNIINT8", "FMA3", "SVE",
)  # fmt: skip

# label -> name of the fact
GPU_FACTS = {
    ARCH: "arch",
    GPU_PRODUCT: "product",
    "nvidia.com/gpu.memory": "memory_mib",
    "nvidia.com/gpu.compute.major": "compute_major",
    "nvidia.com/gpu.compute.minor": "compute_minor",
    "nvidia.com/cuda.driver-version.major": "driver_major",
}
CPU_FACTS = {
    ARCH: "arch",
    CPU_VENDOR: "vendor",
    CPU_FAMILY: "family",
    CPU_MODEL: "model",
    INSTANCE_TYPE: "instance_type",
}
FEATURE_LABELS = {f"{CPUID_PREFIX}{name}": name for name in CPU_FEATURES}
CPU_IDENTITY = (*CPU_FACTS, *FEATURE_LABELS)
GPU_IDENTITY = tuple(GPU_FACTS)


def is_hardware(label: str) -> bool:
    """True for labels that a class may hang on; all others may flap."""
    return (
        label in CPU_IDENTITY or label in GPU_IDENTITY or label.startswith(MIG_PREFIX) or label == GPU_COUNT
    )


def absent_labels(match_labels: dict[str, str]) -> tuple[str, ...]:
    """Labels that a node of this discovered class must not have: else it would be another class."""
    if any(label.startswith(MIG_PREFIX) for label in match_labels):
        return ()
    if GPU_PRODUCT in match_labels:
        return tuple(label for label in GPU_IDENTITY if label not in match_labels)
    return (GPU_PRODUCT, *(label for label in CPU_IDENTITY if label not in match_labels))
