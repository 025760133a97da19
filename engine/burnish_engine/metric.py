"""How answers are judged: the metrics, and what each of them needs."""

from enum import StrEnum


class Labels(StrEnum):
    """What the array `label` of a sample holds.

    NONE: it is not looked at.   CLASSES: integers.   BOXES: rows of x1, y1, x2, y2, class.
    FREE: whatever the user's function takes; it may be absent.
    """

    NONE = "none"
    CLASSES = "classes"
    BOXES = "boxes"
    FREE = "free"


class Metric(StrEnum):
    """How answers are judged. Against labels:

    ACCURACY: share of arg-max positions that are the label's.   F1: macro, over classes.
    MAP: mean average precision at IoU 0.5.
    CER: character error rate of greedily decoded CTC (lower is better).

    Against the reference, without labels:
    AGREEMENT: share of arg-max positions that are the reference's.
    TOP5_AGREEMENT: overlap of the five best classes.
    COSINE: mean cosine similarity.   SQNR: signal over quantization noise, in dB.
    MAX_ERROR: largest |difference| of any output, in its unit (lower is better).
    DETECTION_AGREEMENT: F1 of boxes matched at IoU 0.5.   TEXT_AGREEMENT: 1 - edit distance over length.

    ENTRY: a function of the user's (see docs/accuracy.md); higher is better.
    """

    ACCURACY = "accuracy"
    F1 = "f1"
    MAP = "map"
    CER = "cer"
    AGREEMENT = "agreement"
    TOP5_AGREEMENT = "top5-agreement"
    COSINE = "cosine"
    SQNR = "sqnr"
    MAX_ERROR = "max-error"
    DETECTION_AGREEMENT = "detection-agreement"
    TEXT_AGREEMENT = "text-agreement"
    ENTRY = "entry"

    @property
    def labels(self) -> Labels:
        """What it needs beside inputs."""
        return _LABELS.get(self, Labels.NONE)

    @property
    def lower_is_better(self) -> bool:
        """Whether a drop is a rise: an error rate, a distance."""
        return self in (Metric.CER, Metric.MAX_ERROR)

    @property
    def is_share(self) -> bool:
        """Whether it lies between 0 and 1 (-1 and 1: cosine), so that its limits do, too."""
        return self not in (Metric.SQNR, Metric.MAX_ERROR, Metric.ENTRY)


_LABELS = {
    Metric.ACCURACY: Labels.CLASSES,
    Metric.F1: Labels.CLASSES,
    Metric.CER: Labels.CLASSES,
    Metric.MAP: Labels.BOXES,
    Metric.ENTRY: Labels.FREE,
}


def wrong_limits(metric: Metric, max_drop: float | None, minimum: float | None) -> str:
    """Why these limits do not go with this metric; empty where they do. Pure."""
    if max_drop is not None and minimum is not None:
        return "max_drop and minimum exclude each other: found both, expected one"
    if metric is Metric.MAX_ERROR and max_drop is None and minimum is None:
        return "max-error has the unit of the outputs: give max_drop, the largest error that is allowed"
    if minimum is not None:
        return _wrong_minimum(metric, minimum)
    return "" if max_drop is None else _wrong_drop(metric, max_drop)


def _wrong_drop(metric: Metric, max_drop: float) -> str:
    if metric is Metric.SQNR:
        return "sqnr has no drop, for the reference has no noise: give minimum, in dB"
    if metric.is_share and max_drop > 1:
        return f"max_drop of {metric.value} is a share: found {max_drop:g}, expected 0 to 1"
    return ""


def _wrong_minimum(metric: Metric, minimum: float) -> str:
    floor = -1 if metric is Metric.COSINE else 0
    if metric.lower_is_better:
        return f"{metric.value} is better where it is lower: give max_drop, how far it may rise"
    if metric.is_share and not floor <= minimum <= 1:
        return f"minimum of {metric.value}: found {minimum:g}, expected {floor} to 1"
    return ""


def wrong_entry(metric: Metric, entry: str) -> str:
    """Why this function does not go with this metric; empty where it does. Pure."""
    if metric is Metric.ENTRY and not entry:
        return "metric entry needs a function: give entry:package.module:function, or entry:name"
    if metric is not Metric.ENTRY and entry:
        return f"a function ({entry}) is for metric entry: found metric {metric.value}"
    return ""
