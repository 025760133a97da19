"""A model's statistics as Triton's clients read them.

Source: triton-inference-server/server, `docs/protocol/extension_statistics.md`.
"""

from collections.abc import Mapping
from typing import Any

_DURATIONS = (
    *("success", "fail", "queue", "compute_input", "compute_infer", "compute_output"),
    *("cache_hit", "cache_miss"),
)


def complete(known: Mapping[str, Any]) -> dict[str, Any]:
    """Every field of the extension: what is known, and nothing counted for the rest."""
    nothing = {"count": 0, "ns": 0}
    return {
        "last_inference": 0,
        "batch_stats": [],
        **known,
        "inference_stats": dict.fromkeys(_DURATIONS, nothing) | known["inference_stats"],
    }
