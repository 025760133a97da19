"""Label values of real nodes, gathered from public cluster dumps, manifests and documentation.

Compute capability is that of the product; memory is about what drivers report, in MiB.
"""

from dataclasses import dataclass

GPU = "nvidia.com/gpu"


@dataclass(frozen=True)
class Card:
    """One product as GPU Feature Discovery names it."""

    product: str
    memory_mib: int
    compute: str
    arch: str = "amd64"


def _cards(table: str) -> tuple[Card, ...]:
    rows = (line.split() for line in table.strip().splitlines())
    return tuple(Card(product, int(memory), compute, *arch) for product, memory, compute, *arch in rows)


CARDS = _cards("""
    A100-PCIE-40GB 40536 8.0
    A100-SXM4-40GB 40537 8.0
    A100-SXM4-80GB 81251 8.0
    GRID-V100-8C 8192 7.0
    GRID-V100DX-8Q 8192 7.0
    GeForce-GT-710 2002 3.5
    MOCKMODEL 300 8.0
    NVIDIA-A10 23028 8.6
    NVIDIA-A100-80GB-PCIe 81920 8.0
    NVIDIA-A100-PCIE-40GB 40960 8.0
    NVIDIA-A100-SXM-64GB 65536 8.0
    NVIDIA-A100-SXM4-40GB 40960 8.0
    NVIDIA-A100-SXM4-80GB 81920 8.0
    NVIDIA-A10G 23028 8.6
    NVIDIA-A16 15356 8.6
    NVIDIA-A2 15356 8.6
    NVIDIA-A30 24576 8.0
    NVIDIA-A40 46068 8.6
    NVIDIA-A40-48Q 49152 8.6
    NVIDIA-A800-40GB 40960 8.0
    NVIDIA-A800-SXM4-80GB 81920 8.0
    NVIDIA-AX800 81920 8.0
    NVIDIA-B200 183359 10.0
    NVIDIA-B300-SXM6-AC 275040 10.3
    NVIDIA-GB10 119808 12.1 arm64
    NVIDIA-GB200 189471 10.0 arm64
    NVIDIA-GB300 284208 10.3 arm64
    NVIDIA-GH200-120GB 97871 9.0 arm64
    NVIDIA-GH200-144G-HBM3e 147456 9.0 arm64
    NVIDIA-GH200-480GB 97871 9.0 arm64
    NVIDIA-GeForce-GTX-1070 8192 6.1
    NVIDIA-GeForce-GTX-1080-Ti 11264 6.1
    NVIDIA-GeForce-GTX-1660-Ti 6144 7.5
    NVIDIA-GeForce-RTX-2070-SUPER 8192 7.5
    NVIDIA-GeForce-RTX-2080-Ti 11264 7.5
    NVIDIA-GeForce-RTX-3060 12288 8.6
    NVIDIA-GeForce-RTX-3070 8192 8.6
    NVIDIA-GeForce-RTX-3070-Ti 8192 8.6
    NVIDIA-GeForce-RTX-3080 10240 8.6
    NVIDIA-GeForce-RTX-3090 24576 8.6
    NVIDIA-GeForce-RTX-4070-SUPER 12282 8.9
    NVIDIA-GeForce-RTX-4080 16376 8.9
    NVIDIA-GeForce-RTX-4090 24564 8.9
    NVIDIA-GeForce-RTX-4090-D 24564 8.9
    NVIDIA-GeForce-RTX-4090-Laptop-GPU 16376 8.9
    NVIDIA-GeForce-RTX-5080 16303 12.0
    NVIDIA-GeForce-RTX-5090 32607 12.0
    NVIDIA-H100 81559 9.0
    NVIDIA-H100-80GB-HBM3 81559 9.0
    NVIDIA-H100-NVL 95830 9.0
    NVIDIA-H100-PCIe 81559 9.0
    NVIDIA-H20 97871 9.0
    NVIDIA-H20-3e 143771 9.0
    NVIDIA-H200 143771 9.0
    NVIDIA-H200-NVL 143771 9.0
    NVIDIA-H800 81559 9.0
    NVIDIA-H800-NVL 95830 9.0
    NVIDIA-L2 23034 8.9
    NVIDIA-L20 46068 8.9
    NVIDIA-L4 23034 8.9
    NVIDIA-L40 46068 8.9
    NVIDIA-L40G 24576 8.9
    NVIDIA-L40S 46068 8.9
    NVIDIA-RTX-2000-Ada-Generation 16380 8.9
    NVIDIA-RTX-4000-Ada-Generation 20475 8.9
    NVIDIA-RTX-4000-SFF-Ada-Generation 20475 8.9
    NVIDIA-RTX-4500-Ada-Generation 24570 8.9
    NVIDIA-RTX-5000-Ada-Generation 32760 8.9
    NVIDIA-RTX-6000-Ada-Generation 49140 8.9
    NVIDIA-RTX-A4000 16376 8.6
    NVIDIA-RTX-A5000 24564 8.6
    NVIDIA-RTX-A6000 49140 8.6
    NVIDIA-RTX-PRO-2000-Blackwell 16311 12.0
    NVIDIA-RTX-PRO-4500-Blackwell-Server-Edition 32623 12.0
    NVIDIA-RTX-PRO-6000-Blackwell-Max-Q-Workstation-Edition 97887 12.0
    NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition 97887 12.0
    NVIDIA-RTX-PRO-6000-Blackwell-Workstation-Edition 97887 12.0
    NVIDIA-T4 15360 7.5
    NVIDIA-TITAN-RTX 24576 7.5
    NVIDIA-TITAN-X-Pascal 12288 6.1
    NVIDIA-TITAN-Xp 12288 6.1
    Quadro-GP100 16384 6.0
    Quadro-P400 2048 6.1
    Quadro-RTX-6000 23040 7.5
    Quadro-RTX-8000 46080 7.5
    Tesla-K80 11441 3.7
    Tesla-M60 7680 5.2
    Tesla-P4 7680 6.1
    Tesla-P40 22919 6.1
    Tesla-P100-PCIE-16GB 16384 6.0
    Tesla-P100-SXM2-16GB 16384 6.0
    Tesla-T4 15360 7.5
    Tesla-V100-DGXS-32GB 32768 7.0
    Tesla-V100-PCIE-16GB 16384 7.0
    Tesla-V100-PCIE-32GB 32768 7.0
    Tesla-V100-SXM2-16GB 16384 7.0
    Tesla-V100-SXM2-32GB 32768 7.0
    Tesla-V100-SXM3-32GB 32768 7.0
""")

