"""What a model computes in exact arithmetic, as near as FP64 gets, and how far its own types may stray.

The model (a small one: a region between cut points) is evaluated node by node in FP64. `error` is derived
from the operands, by Monte Carlo arithmetic (D. S. Parker, "Monte Carlo Arithmetic: exploiting randomness in
floating-point arithmetic", 1997): the evaluation is repeated with the output of every node off by its local
error (see `fp64_rounding`) times a random sign. What those runs differ by is what rounding does to the
result, with all its amplification and cancellation. One more run stores each value in its own type, which
shows what overflows or underflows on the way: of what depends on that, nothing is known.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish_optimizer.errors import NoTruth
from burnish_optimizer.reference.fp64_run import Mode, Run, Trace
from burnish_optimizer.reference.fp64_signs import RUNS
from burnish_optimizer.reference.fp64_values import Datum, DType, Wide, is_float, unit_roundoff
from burnish_runtime.session import Array

# Errors are taken as one standard deviation; 4 of them, and the last rounding, bound a result.
SAFETY = 4.0


@dataclass(frozen=True)
class Truth:
    """A value and how far an evaluation in the region's own types may be from it.

    Args:
        value: FP64 for floats; integers, bools and strings as they are.
        error: FP64, the shape of `value`; 0 where it is exact, Inf where nothing can be said (its type
            overflows on the way).
        dtype: the element type that they stand for.
        overflown: whether a value on the way is beyond its own type, though what went in was not: the
            original may get over it (x / Inf = 0), and other code that is as good may not.
    """

    value: Array
    error: Array
    dtype: DType
    overflown: bool = False


def evaluate(
    model: ir.Model, feeds: Mapping[str, Array], outputs: Collection[str] | None = None
) -> dict[str, Truth]:
    """Outputs of the model by name.

    Args:
        feeds: arrays by input name, in the model's own element types (bfloat16 also as raw uint16).
        outputs: those that are asked for; None: all. Nothing is computed that they do not need.
    Raises: NoTruth: an operator that cannot be evaluated, or an output that is no tensor.
    """
    wanted = [v for v in model.graph.outputs if outputs is None or v.name in outputs]
    trace = Trace(wanted=wanted)
    needed = {v.name for v in trace.needed(model.graph).values}
    feeds = {name: array for name, array in feeds.items() if name in needed}
    trace.rows = _rows(feeds)
    exact_run = Run(model, trace)
    truth = exact_run.main(feeds)
    stored_run = Run(model, trace, Mode.STORED)
    stored = stored_run.main(feeds)
    spread = [np.zeros(_shape(value)) for value in truth]
    if any(error is not None for errors in trace.errors.values() for error in errors):
        for perturbed in _perturbed(model, trace, feeds):
            _add_squares(spread, perturbed, truth)
    beyond = exact_run.overflown and all(map(_is_finite, feeds.values()))
    return {
        value.name or "": _truth(result, other, total, overflown=stored_run.overflown, beyond=beyond)
        for value, result, other, total in zip(trace.wanted, truth, stored, spread, strict=True)
    }


def _rows(feeds: Mapping[str, Array]) -> int | None:
    """How many rows all inputs have; None where they have not the same number."""
    counts = {x.shape[0] if isinstance(x, np.ndarray) and x.ndim else None for x in feeds.values()}
    return next(iter(counts)) if len(counts) == 1 else None


def _perturbed(model: ir.Model, trace: Trace, feeds: Mapping[str, Array]) -> Iterator[Sequence[Datum]]:
    """The outputs of every perturbed run: all runs at once where rows do not know of each other."""
    if trace.rows is None:
        yield from (Run(model, trace, Mode.PERTURBED, number).main(feeds) for number in range(RUNS))
        return
    batches = {name: np.concatenate([x] * RUNS) for name, x in feeds.items()}
    found = Run(model, trace, Mode.STACKED).main(batches)
    for number in range(RUNS):
        yield [_part(value, number, trace.rows) for value in found]


def _part(value: Datum, number: int, rows: int) -> Datum:
    if not isinstance(value, Wide) or not value.fed:
        return value
    return replace(value, data=value.data[number * rows : (number + 1) * rows])


def values(model: ir.Model, feeds: Mapping[str, Array], outputs: Collection[str]) -> dict[str, Array]:
    """Outputs in FP64, without their bounds: a tenth of what `evaluate` costs.

    Raises: NoTruth: an operator that cannot be evaluated, or an output that is no tensor.
    """
    trace = Trace(wanted=[v for v in model.graph.outputs if v.name in outputs], bounded=False)
    found = Run(model, trace).main(feeds)
    if not all(isinstance(value, Wide) for value in found):
        raise NoTruth("output", "it is no tensor")
    named = zip(trace.wanted, found, strict=True)
    return {of.name or "": value.data for of, value in named if isinstance(value, Wide)}


def _is_finite(array: Any) -> bool:
    return not isinstance(array, np.ndarray) or array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _shape(value: Datum) -> tuple[int, ...]:
    return value.data.shape if isinstance(value, Wide) else ()


def _add_squares(totals: list[Array], values: Sequence[Datum], truth: Sequence[Datum]) -> None:
    """Add the square of each element's deviation. A shape that depends on rounding has no bound."""
    with np.errstate(all="ignore"):
        for total, value, exact in zip(totals, values, truth, strict=True):
            if isinstance(value, Wide) and isinstance(exact, Wide) and value.data.dtype.kind in "fiu":
                if value.data.shape != exact.data.shape:
                    raise NoTruth("output", "its shape depends on rounding")
                np.add(total, np.square(value.data.astype(np.float64) - exact.data), out=total)


def _truth(exact: Datum, stored: Datum, total: Array, *, overflown: bool, beyond: bool) -> Truth:
    if not isinstance(exact, Wide):
        raise NoTruth("output", "it is no tensor")
    if not is_float(exact.dtype):
        return Truth(exact.data, np.sqrt(np.nan_to_num(total, nan=np.inf) / RUNS), exact.dtype)
    other: Any = (
        stored.data if isinstance(stored, Wide) and stored.data.shape == exact.data.shape else exact.data
    )
    with np.errstate(all="ignore"):
        error = SAFETY * np.sqrt(total / RUNS) + unit_roundoff(exact.dtype) * np.abs(exact.data)
        strayed = np.abs(other - exact.data)
        finite = np.isfinite(exact.data)
        same = (other == exact.data) | (np.isnan(other) & np.isnan(exact.data))
        unknown = ~np.isfinite(error) | ~np.isfinite(strayed)
        if overflown:
            unknown |= strayed > error
        error = np.where(unknown, np.inf, np.maximum(error, 2 * strayed))
        odd = np.where(same & (not beyond), 0.0, np.inf)
    return Truth(exact.data, np.where(finite, error, odd), exact.dtype, overflown)
