"""`engine.json`: what a server must know to load an engine, and no more."""

from datetime import datetime

from pydantic import Field

from burnish_engine.base import Record
from burnish_engine.request import Backend, Precision

SCHEMA_VERSION = 1
ENGINE_FILE = "engine.json"
REPORT_FILE = "report.json"
REPORT_PAGE = "report.html"
GOLDEN_FILE = "golden.npz"


class TensorSpec(Record):
    """One input or output. `dtype` is NumPy's name; a dynamic dimension is None."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


class RunOptions(Record):
    """How the winner was measured, hence how it must be run.

    threads: intra-op threads (None: what the CPU quota allows).
    graph_optimization: run-time graph optimizations of the backend ("all" or "disabled").
    properties: backend options by their own names, such as INFERENCE_PRECISION_HINT.
    provider_options: of ONNX Runtime's execution provider, by its own names, such as device_id.
    allow_fallback: nodes that the execution provider does not take may run on another one.
    static_shapes: shapes by input name that the model is also compiled for alone (OpenVINO); others are
        computed as well, by the model with free axes.
    """

    threads: int | None = None
    graph_optimization: str = "all"
    properties: dict[str, str] = Field(default_factory=dict)
    provider_options: dict[str, str] = Field(default_factory=dict)
    allow_fallback: bool = False
    static_shapes: tuple[dict[str, tuple[int, ...]], ...] = ()


class Batching(Record):
    """That rows (axis 0 of every input and output) do not know of each other, as this engine itself showed.

    max_rows: the largest batch that was tried.
    deviation: the farthest that a row in a batch was from that row alone, over the largest |value| of the
        output; 0: byte-equal.
    seconds: median of a run, by rows.
    """

    max_rows: int = Field(ge=2)
    deviation: float = Field(ge=0, allow_inf_nan=False)
    seconds: dict[int, float] = Field(min_length=1)


class GoldenAnswer(Record):
    """One request and what this engine answered to it where it was made: what a server must see first.

    file: an `.npz` below the folder, with `input:<name>` and `output:<name>` (see `burnish_runtime.golden`).
    tolerances: by output: the largest distance of a number; of integers, truth values and texts the share of
        entries that may be others.
    """

    file: str
    tolerances: dict[str, float]


class EngineDescriptor(Record):
    """The engine: which file, which backend, which signature, made from what, for what.

    files: digest of every model file, by its name below the folder: what a folder is verified by.
    batching: None: requests must not share a run (an older engine, or rows are not independent).
    golden: None in engines that were made before there were golden answers, or without the hardware.
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    key: str
    source_digest: str
    backend: Backend
    precision: Precision
    recipe: str
    model: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    options: RunOptions = RunOptions()
    files: dict[str, str] = Field(default_factory=dict)
    warmup_shapes: tuple[dict[str, tuple[int, ...]], ...] = ()
    batching: Batching | None = None
    golden: GoldenAnswer | None = None
    target: dict[str, str]
    toolchain: dict[str, str]
    created: datetime
