"""How far rounding alone moves a model's answers: the bound of "equal within rounding".

Two runs of the model itself tell: its float inputs and constants moved by at most one rounding of their
type, at random (what a rounding anywhere in the graph amounts to, carried to the outputs by the model's
own condition: stochastic arithmetic, Parker 1997), and the model as ONNX Runtime fuses it by default.
The bound of an element is `FACTOR` times the largest of these deviations there, or their root mean square
over the output where that is more, and `FLOOR_ULPS` of the element's own last place.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from burnish_optimizer.gates.execute import Executable, Feeds
from burnish_optimizer.gates.extract import copied
from burnish_optimizer.ingest.contents import graphs
from burnish_runtime.dtypes import BFLOAT16, numbers
from burnish_runtime.session import Array

FACTOR = 16.0
FLOOR_ULPS = 4.0
RUNS = 3
SEED = 20_261_123
# Beyond this the model is not copied to move its constants: its inputs alone are. External data stay, too.
MOVED_BYTES = 256 << 20
TOLD = (
    f"{FACTOR:g} × what the first model's own answers move by when its weights and inputs change in their "
    "last place, or when ONNX Runtime fuses it"
)
MOVABLE = {
    onnx.TensorProto.FLOAT: np.float32,
    onnx.TensorProto.DOUBLE: np.float64,
    onnx.TensorProto.FLOAT16: np.float16,
}


EPSILON = {"float32": 2.0**-23, "float64": 2.0**-52, "float16": 2.0**-10, BFLOAT16: 2.0**-7}


class Spread:
    """Variants of a model that differ from it by rounding only."""

    def __init__(
        self, proto: onnx.ModelProto, session: Executable, base: Path, threads: int, types: Mapping[str, str]
    ) -> None:
        """Load the variants. `session`: the model itself; `types`: element types of outputs, by name."""
        self._rng, self._types = np.random.default_rng(SEED), types
        self._moved = [session] * RUNS
        if proto.ByteSize() <= MOVED_BYTES:
            variants = [moved(proto, np.random.default_rng(SEED + n)) for n in range(RUNS)]
            self._moved = [Executable(variant, base, threads) for variant in variants]
        self._fused = _fused(proto, base, threads)

    def bounds(self, feeds: Feeds, answers: Mapping[str, Any]) -> dict[str, Array]:
        """The bound of each element of each float output, by name; absent where there is none."""
        runs = [_run(session, {n: self._nudged(a) for n, a in feeds.items()}) for session in self._moved]
        runs += [_run(self._fused, feeds)] if self._fused else []
        runs = [run for run in runs if run]
        found = {}
        for name, value in answers.items():
            if isinstance(value, np.ndarray) and self._types.get(name) in EPSILON:
                own, *others = (numbers(run[name], self._types[name]) for run in (answers, *runs))
                found[name] = bound_of(own, others, EPSILON[self._types[name]])
        return found

    def _nudged(self, array: Any) -> Any:
        is_float = isinstance(array, np.ndarray) and array.dtype.kind == "f"
        return nudged(array, self._rng) if is_float else array


def bound_of(answer: Array, others: Sequence[Array], epsilon: float) -> Array:
    """How far each element may be from `answer`, from runs that differ by rounding.

    Args: epsilon: from 1 to the next number in the type that the model computes its answer in.
    """
    truth = answer.astype(np.float64)
    deviations = [np.abs(o.astype(np.float64) - truth) for o in others if o.shape == answer.shape]
    clean = [np.where(np.isfinite(d), d, 0.0) for d in deviations]
    largest = np.max(clean, axis=0) if clean else np.zeros(answer.shape)
    typical = max((float(np.sqrt(np.mean(d**2))) for d in clean if d.size), default=0.0)
    scale = np.abs(np.where(np.isfinite(truth), truth, 0.0))
    last_place = epsilon * scale + float(np.finfo(answer.dtype).smallest_normal)
    return np.asarray(FACTOR * np.maximum(largest, typical) + FLOOR_ULPS * last_place)


def moved(proto: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto:
    """A copy whose float constants are off by at most one rounding each; external data stay as they are."""
    made = copied(proto)
    for tensor in _constants(made):
        if (
            tensor.data_type in MOVABLE
            and math.prod(tensor.dims) > 1
            and tensor.data_location != onnx.TensorProto.EXTERNAL
        ):
            array = numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(nudged(array, rng), tensor.name))
    return made


def nudged(array: Array, rng: np.random.Generator) -> Array:
    """Every element one place up or down, or as it is. Zeros, NaN, infinities and exact numbers stay.

    A short significand (1, 0.5, 3e38 of a mask in few bits …) is taken for meant, not for rounded: a model
    that subtracts a 1 from a 1 and multiplies by the largest number has no use for 0.9999999.
    """
    info = np.finfo(array.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        steps = rng.integers(-1, 1, array.shape, endpoint=True)
        moved = np.nextafter(array, np.where(steps > 0, np.inf, -np.inf).astype(array.dtype))
        fraction = np.ldexp(np.frexp(array)[0], info.nmant // 2)
        is_rounded = np.isfinite(array) & np.isfinite(moved) & (fraction != np.trunc(fraction))
    return np.asarray(np.where(is_rounded & (steps != 0), moved, array), dtype=array.dtype)


def _constants(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Initializers and Constant tensors, those of subgraphs too."""
    for graph in graphs(model):
        yield from graph.initializer
        held = (a for node in graph.node if node.op_type == "Constant" for a in node.attribute)
        yield from (attribute.t for attribute in held if attribute.name == "value")


def _run(session: Executable, feeds: Feeds) -> Feeds:
    """All outputs; none where this variant refuses what the model itself takes."""
    try:
        return session.run(feeds)
    except Exception:  # noqa: BLE001 - ONNX Runtime's refusals have no common type
        return {}


def _fused(proto: onnx.ModelProto, base: Path, threads: int) -> Executable | None:
    try:
        return Executable(proto, base, threads, optimized=True)
    except Exception:  # noqa: BLE001 - what ONNX Runtime cannot fuse tells nothing about rounding
        return None
