"""Parts of a model whose weights alone are in few bits: the layers of each weight, and each table.

Given back its precision a layer has the bits that the recipe's `kept_bits` tells, or FP32. Both are built,
and ONNX Runtime's profile tells the seconds of each layer in either. (Tables are 8 bit at the least: they
are parts where what is kept is FP32.)
"""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from burnish_optimizer.backends.onnxruntime_profile import profile
from burnish_optimizer.ingest.feeds import Feeds
from burnish_optimizer.precision.large import opened
from burnish_optimizer.precision.parts import Part
from burnish_optimizer.precision.sensitivity import KEEP
from burnish_optimizer.precision.weight_only import embeddings
from burnish_optimizer.precision.weight_only.layers import found, same_weights
from burnish_optimizer.precision.weight_only.plan import plan_of
from burnish_optimizer.rewrite.values import site_name
from burnish_optimizer.tasks import BuildResult, BuildTask
from burnish_optimizer.worker import resolve


def parts(task: BuildTask, feeds: Sequence[Feeds]) -> tuple[Part, ...]:
    """The parts of a weight-only recipe, and the seconds that few bits save on them (below 0: they cost)."""
    rows = _rows(task)
    names = [name for row in rows for name in row]
    slow = _seconds(task, names, names, feeds)
    fast = _seconds(task, (), names, feeds)
    return tuple(
        Part(names=row, seconds_saved=sum(slow.get(name, 0.0) - fast.get(name, 0.0) for name in row))
        for row in rows
    )


def _rows(task: BuildTask) -> list[tuple[str, ...]]:
    plan = plan_of(task.settings, task.facts)
    with opened(task) as made:
        layers, _ = found(made.model, plan)
        rows = [tuple(layer.name for layer in group) for group in same_weights(layers)]
        if plan.embeddings and plan.kept_grid is None:
            tables = embeddings.found(made.model, plan)
            rows += [tuple(node.name or site_name(node) for node in table.consumers()) for table in tables]
    return rows


def _seconds(
    task: BuildTask, keep: Collection[str], names: Sequence[str], feeds: Sequence[Feeds]
) -> dict[str, float]:
    """Seconds of a request by layer, with these in the higher precision."""
    with TemporaryDirectory(prefix="burnish-parts-", dir=task.folder) as folder:
        settings = {**task.settings, KEEP: json.dumps(list(keep))}
        own = task.model_copy(update={"folder": folder, "settings": settings})
        built: BuildResult = resolve(task.run)(task=own)
        return profile(Path(folder) / built.model, task, feeds).of(names)
