"""Little models in ONNX text, rewritten by passes and run before and after without any optimization."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.passes.contract import Change, Pass, Scope
from burnish_optimizer.targets.kernels import ONNXRUNTIME_CPU, RewriteTarget

Array = np.ndarray[Any, Any]
MAGNITUDES = (1e-6, 1e-3, 1.0, 30.0, 1e4)


@dataclass(frozen=True)
class Fused:
    """A model before and after passes, what they changed, and why they left things alone."""

    before: onnx.ModelProto
    after: onnx.ModelProto
    changes: tuple[Change, ...]
    declined: Counter[tuple[str, str]]

    @property
    def ops(self) -> Counter[str]:
        """Op types of the result."""
        return Counter(node.op_type for node in self.after.graph.node)

    def outputs(self, feeds: Mapping[str, Array]) -> tuple[list[Array], list[Array]]:
        """What both give."""
        return run(self.before, feeds), run(self.after, feeds)


def model_of(text: str, constants: Mapping[str, Any] | None = None, opset: int = 17) -> onnx.ModelProto:
    """A model from the text of its graph: `(float[N,4] x) => (float[N,4] y) {y = Relu(x)}`."""
    opsets = f'"": {opset}, "com.microsoft": 1'
    model = onnx.parser.parse_model(f"<ir_version: 9, opset_import: [{opsets}]> g {text}")
    for name, value in (constants or {}).items():
        array = np.asarray(value, np.float32) if np.asarray(value).dtype == np.float64 else np.asarray(value)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return onnx.shape_inference.infer_shapes(model)


def fuse(model: onnx.ModelProto, passes: Sequence[Pass], target: RewriteTarget = ONNXRUNTIME_CPU) -> Fused:
    """Apply passes to a copy, and check that the result is a valid model."""
    rewritten, scope = ir.from_proto(model), Scope(target)
    changes = [change for one in passes for change in one.apply(rewritten, scope)]
    after = ir.to_proto(rewritten)
    used = {name for node in after.graph.node for name in node.input}
    kept = [tensor for tensor in after.graph.initializer if tensor.name in used]
    del after.graph.initializer[:]
    after.graph.initializer.extend(kept)
    onnx.checker.check_model(after, full_check=True)
    return Fused(model, after, tuple(changes), scope.declined)


def run(model: onnx.ModelProto, feeds: Mapping[str, Array]) -> list[Array]:
    """Outputs in ONNX Runtime with every optimization disabled."""
    return list(Executable(model).run(feeds).values())


def random_feeds(model: onnx.ModelProto, scale: float = 1.0, seed: int = 0) -> dict[str, Array]:
    """Normal numbers times `scale` for every float input; dimensions without a size are 3."""
    rng, feeds = np.random.default_rng(seed), {}
    constants = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        if value.name not in constants:
            kind = value.type.tensor_type
            dims = [dim.dim_value or 3 for dim in kind.shape.dim]
            made = rng.normal(size=dims) * scale
            feeds[value.name] = made.astype(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))
    return feeds


def assert_close(
    found: Fused, rtol: float = 2e-5, floor: float = 0.0, magnitudes: Sequence[float] = MAGNITUDES
) -> None:
    """Equal up to rounding over many magnitudes, where what was is finite.

    floor: absolute error that small answers may have, where they are differences of larger numbers.
    """
    for scale in magnitudes:
        feeds = random_feeds(found.before, scale)
        for before, after in zip(*found.outputs(feeds), strict=True):
            assert before.dtype == after.dtype
            assert before.shape == after.shape
            finite = np.isfinite(before)
            largest = float(np.abs(before[finite]).max(initial=0.0))
            np.testing.assert_allclose(after[finite], before[finite], rtol=rtol, atol=rtol * largest + floor)


def assert_same_bytes(found: Fused) -> None:
    """Byte-equal on plain and on awkward numbers."""
    feeds = random_feeds(found.before)
    awkward = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, 3e38], np.float32)
    for array in feeds.values():
        for case in (array, np.resize(awkward, array.shape).astype(array.dtype)):
            given = feeds | {name: case for name, held in feeds.items() if held is array}
            for before, after in zip(*found.outputs(given), strict=True):
                assert before.tobytes() == after.tobytes()
                assert before.shape == after.shape
