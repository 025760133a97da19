"""Processors, from the labels of node-feature-discovery (NFD); the instance type is part of the kind.

Source: Node Feature Discovery, "Feature labels", source `cpu`.
"""

from collections.abc import Mapping

from burnish_operator.hardware.kinds import Certainty, Hardware, chosen, slug
from burnish_operator.hardware.wellknown import ARCH, INSTANCE_TYPE

NFD = "feature.node.kubernetes.io"
VENDOR = f"{NFD}/cpu-model.vendor_id"
FAMILY = f"{NFD}/cpu-model.family"
MODEL = f"{NFD}/cpu-model.id"

# Instruction sets that change which kernels the backends choose.
FEATURES = (
    "AMXBF16", "AMXFP16", "AMXINT8", "AMXTILE", "ASIMD", "ASIMDDP", "ASIMDHP", "AVX", "AVX2", "AVX512BF16",
    "AVX512BW", "AVX512F", "AVX512FP16", "AVX512VNNI", "AVXVNNI", "AVXVNNIINT8", "FMA3", "SVE",
)  # fmt: skip
FEATURE_LABELS = {f"{NFD}/cpu-cpuid.{name}": name for name in FEATURES}

# label -> name of the fact
FACTS = {
    ARCH: "arch",
    VENDOR: "vendor",
    FAMILY: "family",
    MODEL: "model",
    INSTANCE_TYPE: "instance_type",
}
CONSULTED = (*FACTS, *FEATURE_LABELS)


def kind(labels: Mapping[str, str]) -> Hardware:
    """The processor; without NFD's labels a guess by architecture and instance type."""
    match = chosen(labels, CONSULTED)
    facts = {"kind": "cpu"} | {FACTS[label]: value for label, value in match.items() if label in FACTS}
    features = sorted(name for label, name in FEATURE_LABELS.items() if labels.get(label) == "true")
    facts |= {"features": ",".join(features)} if features else {}
    known = (labels.get(VENDOR), labels.get(FAMILY), labels.get(MODEL))
    unknown = ("unknown", labels.get(ARCH, "machine"))
    parts = ("cpu", *(part for part in known if part)) if known[0] else unknown
    certainty = Certainty.CPU if known[0] else Certainty.GUESSED
    return Hardware(
        slug("-".join((*parts, labels.get(INSTANCE_TYPE, "")))), match, facts, certainty=certainty
    )
