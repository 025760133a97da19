"""Which metric is which measure."""

from burnish_engine.metric import Metric
from burnish_optimizer.gates.metrics import classes, detection, distances, entry, text
from burnish_optimizer.gates.metrics.measure import Measure

MEASURES: dict[Metric, Measure] = {
    Metric.ACCURACY: classes.ACCURACY,
    Metric.F1: classes.F1,
    Metric.MAP: detection.MAP,
    Metric.CER: text.CER,
    Metric.AGREEMENT: classes.AGREEMENT,
    Metric.TOP5_AGREEMENT: classes.TOP5_AGREEMENT,
    Metric.COSINE: distances.COSINE,
    Metric.SQNR: distances.SQNR,
    Metric.MAX_ERROR: distances.MAX_ERROR,
    Metric.DETECTION_AGREEMENT: detection.DETECTION_AGREEMENT,
    Metric.TEXT_AGREEMENT: text.TEXT_AGREEMENT,
}


def measure_for(metric: Metric, function: str = "") -> Measure:
    """How a metric is computed on samples. Loads the user's function: only where answers are scored.

    Raises: InvalidJob: metric entry without a function that can be loaded.
    """
    return entry.measure_of(function) if metric is Metric.ENTRY else MEASURES[metric]


def combined(metric: Metric) -> Measure:
    """The same without the user's function, which is not needed once samples are scored."""
    return MEASURES.get(metric, entry.UNLOADED)
