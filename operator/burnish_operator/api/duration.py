"""Durations as people write them in manifests: `45s`, `10m`, `1h30m`, `1d`."""

import re

from burnish_engine.errors import StalledError

PATTERN = r"^([0-9]{1,5}d)?([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$"
_FORM = re.compile(PATTERN)
_SECONDS = (86400, 3600, 60, 1)


class InvalidDuration(StalledError):
    """Text that is no duration."""


def parse_duration(text: str) -> int:
    """Whole seconds.

    Raises: InvalidDuration: empty, or another form.
    """
    match = _FORM.fullmatch(text)
    if match is None or not text:
        raise InvalidDuration(
            f"duration {text!r}",
            found="another form",
            expected="days, hours, minutes and seconds in this order, such as 45s, 10m, 1h30m or 1d",
        )
    return sum(int(part[:-1]) * unit for part, unit in zip(match.groups(), _SECONDS, strict=True) if part)


def format_duration(seconds: int) -> str:
    """The shortest spelling that `parse_duration` reads back."""
    parts = []
    for unit, letter in zip(_SECONDS, "dhms", strict=True):
        count, seconds = divmod(seconds, unit)
        if count:
            parts.append(f"{count}{letter}")
    return "".join(parts) or "0s"
