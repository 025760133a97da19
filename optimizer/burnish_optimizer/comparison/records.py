"""What `burnish compare A B` tells."""

from enum import StrEnum

from burnish_engine.base import Record
from burnish_optimizer.ingest.samples import DataSpec
from burnish_optimizer.tasks import Task


class CompareTask(Task):
    """Compare model `b` with model `a`. `data`: samples to compare on, beside generated probes."""

    run: str = "burnish_optimizer.comparison.compare:compare"
    a: str
    b: str
    data: DataSpec | None = None
    threads: int | None = None


class Verdict(StrEnum):
    """How two models, or one of their outputs, stand to each other. The worst of all outputs counts."""

    IDENTICAL = "identical bytes"
    ROUNDING = "equal within rounding"
    DIFFERENT = "different"


class OutputComparison(Record):
    """One output over all probes; figures are the worst, `same_bytes` is the share of all elements.

    of_bound: the largest error in units of the rounding bound: up to 1 is equal within rounding.
    max_relative: of elements that are not tiny beside the largest of the output.   agreement: share of
    positions with the same arg-max, None where no axis counts classes.   non_finite: elements that have
    NaN or infinity on one side alone, or another infinity.   worst: the probe with the largest error.
    """

    name: str
    verdict: Verdict
    max_absolute: float
    max_relative: float
    of_bound: float
    cosine: float
    same_bytes: float
    agreement: float | None
    non_finite: int
    worst: str
    note: str = ""


class Side(Record):
    """One of the two models. `size_bytes`: with external data."""

    path: str
    size_bytes: int
    nodes: int
    opset: int
    ops: dict[str, int]


class Comparison(Record):
    """The judgement. `signature`: how inputs and outputs differ.   refused: probes that `a` runs and `b` does
    not.   bound: what "within rounding" means here.
    """

    verdict: Verdict
    reason: str
    a: Side
    b: Side
    signature: tuple[str, ...]
    probes: tuple[str, ...]
    outputs: tuple[OutputComparison, ...]
    refused: tuple[str, ...]
    bound: str
