"""A metric over cases, as the accuracy gate computes it."""

import numpy as np

from burnish_optimizer.gates.metrics.table import MEASURES


def value(kind, cases):
    """The metric of all cases, each with weight one: (own, reference)."""
    measure = MEASURES[kind]
    sides = [measure.sample(case) for case in cases]
    ones = np.ones((1, len(cases)))
    return tuple(
        float(measure.statistic([getattr(s, name) for s in sides])(ones)[0]) for name in ("own", "reference")
    )
