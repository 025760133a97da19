"""Which hardware a node is, read from its labels: pure, one file a vendor, exact values only."""

from burnish_operator.hardware.kinds import Certainty, Hardware, Identity, Reading, identity
from burnish_operator.hardware.reading import (
    absent_labels,
    driver_version,
    hardware_of,
    has_silent_card,
    is_hardware,
    read,
)

__all__ = [
    "Certainty", "Hardware", "Identity", "Reading", "absent_labels", "driver_version", "hardware_of",
    "has_silent_card", "identity", "is_hardware", "read",
]  # fmt: skip
