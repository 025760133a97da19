"""Recipes whose builders are in `support.optimizer_nets` and `support.bad_builders`."""

from burnish_engine.request import Backend, Precision
from burnish_optimizer.backends.recipes import Recipe


def fault(name: str, precision: Precision = Precision.FP32, module: str = "optimizer_nets") -> Recipe:
    """A recipe of ONNX Runtime's that is built by `build_<name>`."""
    return Recipe(
        name=name,
        backend=Backend.ONNXRUNTIME,
        precision=precision,
        build=f"support.{module}:build_{name}",
    )
