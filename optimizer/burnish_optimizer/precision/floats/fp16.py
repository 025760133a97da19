"""FP16, but where its range or its precision does not do: there FP32 stays, with a reason."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import onnx_ir as ir

from burnish_optimizer.errors import Declined
from burnish_optimizer.ingest.feeds import Feeds
from burnish_optimizer.precision.floats.choose import choose
from burnish_optimizer.precision.floats.narrow import narrow
from burnish_optimizer.precision.floats.rules import Facts
from burnish_optimizer.precision.floats.watch import overflowing
from burnish_optimizer.rewrite.copies import copy_of

MAX_ROUNDS: Final = 5
UNKNOWN: Final[Mapping[str, tuple[float, float]]] = MappingProxyType({})
Store = Callable[[int], None]


@dataclass(frozen=True)
class NarrowReport:
    """narrow: how many nodes compute in the narrow type.   kept: why others stay, by name.   casts: added."""

    narrow: int
    kept: Mapping[str, str]
    casts: int


def to_fp16(
    model: ir.Model,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    keep: Collection[str] = (),
    store: Store = lambda _: None,
    beyond: Collection[str] = (),
) -> tuple[ir.Model, NarrowReport]:
    """A typed model as one that computes in FP16 where that is safe. Inputs and outputs keep their types.

    Args:
        ranges: lowest and highest number of values, seen in calibration; where there are none, operators
            that make large numbers of small ones keep FP32.
        keep: nodes or values, by name, that stay FP32.   store: see `narrow.narrow`.
        beyond: values that were seen to leave FP16's range.
    """
    facts = Facts(ranges=ranges or UNKNOWN, keep=frozenset(keep), beyond=frozenset(beyond))
    return narrowed(model, ir.DataType.FLOAT16, facts, store)


def narrowed(
    model: ir.Model, kind: ir.DataType, facts: Facts, store: Store = lambda _: None
) -> tuple[ir.Model, NarrowReport]:
    """A copy in a narrower type, which shares the model's constants where they stay."""
    made = copy_of(model)
    choice = choose(made, kind, facts)
    casts = narrow(made, choice, kind, store)
    return made, NarrowReport(len(choice.narrow), choice.kept, casts)


@dataclass(frozen=True)
class Check:
    """Calibration: `feeds` starts anew at each call.   base: where external tensors are."""

    feeds: Callable[[], Iterable[Feeds]]
    base: Path | None = None
    threads: int = 1


def checked_fp16(
    model: ir.Model,
    ranges: Mapping[str, tuple[float, float]],
    keep: Collection[str],
    check: Check,
    finished: Callable[[ir.Model], None] = lambda _: None,
) -> tuple[ir.Model, NarrowReport]:
    """FP16 in which nothing overflows on the calibration samples: what does is built again with FP32 there.

    Args: finished: is told each model before it runs (to move what was made into files).
    Raises: Declined: something still overflows after some rounds, or no node can be FP16.
    """
    beyond: frozenset[str] = frozenset()
    for _ in range(MAX_ROUNDS):
        made, report = to_fp16(model, ranges, keep, beyond=beyond)
        if not report.narrow:
            raise Declined(f"nothing can be FP16: {next(iter(report.kept.values()), 'no FP32 in it')}")
        finished(made)
        found = overflowing(model, made, check.feeds(), check.base, check.threads)
        if not found:
            return made, report
        beyond |= found
    raise Declined(f"FP16 overflows in {len(found)} values ({min(found)}), after {MAX_ROUNDS} rounds")