# (parent, profile, MiB) as the strategies `single` and `mixed` show them.
INSTANCES = (
    ("A100-SXM4-40GB", "1g.5gb", 4864),
    ("NVIDIA-A100-SXM4-40GB", "1g.5gb", 4864),
    ("NVIDIA-A100-SXM4-40GB", "1g.5gb.me", 4864),
    ("NVIDIA-A100-SXM4-40GB", "1g.10gb", 9856),
    ("NVIDIA-A100-SXM4-40GB", "2g.10gb", 9856),
    ("NVIDIA-A100-SXM4-40GB", "1c.2g.10gb", 9856),
    ("NVIDIA-A100-SXM4-40GB", "3g.20gb", 19968),
    ("NVIDIA-A100-SXM4-40GB", "4g.20gb", 19968),
    ("NVIDIA-A100-SXM4-40GB", "7g.40gb", 40192),
    ("NVIDIA-A100-SXM4-80GB", "1g.10gb", 9728),
    ("NVIDIA-A100-SXM4-80GB", "3g.40gb", 40192),
    ("NVIDIA-A100-80GB-PCIe", "1g.10gb", 9728),
    ("NVIDIA-A100-80GB-PCIe", "1g.20gb", 19968),
    ("NVIDIA-A30", "1g.6gb", 5952),
    ("NVIDIA-A30", "2g.12gb.me", 12032),
    ("NVIDIA-H100-80GB-HBM3", "1g.10gb", 9984),
    ("NVIDIA-H100-80GB-HBM3", "1g.10gb.me", 9984),
    ("NVIDIA-H100-80GB-HBM3", "1g.20gb", 20096),
    ("NVIDIA-H100-80GB-HBM3", "7g.80gb", 81152),
    ("NVIDIA-H100-NVL", "1g.12gb", 11008),
    ("NVIDIA-H200", "1g.18gb", 16384),
    ("NVIDIA-H200", "1g.35gb", 33024),
    ("NVIDIA-B200", "1g.23gb", 22400),
    ("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", "1g.24gb", 24000),
)

