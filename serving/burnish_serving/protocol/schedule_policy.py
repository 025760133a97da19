"""The schedule policy that a request asks for in its parameters.

Source: triton-inference-server/server, `docs/protocol/extension_schedule_policy.md`.
"""

from collections.abc import Mapping
from typing import Any

from burnish_serving.protocol import fields

TIMEOUT, PRIORITY = "timeout", "priority"
# A year: beyond it a number says "no limit", and may be larger than a float holds.
LONGEST_TIMEOUT_MICROSECONDS = 365 * 24 * 3600 * 10**6


def timeout_seconds(parameters: Mapping[str, Any]) -> float | None:
    """The parameter `timeout`, microseconds; 0 or absent: none. Raises: InvalidRequest."""
    microseconds = fields.size(parameters.get(TIMEOUT, 0), f"request, {TIMEOUT}")
    return min(microseconds, LONGEST_TIMEOUT_MICROSECONDS) / 1e6 if microseconds else None


def priority(parameters: Mapping[str, Any]) -> int:
    """The parameter `priority`; 0 or absent: the default. Raises: InvalidRequest."""
    return fields.size(parameters.get(PRIORITY, 0), f"request, {PRIORITY}")
