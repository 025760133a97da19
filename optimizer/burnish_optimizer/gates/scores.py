"""One sample's answers beside the reference's, in numbers. Pure."""

import numpy as np

from burnish_optimizer.errors import NoFigure
from burnish_optimizer.gates.metrics.distances import energies
from burnish_optimizer.gates.metrics.measure import Case, Measure
from burnish_optimizer.tasks import SampleScore
from burnish_runtime.session import Array


def score_sample(case: Case, measure: Measure) -> SampleScore:
    """Compare a candidate's outputs with the reference's, and with the label where there is one."""
    pairs = list(zip(case.expected, case.found, strict=True))
    if not all(_same_form(e, f, any_shape=measure.any_shape) for e, f in pairs):
        return SampleScore(finite=False, shapes=False, note="answers of another shape than the reference's")
    finite = all(_finite_where(e, f) for e, f in pairs)
    told = () if measure.any_shape else tuple(energies(e, f) for e, f in pairs)
    try:
        sides = measure.sample(case)
    except NoFigure as reason:
        return SampleScore(finite=finite, shapes=True, energies=told, note=str(reason))
    return SampleScore(
        finite=finite,
        shapes=True,
        energies=told,
        judged=sides.judged,
        own=sides.own,
        reference=sides.reference,
    )


def _same_form(expected: Array, found: Array, *, any_shape: bool) -> bool:
    return bool(expected.ndim == found.ndim if any_shape else expected.shape == found.shape)


def _finite_where(expected: Array, found: Array) -> bool:
    """Numbers where the reference has numbers. One that has none (all NaN) is no judge of anything.

    Answers whose shape depends on what was found (boxes) are numbers throughout where the reference's are.
    """
    if expected.dtype.kind != "f" or not expected.size:
        return True
    if np.isnan(expected).all():
        return False
    if expected.shape != found.shape:
        return bool(np.isfinite(found).all()) or not bool(np.isfinite(expected).all())
    return bool(np.all(np.isfinite(found) | ~np.isfinite(expected)))
