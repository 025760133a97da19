"""What worker processes are told and what they answer: records that travel as JSON.

A task names its `run` as `module:function`; the function takes the task and returns its result. So a
recipe is data, and a test can hand in one that crashes.
"""

from pydantic import Field

from burnish_engine.base import Record
from burnish_engine.conversion import Conversion
from burnish_engine.coverage import Coverage
from burnish_engine.descriptor import Batching, GoldenAnswer, RunOptions, TensorSpec
from burnish_engine.report import RewriteReport
from burnish_engine.request import Backend, Metric
from burnish_optimizer.ingest.samples import DataSpec


class Task(Record):
    """Any task. `run` is `module:function`."""

    run: str


class AnswersTask(Task):
    """Run the source with every graph optimization off; write its answers to `folder`."""

    run: str = "burnish_optimizer.reference.answers:write_answers"
    model: str
    folder: str
    data: DataSpec
    threads: int | None


class AnswersResult(Record):
    """The reference. `batch_error`: how far batch N is from N × batch 1 in the reference itself.

    None where samples cannot be stacked; `batch_note` says why.
    """

    samples: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batch_error: float | None
    batch_note: str = ""


class RewriteTask(Task):
    """Rewrite a model with proof.

    Args:
        name, digest: of the source, for the report.   inputs, opset, external: what reading it told.
        folder: scratch, on the file system of the model.
        journal: is told the pass in hand.   passes: by name, None: all.   skip: by name, with the reason.
        data: samples that are tried beside made-up inputs.
        uncarried: what the source has that a rewritten model would lose: it is copied instead.
    """

    run: str = "burnish_optimizer.passes.worker:run_rewrite"
    model: str
    name: str
    digest: str
    inputs: tuple[TensorSpec, ...]
    opset: int
    external: bool
    output: str
    target: str
    folder: str
    journal: str
    passes: tuple[str, ...] | None = None
    skip: dict[str, str] = Field(default_factory=dict)
    data: DataSpec | None = None
    threads: int | None = None
    uncarried: str = ""


class RewriteWorkerResult(Record):
    """`changed`: whether `output` was written; where it was not, the source is the result."""

    changed: bool
    report: RewriteReport


class BuildTask(Task):
    """Build one candidate into `folder`. `model` is the exact model; `facts` tell of this machine.

    target: facts of the hardware that it is for, where that is told and may be elsewhere; None: this machine.

    shared: a folder of the run, where builders leave what the next one can use (ranges of activations).
    settings, options: the recipe's; options are what the result will be run with, unless it says otherwise.
    judged, batch: the samples that answers are judged on, and how many of them make a request.
    """

    model: str
    folder: str
    shared: str
    inputs: tuple[TensorSpec, ...]
    calibration: DataSpec | None
    threads: int | None
    facts: dict[str, str]
    target: dict[str, str] | None = None
    settings: dict[str, str] = Field(default_factory=dict)
    options: RunOptions = RunOptions()
    judged: DataSpec | None = None
    batch: int = 1


class BuildResult(Record):
    """The file to load, relative to the candidate's folder. options: how to run it, None: as was asked.

    coverage: where nodes run, as the builder knows it; None: the loaded model tells.
    notes, conversion: for the report.
    unmeasured: why it cannot be run here; empty: it can.   stand_in: then the ONNX file, relative to the
    folder or absolute, that computes the same in ONNX Runtime.
    """

    model: str
    options: RunOptions | None = None
    coverage: Coverage | None = None
    notes: tuple[str, ...] = ()
    conversion: Conversion | None = None
    unmeasured: str = ""
    stand_in: str = ""


class ProbeTask(Task):
    """Keep one model loaded, and answer commands about it until standard input ends.

    outputs: the reference's output names, in the order of its answers on disk.
    metric, metric_entry: how answers are judged.
    processors: where it runs, None: wherever the system puts it.
    """

    run: str = "burnish_optimizer.measure.probe:serve"
    model: str
    backend: Backend
    options: RunOptions
    data: DataSpec
    answers: str
    outputs: tuple[str, ...]
    batch: int
    batch_error: float | None
    metric: Metric = Metric.AGREEMENT
    metric_entry: str = ""
    processors: tuple[int, ...] | None = None


class Opened(Record):
    """A model that is loaded and has answered: its signature, load time, peak memory and first latencies.

    first_inference_seconds: of the very first run.   private_memory_bytes: the peak of what is no file's.
    coverage: where its nodes run.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    load_seconds: float
    peak_memory_bytes: int
    latencies_seconds: tuple[float, ...]
    shapes: dict[str, tuple[int, ...]]
    coverage: Coverage | None = None
    first_inference_seconds: float | None = None
    private_memory_bytes: int | None = None


class EnergyTaken(Record):
    """Joules over so many requests, and what was counted; None where nothing counts them."""

    joules: float | None
    requests: int
    domains: tuple[str, ...] = ()


class GoldenTaken(Record):
    """A golden answer that was written; None: tensors too large for a small record, or no finite answer."""

    golden: GoldenAnswer | None


class OpenLoopRun(Record):
    """Requests that arrived by a clock: how many were scheduled, and the latencies of those answered.

    Fewer latencies than requests: the goal was lost on the way.
    """

    requests: int
    latencies_seconds: tuple[float, ...]


class Round(Record):
    """Latencies of one window, in the order they were taken."""

    latencies_seconds: tuple[float, ...]


class SampleScore(Record):
    """One sample's answers beside the reference's.

    finite: no NaN or infinity where the reference has a number.   shapes: same shapes as the reference.
    energies: of each output (signal, noise); empty where the metric alone can compare shapes.
    judged: the only output that the metric looks at, None: all.
    own, reference: figures of both sides (see `gates.metrics.measure`); None: `note` says why there are none.
    """

    finite: bool
    shapes: bool
    energies: tuple[tuple[float, float], ...] = ()
    judged: int | None = None
    own: tuple[float, ...] | None = None
    reference: tuple[float, ...] | None = None
    note: str = ""


class Judged(Record):
    """Scores of all evaluation samples, in their order. fault: why none could be scored."""

    scores: tuple[SampleScore, ...]
    fault: str = ""


class BatchCheck(Record):
    """Batch N beside N × batch 1. `difference` None: could not be computed, or not applicable (`note`)."""

    applicable: bool
    difference: float | None = None
    tolerance: float | None = None
    note: str = ""


class BatchesTaken(Record):
    """Whether requests may share a run. batching: None: `note` says why not."""

    batching: Batching | None = None
    note: str = ""
