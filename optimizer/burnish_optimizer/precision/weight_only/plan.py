"""What a weight-only recipe asks for, read from its settings."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from burnish_optimizer.errors import InvalidJob
from burnish_optimizer.precision.sensitivity import KEEP
from burnish_optimizer.precision.weight_only.grid import Grid
from burnish_optimizer.targets.implications import has_int8_dot

EXCLUDE, KEPT_BITS = "exclude", "kept_bits"
KEPT_BLOCK = 128
# What MatMulNBits takes: less and more than these it refuses, or has no quick kernel for.
BITS, BLOCKS = (4, 8), (16, 32, 64, 128, 256)
# Kernels compute in: 0 what they like, 1 FP32, 4 INT8 (activations are quantized block by block, too).
LEVELS = (0, 1, 4)
AUTO = "auto"


class Method(StrEnum):
    """How codes are found."""

    RTN = "rtn"
    HQQ = "hqq"
    GPTQ = "gptq"


@dataclass(frozen=True)
class Plan:
    """method, grid, accuracy_level: of all layers.   ordered: GPTQ's act-order.

    embeddings: whether tables that Gather reads become 8 bit.   excluded: nodes that stay, by name or by
    the name of their first output.   kept, kept_grid: nodes that have another grid, and which.
    least_elements: smaller weights stay: they are not worth a kernel.
    """

    method: Method = Method.RTN
    grid: Grid = field(default_factory=Grid)
    accuracy_level: int = 0
    ordered: bool = False
    embeddings: bool = True
    excluded: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    kept_grid: Grid | None = None
    least_elements: int = 4096

    def of(self, names: Iterable[str]) -> "Plan":
        """The plan of layers of these names: what is kept is rounded to nearest, in a grid of its own."""
        if self.kept_grid is None or self.kept.isdisjoint(names):
            return self
        return replace(self, method=Method.RTN, grid=self.kept_grid)


def plan_of(settings: Mapping[str, str], facts: Mapping[str, str]) -> Plan:
    """The plan that settings tell: bits, block, method, symmetric, accuracy_level, ordered, embeddings,
    exclude (names, separated by commas), keep (names as a JSON list) and kept_bits (of those; none: FP32).

    accuracy_level `auto` is 4 where the processor multiplies int8 by int8 quickly, else 0.
    Raises: InvalidJob: a value that means nothing.
    """
    return Plan(
        method=Method(_one_of(settings, "method", [m.value for m in Method])),
        grid=Grid(
            bits=int(_one_of(settings, "bits", [str(n) for n in BITS])),
            block=int(_one_of(settings, "block", [str(n) for n in BLOCKS], default="32")),
            symmetric=_flag(settings, "symmetric", "false"),
        ),
        accuracy_level=_level(settings, facts),
        ordered=_flag(settings, "ordered", "false"),
        embeddings=_flag(settings, "embeddings", "true"),
        excluded=_listed(settings) if KEPT_BITS in settings else left_alone(settings),
        kept=_kept(settings),
        kept_grid=_kept_grid(settings),
    )


def left_alone(settings: Mapping[str, str]) -> frozenset[str]:
    """Nodes or values that a search gives back their precision: of `exclude` and of `keep`."""
    return _listed(settings) | _kept(settings)


def _listed(settings: Mapping[str, str]) -> frozenset[str]:
    listed = (name.strip() for name in settings.get(EXCLUDE, "").split(","))
    return frozenset(filter(None, listed))


def _kept(settings: Mapping[str, str]) -> frozenset[str]:
    return frozenset(json.loads(settings.get(KEEP, "[]")))


def _kept_grid(settings: Mapping[str, str]) -> Grid | None:
    if KEPT_BITS not in settings:
        return None
    return Grid(bits=int(_one_of(settings, KEPT_BITS, [str(n) for n in BITS])), block=KEPT_BLOCK)


def _level(settings: Mapping[str, str], facts: Mapping[str, str]) -> int:
    given = _one_of(settings, "accuracy_level", [AUTO, *map(str, LEVELS)])
    if given != AUTO:
        return int(given)
    return 4 if has_int8_dot(facts) else 0


def _flag(settings: Mapping[str, str], name: str, default: str) -> bool:
    return _one_of(settings, name, ["true", "false"], default=default) == "true"


def _one_of(settings: Mapping[str, str], name: str, allowed: list[str], default: str = "") -> str:
    found = settings.get(name, default or allowed[0])
    if found not in allowed:
        raise InvalidJob(
            f"setting {name!r} of a weight-only recipe",
            found=repr(found),
            expected=" or ".join(allowed),
            remedy="Correct the recipe's settings.",
        )
    return found