AMD = {
    "AMD_Instinct_MI210": ("740f", "64G", "104"),
    "AMD_Instinct_MI250X": ("7408", "64G", "110"),
    "AMD_Instinct_MI300A": ("74a0", "128G", "228"),
    "AMD_Instinct_MI300X": ("74a1", "192G", "304"),
    "AMD_Instinct_MI300X_OAM": ("74a1", "192G", "304"),
    "AMD_Instinct_MI300X_VF": ("74b5", "191G", "304"),
    "AMD_Instinct_MI308X": ("74a2", "192G", "80"),
    "AMD_Instinct_MI325X": ("74a5", "256G", "304"),
    "AMD_Instinct_MI325_OAM": ("74a5", "256G", "304"),
    "AMD_Instinct_MI355X": ("75a3", "288G", "256"),
    "AMD_Radeon_780M_Graphics": ("15bf", "4G", "12"),
    "AMD_Radeon_8060S_Graphics": ("1586", "64G", "40"),
    "AMD_Radeon_RX_7900_XTX": ("744c", "24G", "96"),
}
INTEL = {
    "Max_1100": "0380-0bda",
    "Max_1550": "0380-0bd5",
    "Flex_140": "0380-56c1",
    "Flex_170": "0380-56c0",
    "Arc_B580": "0300-e20b",
    "Arc_Pro_B60": "0300-e211",
    "": "0300-56a0",
}


def whole(card: Card, *, replicas: int = 1, sharing: str = "none", count: int = 8) -> dict[str, str]:
    """Labels of a node with whole GPUs, as GFD writes them."""
    major, minor = card.compute.split(".")
    shared = "-SHARED" if replicas > 1 else ""
    return {
        "kubernetes.io/arch": card.arch,
        f"{GPU}.product": f"{card.product}{shared}",
        f"{GPU}.memory": str(card.memory_mib),
        f"{GPU}.count": str(count),
        f"{GPU}.replicas": str(replicas),
        f"{GPU}.sharing-strategy": sharing,
        f"{GPU}.compute.major": major,
        f"{GPU}.compute.minor": minor,
        f"{GPU}.machine": "unknown",
        **driver("570.86.15"),
    }


def driver(version: str) -> dict[str, str]:
    """Both generations of the driver's labels."""
    major, minor, revision = version.split(".")
    return {
        "nvidia.com/cuda.driver.major": major,
        "nvidia.com/cuda.driver.minor": minor,
        "nvidia.com/cuda.driver.rev": revision,
        "nvidia.com/cuda.driver-version.major": major,
        "nvidia.com/cuda.driver-version.full": version,
    }


def instances(parent: Card, profile: str, memory_mib: int, *, count: int = 7) -> dict[str, str]:
    """Labels that the MIG strategy `mixed` adds for one profile."""
    base = f"nvidia.com/mig-{profile}"
    return {
        f"{base}.product": f"{parent.product}-MIG-{profile}",
        f"{base}.memory": str(memory_mib),
        f"{base}.count": str(count),
        f"{base}.replicas": "1",
        f"{base}.sharing-strategy": "none",
        f"{base}.slices.gi": profile.split("g.", maxsplit=1)[0][-1],
    }


def named(product: str) -> Card:
    """The card of this name."""
    return next(card for card in CARDS if card.product == product)


def amd(product: str) -> dict[str, str]:
    """Labels of the ROCm node labeller."""
    device, vram, units = AMD[product]
    return {
        "kubernetes.io/arch": "amd64",
        "amd.com/gpu.product-name": product,
        "amd.com/gpu.device-id": device,
        "amd.com/gpu.family": "AI",
        "amd.com/gpu.vram": vram,
        "amd.com/gpu.cu-count": units,
        "amd.com/gpu.simd-count": str(4 * int(units)),
        "amd.com/gpu.driver-version": "6.12.12",
        f"beta.amd.com/gpu.device-id.{device}": "8",
    }


def intel(product: str) -> dict[str, str]:
    """Labels of Intel's rules for node-feature-discovery."""
    device = INTEL[product]
    return {
        "kubernetes.io/arch": "amd64",
        f"gpu.intel.com/device-id.{device}.present": "true",
        f"gpu.intel.com/device-id.{device}.count": "2",
        **({"gpu.intel.com/product": product} if product else {}),
    }
