"""`report.json`: everything that was tried, what it gave, and why it won or lost.

Units are in the names. Field names are snake_case; a figure that could not be taken is absent
(None), never 0. Schema changes bump `SCHEMA_VERSION`.
"""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from burnish_engine.base import Record
from burnish_engine.conversion import Conversion
from burnish_engine.coverage import Coverage
from burnish_engine.request import Backend, Metric, Minimize, OptimizationRequest, Precision

SCHEMA_VERSION = 1


class Estimate(Record):
    """A measured figure with its 95 % confidence interval, in the unit of the field that holds it."""

    value: float
    low: float
    high: float


class Latency(Record):
    """Seconds per request at three percentiles."""

    p50: Estimate
    p90: Estimate
    p99: Estimate


class Energy(Record):
    """Joules of one request, of the whole machine while it ran. domains: what counted, such as package-0."""

    joules_per_request: float
    domains: tuple[str, ...]


class SustainedRate(Record):
    """The highest rate of requests, arriving by a Poisson clock, at which latency stayed within a goal.

    samples_per_second: `value` and `low` kept the goal, `high` is the lowest rate that did not.
    latency_seconds: at `percentile`, at that rate, from the scheduled arrival; of so many requests.
    """

    percentile: float
    limit_seconds: float
    samples_per_second: Estimate
    latency_seconds: float
    requests: int


class Measurement(Record):
    """What one model does on one target, taken through the runtime that serves.

    throughput_per_second: of one client that waits for each answer.   sustained: of clients that do not; of
    the baseline and the winner alone.   peak_memory_bytes: resident, with Python and mapped files.
    private_memory_bytes: what is no file's, until the first answers.
    note: what a reader must know of these figures; empty where nothing.
    """

    latency_seconds: Latency
    throughput_per_second: Estimate
    peak_memory_bytes: int
    load_seconds: float
    size_bytes: int
    samples: int
    first_inference_seconds: float | None = None
    private_memory_bytes: int | None = None
    energy: Energy | None = None
    sustained: SustainedRate | None = None
    note: str = ""


class Accuracy(Record):
    """The metric of a candidate beside the reference's own.

    drop: reference - value; value - reference where lower is better: above 0 is worse, always.
    interval, drop_interval: 95 %, of the value and of the drop; samples are drawn in pairs for the latter.
    samples_needed: how many samples the gate needs to let a candidate of lower precision through, as far as
    these tell; None: no number is enough (a drop of exactly 0 cannot be shown), or an older report.
    """

    metric: Metric
    value: float
    interval: tuple[float, float]
    samples: int
    reference: float
    drop: float
    drop_interval: tuple[float, float] | None = None
    samples_needed: int | None = None


class Selected(Record):
    """The recipe that serves. `recipe` is "baseline" where nothing beat the original."""

    recipe: str
    backend: Backend
    precision: Precision


class GateResult(Record):
    """One check of one candidate. A missing figure is a failed gate."""

    name: str
    passed: bool
    found: str
    expected: str


class CandidateState(StrEnum):
    """How a candidate ended."""

    SELECTED = "Selected"
    SLOWER = "Slower"
    REJECTED = "Rejected"
    FAILED = "Failed"
    SKIPPED = "Skipped"
    UNMEASURED = "Unmeasured"


class CandidateReport(Record):
    """One recipe that was tried (or skipped), with the evidence.

    `speedup` is the baseline's p50 over this one's, both measured in turns with each other: figures of
    candidates that were measured at different times are not to be divided.
    first_look: the same ratio from a few windows, for candidates that were not measured further.
    on_front: no other candidate that passed is better in latency, memory, size and accuracy together.
    coverage: where its nodes run.   notes, conversion: what its builder told.
    """

    recipe: str
    backend: Backend
    precision: Precision
    state: CandidateState
    reason: str
    gates: tuple[GateResult, ...] = ()
    accuracy: Accuracy | None = None
    measurement: Measurement | None = None
    speedup: Estimate | None = None
    first_look: float | None = None
    on_front: bool = False
    coverage: Coverage | None = None
    notes: tuple[str, ...] = ()
    conversion: Conversion | None = None
    seconds: float = 0.0


