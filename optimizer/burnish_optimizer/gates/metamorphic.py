"""Laws of whole models that answer rows independently of each other.

For a batch x of N rows and a model f that is batchable on the source's own evidence:

    identical rows     f([r, r, …]) = [f(r), f(r), …], every row the same
    rows alone         f(x) = [f(x₁), …, f(x_N)]
    permuted rows      f(πx) = π f(x)

They need no second opinion on the values: a pass that mixes rows breaks them whatever the answers are.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from burnish_engine.errors import one_line
from burnish_engine.report import GateResult
from burnish_optimizer.gates.metrics.distances import max_error
from burnish_optimizer.gates.probe_floats import limits
from burnish_optimizer.gates.probes import Probe
from burnish_optimizer.ingest.feeds import Feeds
from burnish_runtime.session import Array

Run = Callable[[Feeds], Feeds]

NAME = "batch-laws"
# Beyond this share of an output's scale the source's own rows are not independent: no law binds then. (Types
# that round more coarsely than that: a few units in the last place.)
MAX_RELATIVE_DEVIATION = 1e-3
MAX_ULPS = 8.0
# One row may take another kernel than several, and another kernel rounds otherwise: what the source's own
# kernels do, a few times, or this much in units of the last place of the largest value.
FACTOR = 4.0
FLOOR_ULPS = 256.0
# More rows than this prove nothing more: the laws cost 3 + N runs of each model.
MAX_ROWS = 3


@dataclass(frozen=True)
class Axes:
    """Where rows are counted, by input (those without are shared by all rows) and by output.

    rows: how many of them the laws are tried on.
    """

    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    rows: int


@dataclass(frozen=True)
class Deviation:
    """How far one output is from one law.

    Args: worst: largest |difference|.   scale: largest |value| that it should have.   epsilon: of its type.
    """

    law: str
    output: str
    worst: float
    scale: float
    epsilon: float

    @property
    def is_rounding(self) -> bool:
        """Whether rows are independent as far as rounding lets them be."""
        return self.worst <= max(MAX_RELATIVE_DEVIATION, MAX_ULPS * self.epsilon) * self.scale

    def allowed(self, *, exact: bool) -> float:
        """How far the rewritten model may be, where this is how far the source is."""
        if exact and self.worst == 0.0:
            return 0.0
        ulps = min(FLOOR_ULPS * self.epsilon, max(MAX_RELATIVE_DEVIATION, MAX_ULPS * self.epsilon))
        return max(FACTOR * self.worst, ulps * self.scale)


class _Rows:
    """A model on some rows of a probe, each choice of them run once."""

    def __init__(self, run: Run, probe: Probe, answers: Feeds | None = None) -> None:
        """`answers`: for the whole probe, where they are known."""
        self._run, self._probe = run, probe
        counts = {probe.feeds[name].shape[axis] for name, axis in probe.axes.items()}
        self._known = {tuple(range(n)): answers for n in counts if answers and len(counts) == 1}

    def of(self, rows: Sequence[int]) -> Feeds:
        """The answers for these rows of every input that has rows."""
        key = tuple(rows)
        if key not in self._known:
            axes = self._probe.axes
            self._known[key] = self._run(
                {
                    name: np.ascontiguousarray(np.take(array, rows, axes[name])) if name in axes else array
                    for name, array in self._probe.feeds.items()
                }
            )
        return self._known[key]


def batch_laws(
    source: Run, rewritten: Run, probes: Iterable[Probe], *, exact: bool = False
) -> GateResult | None:
    """Hold a rewritten model to the laws that the source obeys itself, on the first probe that has rows.

    Args:
        source, rewritten: run each model unoptimized.
        exact: only exact passes ran: where the source's rows are equal, so must the result's be.
    Returns: None where the source is batchable on no probe: no law binds.
    """
    results = (batch_laws_on(source, rewritten, probe, exact=exact) for probe in probes)
    return next((one for one in results if one is not None), None)


def batch_laws_on(source: Run, rewritten: Run, probe: Probe, *, exact: bool = False) -> GateResult | None:
    """The laws on one probe; see `batch_laws`."""
    original = _Rows(source, probe, probe.answers)
    axes = _axes(original, probe)
    if axes is None:
        return None
    own = _attempted(original, axes)
    if isinstance(own, str) or not all(one.is_rounding for one in own):
        return None
    found = _attempted(_Rows(rewritten, probe), axes)
    if isinstance(found, str):
        return _result(probe, f"the rewritten model fails: {found}", "what the source runs", passed=False)
    return _judged(probe, own, found, exact=exact)


def may_bind(probe: Probe) -> bool:
    """Whether a probe has rows to compare, as far as can be told without running anything."""
    return _rows(probe) is not None


def deviation(found: Feeds, expected: Feeds) -> tuple[float, float]:
    """Largest |found - expected| over all outputs, and their scale (largest |value|).

    Infinite where one has a number and the other has none, and where texts differ.
    Raises: ValueError: shapes differ.
    """
    worst = scale = 0.0
    for name, value in expected.items():
        if value.shape != found[name].shape:
            shapes = f"{list(found[name].shape)} in a batch, {list(value.shape)} by rows"
            raise ValueError(f"output {name!r} has shape {shapes}")
        worst = max(worst, _error(found[name], value))
        scale = max(scale, _scale(value))
    return worst, scale


def _axes(source: _Rows, probe: Probe) -> Axes | None:
    """The axes that count rows, from the probe and from how the source's outputs follow it."""
    rows = _rows(probe)
    if rows is None:
        return None
    try:
        whole, fewer = (source.of(range(n)) for n in (rows, rows - 1))
    except Exception:  # noqa: BLE001 - a source that cannot take another batch is bound by no law
        return None
    followed = {name: _row_axis(value, fewer[name], rows) for name, value in whole.items()}
    outputs = {name: axis for name, axis in followed.items() if axis is not None}
    return Axes(probe.axes, outputs, rows) if outputs and len(outputs) == len(followed) else None


