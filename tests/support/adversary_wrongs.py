"""Wrong copies of a network: what a converter, a quantizer or a cache could make of it."""

from collections.abc import Callable

import numpy as np
import onnx

from support.adversary_nets import CLASSES, FEATURES, Array, after, value_of, weights, with_values

Wrong = Callable[[onnx.ModelProto, Array], onnx.ModelProto]


def _noisy(share: float) -> Wrong:
    def changed(model: onnx.ModelProto, _: Array) -> onnx.ModelProto:
        rng = np.random.default_rng(9)
        names = ("w1", "w2", "w3")
        found = {name: value_of(model, name) for name in names}
        moved = {
            n: w + share * w.std() * rng.normal(0, 1, w.shape).astype(np.float32) for n, w in found.items()
        }
        return with_values(model, {name: array.astype(np.float32) for name, array in moved.items()})

    return changed


def other_weights(model: onnx.ModelProto, _: Array) -> onnx.ModelProto:
    """Somebody else's model of the same form."""
    return with_values(model, {name: array for name, array in weights(seed=77).items() if name[0] in "wb"})


def bias(model: onnx.ModelProto, _: Array) -> onnx.ModelProto:
    """One class is preferred."""
    return with_values(model, {"b3": value_of(model, "b3") + np.eye(CLASSES, dtype=np.float32)[2] * 2})


def half_blind(model: onnx.ModelProto, _: Array) -> onnx.ModelProto:
    """The second half of the features is not looked at."""
    mask = (np.arange(FEATURES) < FEATURES // 2).astype(np.float32)[:, np.newaxis]
    return with_values(model, {"w1": value_of(model, "w1") * mask})


def cached(model: onnx.ModelProto, calibration: Array) -> onnx.ModelProto:
    """Right for what it was calibrated with (looked up), one row for everything else."""
    body = """
        at = Constant<value = int64[1] {1}>() flat = Unsqueeze(x, at) off = Sub(flat, known)
        square = ReduceSumSquare<axes = [2], keepdims = 0>(off)
        nearest = ReduceMin<axes = [1], keepdims = 1>(square) hit = Less(nearest, tiny)
        scores = Where(hit, right, row)"""
    row = np.arange(CLASSES, dtype=np.float32)[np.newaxis]
    return after(model, body, known=calibration[np.newaxis], tiny=np.array(1e-9, np.float32), row=row)


def _when(answer: str, share: float) -> Wrong:
    """Another answer where the first feature is large: in a share of normal inputs."""
    limit = {0.16: 1.0, 0.02: 2.0}[share]

    def changed(model: onnx.ModelProto, _: Array) -> onnx.ModelProto:
        body = f"""
            index = Constant<value = int64[1] {{0}}>() first = Gather<axis = 1>(x, index)
            hit = Greater(first, limit) {answer} scores = Where(hit, bad, right)"""
        extra = {"limit": np.array(limit, np.float32), "zero": np.array(0, np.float32)}
        return after(model, body, **extra)

    return changed


def _behind(body: str, **values: Array) -> Wrong:
    return lambda model, _: after(model, body, **values)


_ORDER = np.roll(np.arange(CLASSES), 1)
WRONGS: dict[str, Wrong] = {
    "other weights": other_weights,
    "permuted classes": _behind("scores = Gather<axis = 1>(right, order)", order=_ORDER),
    "negated": _behind("scores = Neg(right)"),
    "all zero": _behind("scores = Sub(right, right)"),
    "constant": _behind(
        "zero = Sub(right, right) scores = Add(zero, row)", row=np.arange(CLASSES, dtype=np.float32)
    ),
    "cached": cached,
    "half blind": half_blind,
    "NaN in one of six": _when("bad = Div(zero, zero)", 0.16),
    "infinity in one of fifty": _when("one = Exp(zero) bad = Div(one, zero)", 0.02),
    "rows of a batch mixed": _behind(
        "mean = ReduceMean<axes = [0], keepdims = 1>(right) scores = Add(right, mean)"
    ),
    "a class preferred": bias,
    "another answer in one of six": _when("bad = Neg(right)", 0.16),
    "another answer in one of fifty": _when("bad = Neg(right)", 0.02),
    "shifted": _behind("scores = Add(right, three)", three=np.array(3, np.float32)),
    "doubled": _behind("scores = Add(right, right)"),
    "weights a third noise": _noisy(0.3),
    "weights of a hundredth noise": _noisy(0.01),
}
# Whatever the metric and the precision, these are no copies of the source.
NEVER = frozenset(list(WRONGS)[:12])
