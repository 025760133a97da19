"""A quantized model's parts as ONNX Runtime sees them: each weighted node with those that follow it.

ONNX Runtime gives fused and quantized nodes other names, so what a part saves is its share of the float
model's time, by its own profile, times what the whole saves.
"""

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnxruntime

from burnish_optimizer.ingest.feeds import Feeds
from burnish_optimizer.precision.parts import Part, rows
from burnish_optimizer.precision.prepared import WEIGHTED, prepared
from burnish_optimizer.tasks import BuildResult, BuildTask
from burnish_optimizer.worker import resolve
from burnish_runtime import cpu

RUNS, WARM_UP = 10, 3


def parts(task: BuildTask, feeds: Sequence[Feeds]) -> tuple[Part, ...]:
    """The parts of a statically quantized model."""
    model = prepared(task).model
    by_node, slow = _profile(model, task, feeds)
    with tempfile.TemporaryDirectory(prefix="burnish-parts-", dir=task.folder) as folder:
        built: BuildResult = resolve(task.run)(task=task.model_copy(update={"folder": folder}))
        _, fast = _profile(Path(folder) / built.model, task, feeds)
    saved = max(0.0, 1 - fast / slow) if slow else 0.0
    return tuple(
        Part(names=row, seconds_saved=saved * sum(by_node.get(name, 0.0) for name in row))
        for row in segments(onnx.load(str(model), load_external_data=False))
    )


def segments(model: onnx.ModelProto) -> tuple[tuple[str, ...], ...]:
    """Names of nodes in rows (see `precision.parts.rows`)."""
    return rows((node.name, node.op_type in WEIGHTED) for node in model.graph.node)


def _profile(model: Path, task: BuildTask, feeds: Sequence[Feeds]) -> tuple[dict[str, float], float]:
    """Seconds of one request by node, and in all."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = task.threads or cpu.default_threads()
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory(prefix="burnish-profile-", dir=task.folder) as folder:
        options.enable_profiling = True
        options.profile_file_prefix = f"{folder}/profile"
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        taken = []
        for run in range(RUNS + WARM_UP):
            begun = time.perf_counter()
            session.run(None, feeds[run % len(feeds)])
            taken.append(time.perf_counter() - begun)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return _by_node(events), sorted(taken[WARM_UP:])[RUNS // 2]


def _by_node(events: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    seconds: dict[str, float] = defaultdict(float)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            name = event["name"].removesuffix("_kernel_time")
            seconds[name] += event["dur"] * 1e-6 / (RUNS + WARM_UP)
    return dict(seconds)