def _rows(probe: Probe) -> int | None:
    """How many rows the laws are tried on; None where there are too few."""
    counts = {probe.feeds[name].shape[axis] for name, axis in probe.axes.items()}
    rows = min(*counts, MAX_ROWS) if len(counts) == 1 else 0
    return rows if rows > 1 else None


def _row_axis(whole: Array, fewer: Array, rows: int) -> int | None:
    """The only axis that is one shorter where there is one row less."""
    if not isinstance(whole, np.ndarray) or whole.ndim != fewer.ndim:
        return None
    changed = [axis for axis in range(whole.ndim) if whole.shape[axis] != fewer.shape[axis]]
    follows = len(changed) == 1 and (whole.shape[changed[0]], fewer.shape[changed[0]]) == (rows, rows - 1)
    return changed[0] if follows else None


def _attempted(run: _Rows, axes: Axes) -> list[Deviation] | str:
    try:
        return list(_deviations(run, axes))
    except Exception as error:  # noqa: BLE001 - a model that breaks on another batch says so in many ways
        return one_line(error, 200)


def _deviations(run: _Rows, axes: Axes) -> Iterator[Deviation]:
    """Every output's distance from every law.

    Raises: ValueError: shapes differ from what a law says; and whatever `run` raises.
    """
    rows = range(axes.rows)
    order = [*rows[1:], 0] if axes.rows > 2 else [1, 0]
    whole, same, moved = (run.of(which) for which in (rows, [0] * axes.rows, order))
    alone = [run.of([row]) for row in rows]
    for name, axis in axes.outputs.items():
        first = np.take(same[name], [0] * axes.rows, axis)
        yield _measured("identical rows", name, same[name], first)
        yield _measured("rows alone", name, whole[name], np.concatenate([one[name] for one in alone], axis))
        yield _measured("permuted rows", name, moved[name], np.take(whole[name], order, axis))


def _measured(law: str, output: str, found: Array, expected: Array) -> Deviation:
    worst, scale = deviation({output: found}, {output: expected})
    is_float = expected.dtype.kind in "fV"
    epsilon = float(limits(expected.dtype).eps) if is_float else 0.0
    return Deviation(law, output, worst, scale, epsilon)


def _judged(probe: Probe, own: Sequence[Deviation], found: Sequence[Deviation], *, exact: bool) -> GateResult:
    allowed = [one.allowed(exact=exact) for one in own]
    broken = [(o, f, n) for o, f, n in zip(own, found, allowed, strict=True) if not f.worst <= n]
    if not broken:
        worst = {law: max(f.worst for f in found if f.law == law) for law in (f.law for f in found)}
        figures = ", ".join(f"{law} {value:.3g}" for law, value in worst.items())
        return _result(probe, f"largest difference: {figures}", f"at most {max(allowed):.3g}", passed=True)
    source, one, limit = max(broken, key=lambda item: item[1].worst)
    told = f"{one.law}: output {one.output!r} differs by {one.worst:.3g}"
    return _result(probe, told, f"at most {limit:.3g} (the source: {source.worst:.3g})", passed=False)


def _result(probe: Probe, found: str, expected: str, *, passed: bool) -> GateResult:
    laws = "identical rows, rows alone and permuted rows give the same answers"
    return GateResult(
        name=NAME, passed=passed, found=f"{found} ({probe.name})", expected=f"{laws}: {expected}"
    )


def _error(found: Array, expected: Array) -> float:
    if expected.dtype.kind not in "fiubV":
        return 0.0 if np.array_equal(found, expected) else np.inf
    pair = [a.astype(np.float64) if a.dtype.kind == "V" else a for a in (found, expected)]
    if pair[1].dtype.kind == "f" and not _same_gaps(*pair):
        return np.inf
    return max_error(pair[1], pair[0])


def _same_gaps(found: Array, expected: Array) -> bool:
    """NaN and infinities in the same places."""
    ordinary = np.isfinite(found) | np.isfinite(expected)
    return bool(np.array_equal(found[~ordinary], expected[~ordinary], equal_nan=True)) and bool(
        np.array_equal(np.isfinite(found), np.isfinite(expected))
    )


def _scale(array: Array) -> float:
    if array.dtype.kind not in "fiubV" or not array.size:
        return 0.0
    wide = array.astype(np.float64)
    return float(np.max(np.abs(wide[np.isfinite(wide)]), initial=0.0))
