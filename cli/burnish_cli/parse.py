"""Click parameter types: durations, sizes, latency goals, shapes, comma lists of enums."""

import json
import re
from enum import StrEnum
from typing import TypeVar

import click

from burnish_engine.request import LatencyGoal, Metric

_UNITS_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h)")
_GOAL = re.compile(r"p(\d+(?:\.\d+)?)=(.+)")
_UNITS_BYTES = {
    "B": 1,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(B|kB|MB|GB|KiB|MiB|GiB)")
Choice = TypeVar("Choice", bound=StrEnum)


def seconds(text: str) -> float:
    """Seconds of `20ms`, `10m` or `1h30m`.

    Raises: ValueError: no number with a unit, or something left over.
    """
    if not _PART.sub("", text) == "" or not text:
        raise ValueError(f"found {text!r}, expected a duration such as 20ms, 90s, 10m or 1h30m")
    return sum(float(number) * _UNITS_SECONDS[unit] for number, unit in _PART.findall(text))


class Duration(click.ParamType[float]):
    """`10m` → 600.0 seconds."""

    name = "duration"

    def convert(self, value: float | str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse, or fail with what was expected."""
        try:
            return value if isinstance(value, float) else seconds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Bytes(click.ParamType[int]):
    """`512MiB` → 536870912."""

    name = "size"

    def convert(self, value: int | str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse, or fail with what was expected."""
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(value)
        if match is None or float(match[1]) <= 0:
            self.fail(f"found {value!r}, expected a size above 0 such as 512MiB, 2GiB or 300MB", param, ctx)
        return int(float(match[1]) * _UNITS_BYTES[match[2]])


class Latency(click.ParamType[LatencyGoal]):
    """`p99=20ms` → LatencyGoal(percentile=99, seconds=0.02)."""

    name = "pNN=duration"

    def convert(
        self, value: LatencyGoal | str, param: click.Parameter | None, ctx: click.Context | None
    ) -> LatencyGoal:
        """Parse, or fail with what was expected."""
        if isinstance(value, LatencyGoal):
            return value
        match = _GOAL.fullmatch(value)
        if match is None:
            self.fail(f"found {value!r}, expected a goal such as p99=20ms", param, ctx)
        try:
            return LatencyGoal(percentile=float(match[1]), seconds=seconds(match[2]))
        except ValueError:
            self.fail(f"found {value!r}, expected a percentile from 0 to 100 and a time above 0", param, ctx)


class MetricName(click.ParamType[tuple[Metric, str]]):
    """`cosine` → (Metric.COSINE, ""); `entry:pkg.module:function` → (Metric.ENTRY, "pkg.module:function")."""

    name = "metric"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """All metrics, as the help shows them."""
        return f"[{'|'.join(m.value for m in Metric if m is not Metric.ENTRY)}|entry:FUNCTION]"

    def convert(
        self, value: tuple[Metric, str] | str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Metric, str]:
        """Parse, or fail with the metrics that there are."""
        if not isinstance(value, str):
            return value
        name, _, function = value.partition(":")
        if name not in set(Metric) or bool(function) is not (name == Metric.ENTRY):
            known = ", ".join(m.value for m in Metric if m is not Metric.ENTRY)
            told = "entry:package.module:function or entry:name"
            self.fail(f"found {value!r}, expected one of {known}, or {told}", param, ctx)
        return Metric(name), function


class Facts(click.ParamType[dict[str, str]]):
    """A JSON object of strings, such as `{"gpu_capability": "8.9"}`."""

    name = "JSON"

    def convert(
        self, value: dict[str, str] | str, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, str]:
        """Parse, or fail with what was expected."""
        if not isinstance(value, str):
            return value
        try:
            return {str(name): str(told) for name, told in json.loads(value).items()}
        except (ValueError, AttributeError):
            self.fail(f"found {value!r}, expected a JSON object of strings", param, ctx)


class InputShape(click.ParamType[tuple[str, tuple[int, ...]]]):
    """`x=1x3x224x224` → ("x", (1, 3, 224, 224)); a scalar is `x=`. Names may hold `=`."""

    name = "name=sizes"

    def convert(
        self,
        value: tuple[str, tuple[int, ...]] | str,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[str, tuple[int, ...]]:
        """Parse, or fail with what was expected."""
        if not isinstance(value, str):
            return value
        name, found, sizes = value.rpartition("=")
        parts = [part for part in sizes.split("x") if sizes]
        if not found or not name or not all(part.isascii() and part.isdecimal() for part in parts):
            self.fail(f"found {value!r}, expected an input and its sizes such as x=1x3x224x224", param, ctx)
        return name, tuple(map(int, parts))


class Choices(click.ParamType[tuple[Choice, ...]]):
    """`FP32,INT8` → a tuple of enum members, in the order given, whatever the case."""

    name = "list"

    def __init__(self, enum: type[Choice]) -> None:
        self._enum = enum

    def convert(
        self, value: tuple[Choice, ...] | str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Choice, ...]:
        """Parse, or fail with the members that there are."""
        if not isinstance(value, str):
            return value
        members = {str(member).lower(): member for member in self._enum}
        unknown = [word for word in value.split(",") if word.strip().lower() not in members]
        if unknown:
            self.fail(f"found {', '.join(unknown)!r}, expected some of {', '.join(self._enum)}", param, ctx)
        return tuple(dict.fromkeys(members[word.strip().lower()] for word in value.split(",")))
