"""Small regions as ONNX text, what ONNX Runtime answers for them, and what the gate of rounding says."""

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir

from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.gates.rounding import disagreement
from burnish_optimizer.reference.fp64 import Truth, evaluate
from burnish_runtime.session import Array

Feeds = Mapping[str, Array]


def region(body: str, signature: str, opset: int = 20) -> onnx.ModelProto:
    """A model with one graph: `signature` as `(float[N] x) => (float[N] y)`, `body` its nodes."""
    imports = f'<ir_version: 10, opset_import: ["": {opset}, "com.microsoft": 1]>'
    return onnx.parser.parse_model(f"{imports} g {signature} {{ {body} }}")


def truths(model: onnx.ModelProto, feeds: Feeds) -> dict[str, Truth]:
    """FP64 of it."""
    return evaluate(ir.from_proto(model), feeds)


def answers(model: onnx.ModelProto, feeds: Feeds) -> dict[str, Array]:
    """ONNX Runtime's answers, nothing optimized; only the feeds that the model takes."""
    session = Executable(model)
    return session.run({name: feeds[name] for name in session.inputs})


def verdict(before: onnx.ModelProto, after: onnx.ModelProto, feeds: Feeds) -> str | None:
    """What the gate says of `after` in the place of `before`, both run by ONNX Runtime; None: it holds."""
    truth = truths(before, {v.name: feeds[v.name] for v in before.graph.input})
    source, found = answers(before, feeds), answers(after, feeds)
    said = {name: disagreement(found[name], source[name], truth[name]) for name in truth}
    return "; ".join(f"{name}: {text}" for name, text in said.items() if text) or None


def excess(model: onnx.ModelProto, feeds: Feeds) -> float:
    """The largest error of ONNX Runtime's own answers, in units of the bound on it."""
    found = answers(model, feeds)
    worst = 0.0
    for name, truth in truths(model, feeds).items():
        error = np.abs(found[name].astype(np.float64) - truth.value)
        worst = max(worst, float(np.max(error / np.maximum(truth.error, np.finfo(np.float32).tiny))))
    return worst


def normal(seed: int, *shape: int, scale: float = 1.0, offset: float = 0.0) -> Array:
    """Normally distributed float32."""
    return (np.random.default_rng(seed).standard_normal(shape) * scale + offset).astype(np.float32)
