"""A model's parts as OpenVINO sees them, and the seconds that a lower precision saves on each."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from burnish_engine.descriptor import RunOptions
from burnish_optimizer.backends.openvino_ir import layers, segments
from burnish_optimizer.ingest.feeds import Feeds
from burnish_optimizer.precision.parts import Part
from burnish_optimizer.tasks import BuildResult, BuildTask
from burnish_optimizer.worker import resolve
from burnish_runtime.openvino_backend import DEVICE, compile_properties

RUNS, WARM_UP = 10, 3
PLAIN = "burnish_optimizer.backends.openvino:build"
PRECISION = "INFERENCE_PRECISION_HINT"


def parts(task: BuildTask, feeds: Sequence[Feeds]) -> tuple[Part, ...]:
    """Each weighted layer with those that follow it, and what the recipe's precision saves on them.

    The higher precision is FP32; of quantized models it is what the plugin computes in beside INT8.
    """
    quantizes = task.run != PLAIN
    precision = task.options.properties.get(PRECISION, "f32") if quantizes else "f32"
    properties = {**task.options.properties, PRECISION: precision}
    exact = task.options.model_copy(update={"properties": properties})
    slow, rows = _profile(task.model_copy(update={"run": PLAIN, "options": exact}), feeds)
    fast, _ = _profile(task, feeds)
    return tuple(Part(names=row, seconds_saved=_of(slow, row) - _of(fast, row)) for row in rows)


def _profile(task: BuildTask, feeds: Sequence[Feeds]) -> tuple[dict[str, float], tuple[tuple[str, ...], ...]]:
    """Seconds by layer, and the layers in rows."""
    with TemporaryDirectory(prefix="burnish-parts-", dir=task.folder) as folder:
        built: BuildResult = resolve(task.run)(
            task=task.model_copy(update={"folder": folder, "settings": {}})
        )
        model = Path(folder) / built.model
        return layer_seconds(model, task.options, feeds), segments(layers(model))


def layer_seconds(model: Path, options: RunOptions, feeds: Sequence[Feeds]) -> dict[str, float]:
    """Seconds of one request by layer: the mean over runs. What is fused counts for its first layer."""
    import openvino  # noqa: PLC0415 - only these builds need it

    properties = {**compile_properties(options), "PERF_COUNT": "YES"}
    compiled = openvino.Core().compile_model(str(model), DEVICE, properties)
    request, first = compiled.create_infer_request(), _first_layers(compiled)
    taken: dict[str, list[float]] = defaultdict(list)
    for run in range(-WARM_UP, RUNS):
        request.infer([feeds[run % len(feeds)][port.get_any_name()] for port in compiled.inputs])
        for entry in request.profiling_info if run >= 0 else ():
            name = first.get(entry.node_name, entry.node_name)
            taken[name].append(entry.real_time.total_seconds())
    return {name: sum(seconds) / RUNS for name, seconds in taken.items()}


def _first_layers(compiled: Any) -> dict[str, str]:
    """Executed node → the first layer of the model that it computes."""
    found: dict[str, str] = {}
    for node in compiled.get_runtime_model().get_ops():
        info = node.get_rt_info()
        if "originalLayersNames" in info:
            names = info["originalLayersNames"].astype(str).split(",")
            found[node.get_friendly_name()] = names[0]
    return found


def _of(seconds: Mapping[str, float], row: Sequence[str]) -> float:
    return sum(seconds.get(name, 0.0) for name in row)
