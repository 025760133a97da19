"""A quantized model's parts as ONNX Runtime sees them: each weighted node with those that follow it.

ONNX Runtime gives quantized nodes other names, so what a part saves is its share of the float model's time,
by its own profile, times what the whole saves.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import onnx

from burnish_optimizer.backends.onnxruntime_profile import profile
from burnish_optimizer.ingest.feeds import Feeds
from burnish_optimizer.precision.parts import Part, rows
from burnish_optimizer.precision.prepared import WEIGHTED, prepared
from burnish_optimizer.tasks import BuildResult, BuildTask
from burnish_optimizer.worker import resolve


def parts(task: BuildTask, feeds: Sequence[Feeds]) -> tuple[Part, ...]:
    """The parts of a statically quantized model."""
    model = prepared(task).model
    slow = profile(model, task, feeds)
    with tempfile.TemporaryDirectory(prefix="burnish-parts-", dir=task.folder) as folder:
        built: BuildResult = resolve(task.run)(task=task.model_copy(update={"folder": folder}))
        fast = profile(Path(folder) / built.model, task, feeds)
    saved = max(0.0, 1 - fast.seconds / slow.seconds) if slow.seconds else 0.0
    found = segments(onnx.load(str(model), load_external_data=False))
    by_node = slow.of(name for row in found for name in row)
    return tuple(
        Part(names=row, seconds_saved=saved * sum(by_node.get(name, 0.0) for name in row)) for row in found
    )


def segments(model: onnx.ModelProto) -> tuple[tuple[str, ...], ...]:
    """Names of nodes in rows (see `precision.parts.rows`)."""
    return rows((node.name, node.op_type in WEIGHTED) for node in model.graph.node)
