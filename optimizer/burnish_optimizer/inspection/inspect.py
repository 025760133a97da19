"""A model file in numbers. Runs in a process of its own: to learn shapes, the model is run once."""

from collections.abc import Sequence
from pathlib import Path

import onnx
import onnx.inliner
import onnx_ir as ir

from burnish_engine.errors import one_line
from burnish_optimizer.gates.execute import Executable, Feeds
from burnish_optimizer.gates.probes import Probe, search_probes
from burnish_optimizer.inspection.arithmetic import arithmetic
from burnish_optimizer.inspection.branches import taken
from burnish_optimizer.inspection.coverage import coverage
from burnish_optimizer.inspection.liveness import memory
from burnish_optimizer.inspection.records import InspectTask, ModelFacts
from burnish_optimizer.inspection.shapes import Sizes, complete, infer, with_input_shapes
from burnish_optimizer.rewrite.walk import constants, op_counts
from burnish_optimizer.targets.kernels import TARGETS

# The first two probes have two rows and one.
TRIED = 2


def inspect_model(task: InspectTask) -> ModelFacts:
    """Everything about one model.

    Raises: InvalidJob: a shape that does not fit the inputs.   Whatever reading the file raises.
    """
    path = Path(task.model)
    proto = onnx.load(str(path), load_external_data=False)
    resolved, shapes, notes = _resolved(proto, path.parent, task)
    return _facts(path, ir.from_proto(proto), ir.from_proto(resolved), shapes, notes)


def _resolved(
    proto: onnx.ModelProto, base: Path, task: InspectTask
) -> tuple[onnx.ModelProto, Sizes, list[str]]:
    """The model without functions and with concrete shapes, the input shapes, and what to tell of them."""
    fixed = with_input_shapes(onnx.inliner.inline_local_functions(proto), task.shapes)
    threads = task.threads or 1
    feeds, refused = _feeds(fixed, base, threads)
    if feeds is None:
        return infer(fixed), {}, [f"no shapes beyond those that the file tells: {refused}"]
    fixed, branched = taken(fixed, feeds, base, threads)
    known, refused = complete(fixed, feeds, base, threads)
    told = {name: tuple(array.shape) for name, array in feeds.items() if hasattr(array, "shape")}
    notes = ["of each If the branch that these inputs take is counted"] if branched else []
    return known, told, [*notes, *([refused] if refused else [])]


def _feeds(proto: onnx.ModelProto, base: Path, threads: int) -> tuple[Feeds | None, str]:
    """Inputs that the model takes, and why there are none."""
    try:
        session = Executable(proto, base, threads)
        search = search_probes(ir.from_proto(proto), session.run, most=TRIED)
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's refusals have no common type
        return None, one_line(error)
    if not search.probes:
        return None, search.reason
    return min(search.probes, key=_cost).feeds, ""


def _cost(probe: Probe) -> tuple[bool, int, int]:
    """The smallest that is not empty: one row rather than two, then small sizes."""
    arrays = [array for array in probe.feeds.values() if hasattr(array, "shape")]
    count = sum(int(array.size) for array in arrays)
    return count == 0, max((array.shape[0] for array in arrays if array.ndim > 1), default=0), count


def _facts(
    path: Path, model: ir.Model, resolved: ir.Model, shapes: Sizes, notes: Sequence[str]
) -> ModelFacts:
    work, assumed = arithmetic(resolved)
    ops = op_counts(model)
    tensors = list(constants(model))
    files = _external(path, tensors)
    return ModelFacts(
        name=path.name,
        size_bytes=path.stat().st_size + sum((path.parent / name).stat().st_size for name in files),
        external_files=files,
        ir_version=model.ir_version,
        producer=" ".join(word for word in (model.producer_name, model.producer_version) if word),
        opsets=dict(model.opset_imports),
        inputs=tuple(_described(v) for v in model.graph.inputs if v.name not in model.graph.initializers),
        outputs=tuple(_described(v) for v in model.graph.outputs),
        dynamic=_dynamic(model.graph),
        nodes=sum(ops.values()),
        ops=ops,
        subgraphs=sum(1 for _ in model.graph.subgraphs()),
        functions={f"{f.domain}::{f.name}": len(f) for f in model.functions.values()},
        initializers=len(model.graph.initializers),
        parameters=sum(tensor.size for tensor in tensors),
        parameters_by_type=_by_type(tensors),
        shapes=dict(shapes),
        arithmetic=work,
        memory=memory(model, resolved),
        coverage=coverage(resolved, TARGETS),
        notes=(*notes, *assumed),
    )


def _by_type(tensors: Sequence[ir.TensorProtocol]) -> dict[str, int]:
    found: dict[str, int] = {}
    for tensor in tensors:
        found[tensor.dtype.name] = found.get(tensor.dtype.name, 0) + tensor.size
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _external(path: Path, tensors: Sequence[ir.TensorProtocol]) -> tuple[str, ...]:
    names = {str(t.location): None for t in tensors if isinstance(t, ir.ExternalTensor)}
    return tuple(name for name in names if (path.parent / name).is_file())


def _described(value: ir.Value) -> str:
    kind = value.dtype.name if value.dtype is not None else str(value.type)
    dims = "?" if value.shape is None else "[" + ", ".join(map(_dim, value.shape)) + "]"
    return f"{value.name} {kind} {dims}"


def _dim(dim: int | ir.SymbolicDim) -> str:
    return str(dim) if isinstance(dim, int) else str(dim.value or "?")


def _dynamic(graph: ir.Graph) -> dict[str, tuple[str, ...]]:
    """Free dimensions of inputs and outputs by name; those without a name under `?`."""
    found: dict[str, list[str]] = {}
    for value in (*graph.inputs, *graph.outputs):
        for axis, dim in enumerate(value.shape or ()):
            if not isinstance(dim, int):
                found.setdefault(_dim(dim), []).append(f"{value.name} axis {axis}")
    return {name: tuple(places) for name, places in found.items()}
