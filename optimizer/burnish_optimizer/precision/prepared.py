"""The model as quantizers need it, and what its tensors are: made once for a run, read by every recipe."""

from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import TensorProto

from burnish_optimizer.errors import Declined
from burnish_optimizer.precision.calibration.calibration import Calibration
from burnish_optimizer.precision.calibration.collect import collect
from burnish_optimizer.precision.shared import calibration_feeds, made_once
from burnish_optimizer.precision.smooth import smooth
from burnish_optimizer.precision.subnormal import clear_file
from burnish_optimizer.rewrite.fused import save_fused
from burnish_optimizer.rewrite.opset import raise_opset
from burnish_optimizer.tasks import BuildTask

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
MODEL, RANGES = "model.onnx", "ranges.npz"


@dataclass(frozen=True)
class Prepared:
    """A file, and the histograms of its floating-point tensors."""

    model: Path
    calibration: Calibration


def prepared(task: BuildTask) -> Prepared:
    """The prepared model and its calibration, from the run's shared folder.

    Raises: Declined: no calibration samples, nothing to quantize, or an opset that cannot be raised.
    """
    if task.calibration is None:
        raise Declined("static INT8 needs calibration samples, and none were given")
    alpha = task.settings.get("smooth", "")

    def make(folder: Path) -> None:
        prepare(task, folder / MODEL)
        if alpha:
            _smooth(folder / MODEL, task, float(alpha))
        calibrate(folder / MODEL, task).save(folder / RANGES)

    folder = made_once(task, f"int8-smooth-{alpha}" if alpha else "int8", make)
    return Prepared(folder / MODEL, Calibration.load(folder / RANGES))


def prepare(task: BuildTask, target: Path) -> onnx.ModelProto:
    """Opset 13 at least, batch norms folded into convolutions, shapes inferred, every node named.

    Symbolic shape inference, which ONNX Runtime's own preparation runs, gives up on models with free
    height and width; plain inference names types, and types are what the quantizer asks for.
    Raises: Declined.
    """
    raised = target.with_name("raised.onnx")
    onnx.save(raise_opset(onnx.load(task.model)), str(raised))
    model = save_fused(raised, target, task.threads)
    raised.unlink()
    if clear_file(target).weights:  # layers that are given back their precision would be slow
        model = onnx.load(str(target))
    if not any(node.op_type in WEIGHTED for node in model.graph.node):
        raise Declined(f"the graph has none of {', '.join(WEIGHTED)}: nothing to gain from INT8")
    if not all(node.name for node in model.graph.node):
        for number, node in enumerate(model.graph.node):
            node.name = node.name or f"node-{number}"
        onnx.save(model, str(target))
    return model


def calibrate(model: Path, task: BuildTask) -> Calibration:
    """One pass over the calibration samples, for every floating-point tensor of the main graph."""
    return collect(
        model,
        float_tensors(onnx.load(str(model), load_external_data=False)),
        calibration_feeds(task),
        threads=task.threads,
    )


def _smooth(path: Path, task: BuildTask, alpha: float) -> None:
    """SmoothQuant, in place. Raises: Declined: there is nothing that it applies to."""
    model = onnx.load(str(path))
    channels = dict.fromkeys(activations(model), -1)
    if not channels:
        raise Declined("no MatMul or Gemm multiplies an activation by a constant: nothing to smooth")
    seen = collect(path, [], calibration_feeds(task), threads=task.threads, channels=channels)
    done = smooth(model, {name: seen.channel_absmax(name) for name in channels}, alpha)
    if not (done.folded or done.inserted):
        raise Declined(f"nothing could be smoothed: {next(iter(done.skipped.values()), 'no activation')}")
    onnx.save(onnx.shape_inference.infer_shapes(done.model), str(path))


def activations(model: onnx.ModelProto) -> list[str]:
    """What a MatMul or Gemm multiplies by a constant matrix."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return sorted(
        {
            node.input[0]
            for node in model.graph.node
            if node.op_type in ("MatMul", "Gemm")
            and node.input[1] in constants
            and node.input[0] not in constants
        }
    )


def float_tensors(model: onnx.ModelProto) -> list[str]:
    """Inputs and outputs of nodes that are known to be floats, constants left out."""
    graph = model.graph
    infos = (*graph.input, *graph.value_info, *graph.output)
    kinds = {info.name: info.type.tensor_type.elem_type for info in infos}
    constants = {tensor.name for tensor in graph.initializer}
    computed = {name for node in graph.node for name in (*node.input, *node.output) if name}
    return sorted(name for name in computed - constants if kinds.get(name) == TensorProto.FLOAT)
