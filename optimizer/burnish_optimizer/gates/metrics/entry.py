"""A metric that is a function of the user's, by entry point. It is loaded and run in the probe's process.

    def metric(outputs: Mapping[str, Array], reference: Mapping[str, Array], label: Array | None) -> float

takes a sample's outputs by name, the reference's, and the label where there is one; higher is better. For
the reference's own value it is called with the reference's outputs in both places.
"""

import importlib
import math
from collections.abc import Callable
from importlib.metadata import entry_points

from burnish_engine.errors import one_line
from burnish_optimizer.errors import InvalidJob, NoFigure
from burnish_optimizer.gates.metrics.measure import Case, Measure, Sides, mean

GROUP = "burnish.metrics"
Function = Callable[..., object]


def measure_of(entry: str) -> Measure:
    """The metric behind `package.module:function`, or behind a name in the group `burnish.metrics`.

    Raises: InvalidJob: no such module, function or name, or something that cannot be called.
    """
    function = load(entry)
    return Measure(lambda case: _sides(function, entry, case), mean, any_shape=True)


def load(entry: str) -> Function:
    """Raises: InvalidJob."""
    try:
        found = _imported(entry) if ":" in entry else _installed(entry)
    except InvalidJob:
        raise
    except Exception as error:
        raise _invalid(entry, f"{type(error).__name__}: {one_line(error, 300)}") from error
    if not callable(found):
        raise _invalid(entry, f"{type(found).__name__}, which cannot be called")
    return found


def _unloaded(case: Case) -> Sides:
    raise NoFigure(f"{len(case.names)} outputs, and the user's function is loaded in the probe alone")


UNLOADED = Measure(_unloaded, mean, any_shape=True)


def _imported(entry: str) -> object:
    module, _, name = entry.partition(":")
    return getattr(importlib.import_module(module), name)


def _installed(entry: str) -> object:
    points = entry_points(group=GROUP)
    if entry not in points.names:
        known = ", ".join(sorted(points.names)) or "none"
        raise _invalid(entry, f"no such name in the entry point group {GROUP} (installed: {known})")
    return points[entry].load()


def _sides(function: Function, entry: str, case: Case) -> Sides:
    expected = dict(zip(case.names, case.expected, strict=True))
    found = dict(zip(case.names, case.found, strict=True))
    own, reference = (_called(function, entry, side, expected, case) for side in (found, expected))
    return Sides((own,), (reference,))


def _called(function: Function, entry: str, outputs: object, reference: object, case: Case) -> float:
    try:
        told = function(outputs, reference, case.label)
        value = float(told)  # type: ignore[arg-type]
    except Exception as error:
        raise NoFigure(
            f"the function {entry} raised {type(error).__name__}: {one_line(error, 300)}"
        ) from error
    if not math.isfinite(value):
        raise NoFigure(f"the function {entry} returned {value}, expected a finite number")
    return value


def _invalid(entry: str, found: str) -> InvalidJob:
    return InvalidJob(
        f"metric entry:{entry}",
        found=found,
        expected="a function of outputs, reference and label that can be imported here",
        remedy="Install its package here (for a cluster: in the optimizer's image), or set PYTHONPATH.",
    )
