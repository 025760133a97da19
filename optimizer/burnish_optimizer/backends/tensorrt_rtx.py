"""Plans of TensorRT for RTX, built ahead of time: for devices that are not here, without a driver.

The network is strongly typed: it computes in what the graph says, FP32 without TF32. What the parser does not
take, or the device does not have, is a reason to decline, in the library's own words.
Settings of a build: `max_batch`: rows of the largest request (8).
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from burnish_engine.base import Record
from burnish_engine.coverage import Coverage
from burnish_optimizer.backends.tensorrt_network import Network, parse, support
from burnish_optimizer.backends.tensorrt_profiles import Range, ranges, sample_shapes
from burnish_optimizer.errors import Declined
from burnish_optimizer.ingest.common_shapes import has_free_axes
from burnish_optimizer.precision.floats import build as floats
from burnish_optimizer.targets.ahead_of_time import CAPABILITIES, Capability, capabilities, shown
from burnish_optimizer.tasks import BuildResult, BuildTask
from burnish_runtime import cpu

FOLDER, GRAPH = "plan", "graph"
MODEL = f"{FOLDER}/model.plan"
FACTS = f"{FOLDER}/plan.json"
MAX_BATCH = "8"


class PlanFacts(Record):
    """`plan.json`: what a plan is, which nothing can read out of it without a device.

    capabilities: of the devices that it is for, such as 8.9.   tensors: element type → tensors of the typed
    network.   profiles: shapes that it takes, by input; none where every axis is fixed.
    warnings: what the library said, the first of each.
    """

    version: str
    capabilities: tuple[str, ...]
    layers: int
    tensors: dict[str, int]
    profiles: dict[str, Range]
    size_bytes: int
    parse_seconds: float
    build_seconds: float
    warnings: tuple[str, ...]


def build(task: BuildTask) -> BuildResult:
    """A plan of the exact model, in the precision of its graph.

    Raises: Declined: see `build_graph`.
    """
    return build_graph(task, Path(task.model))


def build_fp16(task: BuildTask) -> BuildResult:
    """A plan of the model in FP16, with FP32 where ranges demand it.

    Raises: Declined: see `build_graph` and `precision.floats.build`.
    """
    return _build_narrow(task, floats.build_fp16)


def build_fp8(task: BuildTask) -> BuildResult:
    """A plan of the model with FP8 around products and convolutions.

    Raises: Declined: see `build_graph` and `precision.floats.build`.
    """
    return _build_narrow(task, floats.build_fp8)


def _build_narrow(task: BuildTask, narrow: Callable[[BuildTask], BuildResult]) -> BuildResult:
    folder = Path(task.folder) / GRAPH
    folder.mkdir(parents=True, exist_ok=True)
    made = narrow(task.model_copy(update={"folder": str(folder)}))
    plan = build_graph(task, folder / made.model)
    return plan.model_copy(update={"conversion": made.conversion})


def build_graph(task: BuildTask, graph: Path) -> BuildResult:
    """A plan of an ONNX file that computes what the task's model does, in whatever precision.

    Args: graph: stands in for the plan where that cannot be run; kept.
    Raises: Declined: the target's devices, a node or a type that it does not take, shapes that nothing tells.
    """
    target = task.facts if task.target is None else task.target
    wanted = _wanted(target)
    begun = time.perf_counter()
    network = parse(graph)
    parsed = time.perf_counter()
    profiles = _profiles(task)
    plan = _plan(network, wanted, profiles, task.threads or cpu.default_threads())
    facts = PlanFacts(
        version=network.library.__version__,
        capabilities=tuple(shown((each,)) for each in wanted),
        layers=network.definition.num_layers,
        tensors=network.tensor_types(),
        profiles=profiles,
        size_bytes=len(plan),
        parse_seconds=round(parsed - begun, 3),
        build_seconds=round(time.perf_counter() - parsed, 3),
        warnings=_first_of_each(network.log.warnings),
    )
    _write(Path(task.folder), plan, facts)
    return BuildResult(
        model=MODEL,
        coverage=support(graph),
        notes=_notes(facts),
        unmeasured="" if wanted == capabilities(task.facts) else _reason(wanted),
        stand_in=str(graph),
    )


def cover(model: Path, facts: Mapping[str, str]) -> Coverage:
    """See `backends.protocol.BuildSide`: nodes that the parser takes, of a target that plans are built for.

    Raises: Declined.
    """
    _wanted(facts)
    return support(model)


def _wanted(target: Mapping[str, str]) -> tuple[Capability, ...]:
    found = capabilities(target)
    if not found:
        raise Declined("the target tells of no NVIDIA device and its compute capability")
    unknown = tuple(each for each in found if each not in CAPABILITIES)
    if unknown:
        raise Declined(
            f"TensorRT for RTX builds for compute capability {shown(CAPABILITIES)}, not for {shown(unknown)}"
        )
    return found


def _profiles(task: BuildTask) -> dict[str, Range]:
    if not has_free_axes(task.inputs):
        return {}
    sets = [spec for spec in (task.judged, task.calibration) if spec is not None]
    shapes = list(sample_shapes(sets, task.inputs))
    if not shapes:
        raise Declined("the model has free axes, and there are no samples that tell their sizes")
    most = int(task.settings.get("max_batch", MAX_BATCH))
    return ranges(shapes, task.inputs, batch=task.batch, most=most)


def _plan(
    network: Network, wanted: tuple[Capability, ...], profiles: Mapping[str, Range], threads: int
) -> bytes:
    trt, builder = network.library, network.builder
    builder.max_threads = threads
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # on by default: products of FP32 with ten bits
    config.num_compute_capabilities = len(wanted)
    for index, (major, minor) in enumerate(wanted):
        config.set_compute_capability(getattr(trt.ComputeCapability, f"SM{major}{minor}"), index)
    if profiles:
        config.add_optimization_profile(_profile(network, profiles))
    plan: Any = builder.build_serialized_network(network.definition, config)
    if plan is None:
        raise Declined(
            f"no plan for {shown(wanted)}: {network.log.last_error() or 'the builder gave no reason'}"
        )
    return bytes(plan)


def _profile(network: Network, profiles: Mapping[str, Range]) -> Any:
    made = network.builder.create_optimization_profile()
    for index in range(network.definition.num_inputs):
        tensor = network.definition.get_input(index)
        if tensor.is_shape_tensor:
            raise Declined(f"input {tensor.name!r} holds sizes: a profile would need its values")
        found = profiles[tensor.name]
        made.set_shape(tensor.name, found.low, found.best, found.high)
    return made


def _write(folder: Path, plan: bytes, facts: PlanFacts) -> None:
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    (folder / MODEL).write_bytes(plan)
    (folder / FACTS).write_text(facts.model_dump_json(indent=2), encoding="utf-8")


def _notes(facts: PlanFacts) -> tuple[str, ...]:
    types = ", ".join(f"{name} × {count}" for name, count in facts.tensors.items())
    shapes = (f"{name} {r.low} to {r.high}, tuned for {r.best}" for name, r in facts.profiles.items())
    return (
        f"TensorRT for RTX {facts.version}: {facts.layers} layers, tensors {types}",
        f"parsed in {facts.parse_seconds:.2f} s, built in {facts.build_seconds:.2f} s",
        *shapes,
        *(f"warning: {line}" for line in facts.warnings),
    )


def _reason(wanted: tuple[Capability, ...]) -> str:
    return (
        f"built for compute capability {shown(wanted)}, and no such device is here; "
        "its answers are those of its graph in ONNX Runtime on the CPU"
    )


def _first_of_each(warnings: list[str], most: int = 5) -> tuple[str, ...]:
    """Warnings that differ in more than a name, one line each."""
    kinds: Counter[str] = Counter()
    kept: list[str] = []
    for line in warnings:
        kind = line.split()[0] if line.split() else ""
        kinds[kind] += 1
        if kinds[kind] == 1 and len(kept) < most:
            kept.append(" ".join(line.split())[:200])
    return tuple(kept)