class CurvePoint(Record):
    """A mixture of precisions: the first `parts` parts of the order in which precision is given back.

    loss: predicted, noise power over signal power.   seconds_given_up, bytes_given_up: of what the lower
    precision saves, a request and on disk.
    passed, drop: what the accuracy gate said, None where this mixture was not tried.
    """

    parts: int
    loss: float
    seconds_given_up: float
    passed: bool | None = None
    drop: float | None = None
    bytes_given_up: int | None = None


class PrecisionCurve(Record):
    """What giving precision back buys, for one recipe. loss: measured, with nothing given back.

    minimize: the objective by which parts were ordered.
    """

    recipe: str
    loss: float
    points: tuple[CurvePoint, ...]
    minimize: Minimize = Minimize.LATENCY


class Guarantee(StrEnum):
    """What a pass promises about answers (see the laws of the optimizer)."""

    EXACT = "exact"
    ROUNDING = "rounding"
    APPROXIMATE = "approximate"


class RuleReport(Record):
    """What one rule of a pass did: how often, on which op types, and where (the first few values)."""

    rule: str
    changes: int
    removed: dict[str, int] = Field(default_factory=dict)
    added: dict[str, int] = Field(default_factory=dict)
    sites: tuple[str, ...] = ()


class RolledBack(Record):
    """One change that failed its gate and was undone. `evidence`: the figures that it failed by."""

    rule: str
    site: str
    evidence: str


class PassReport(Record):
    """One rewriting pass: what it promised, what it changed, what the gate saw, and whether it was kept.

    declined: near matches that were left alone, by reason.   seconds: all of it; gate_seconds: the proof.
    """

    name: str
    guarantee: Guarantee
    applied: bool
    reason: str
    equation: str = ""
    changes: tuple[RuleReport, ...] = ()
    rolled_back: tuple[RolledBack, ...] = ()
    declined: dict[str, int] = Field(default_factory=dict)
    gates: tuple[GateResult, ...] = ()
    nodes_before: int | None = None
    nodes_after: int | None = None
    seconds: float = 0.0
    gate_seconds: float = 0.0


class GraphFacts(Record):
    """A graph in numbers. `ops`: nodes by op type, those of subgraphs too; `size_bytes`: with weights."""

    nodes: int
    ops: dict[str, int]
    initializers: int
    parameters: int
    size_bytes: int
    opset: int


class RewriteReport(Record):
    """One model rewritten with proof.

    gates: of the whole result against the untouched source.   probes: the inputs that it was tried on.
    gate_seconds: the proof, of all processes together: it runs beside the passes where processors are free.
    unproven: why nothing could be proved, and so nothing was changed; empty where all is well.
    peak_memory_bytes: of the process that rewrote, without pages of mapped weights.
    """

    source: str
    source_digest: str
    target: str
    before: GraphFacts
    after: GraphFacts
    passes: tuple[PassReport, ...]
    gates: tuple[GateResult, ...] = ()
    probes: tuple[str, ...] = ()
    unproven: str = ""
    environment: dict[str, str] = Field(default_factory=dict)
    seconds: float = 0.0
    gate_seconds: float = 0.0
    peak_memory_bytes: int | None = None


class Material(Record):
    """Something that went in: where it came from and what it was, to the bit."""

    uri: str
    digest: str
    size_bytes: int = 0
    samples: int | None = None


class Report(Record):
    """The whole story of one engine.

    optimized: None where the engine was built for hardware that was not here, and hence never measured.
    """

    schema_version: int = SCHEMA_VERSION
    key: str
    source: Material
    calibration: Material | None = None
    evaluation: Material | None = None
    request: OptimizationRequest
    selected: Selected
    baseline: Measurement
    optimized: Measurement | None
    accuracy: Accuracy
    candidates: tuple[CandidateReport, ...]
    curves: tuple[PrecisionCurve, ...] = ()
    passes: tuple[PassReport, ...] = ()
    environment: dict[str, str]
    started: datetime
    duration_seconds: float = Field(ge=0)

    @property
    def speedup(self) -> float | None:
        """Baseline p50 over the winner's, measured in turns: above 1 is faster; 1 where the original wins.

        None: it was not measured.
        """
        if self.optimized is None:
            return None
        chosen = (c.speedup for c in self.candidates if c.state is CandidateState.SELECTED)
        paired = next(chosen, None)
        if paired is not None:
            return paired.value
        return self.baseline.latency_seconds.p50.value / self.optimized.latency_seconds.p50.value
