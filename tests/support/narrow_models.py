"""Little models in narrower floats: made, checked, and run."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.precision.large import drop_unused
from burnish_optimizer.rewrite.shapes import ensure_shapes
from support.fusion import random_feeds

RNG = np.random.default_rng(5)


def weights(*dims: int) -> np.ndarray[Any, Any]:
    """Normal numbers."""
    return RNG.normal(size=dims).astype(np.float32)


def typed(proto: onnx.ModelProto) -> ir.Model:
    """With types inferred."""
    model = ir.from_proto(proto)
    ensure_shapes(model)
    return model


def valid(model: ir.Model) -> onnx.ModelProto:
    """Written, and taken by the checker."""
    drop_unused(model)
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def ops(proto: onnx.ModelProto) -> Counter[str]:
    """Nodes by op type."""
    return Counter(node.op_type for node in proto.graph.node)


def answers(proto: onnx.ModelProto, feeds: Mapping[str, Any]) -> list[np.ndarray[Any, Any]]:
    """All outputs, in ONNX Runtime without optimizations."""
    return list(Executable(proto).run(feeds).values())


def assert_close(proto: onnx.ModelProto, found: onnx.ModelProto, tolerance: float = 5e-3) -> None:
    """The same up to a share of the largest answer."""
    feeds = random_feeds(proto)
    for one, other in zip(answers(proto, feeds), answers(found, feeds), strict=True):
        assert one.dtype == other.dtype
        assert np.abs(one - other).max() <= tolerance * np.abs(one).max()
