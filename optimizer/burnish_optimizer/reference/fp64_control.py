"""If, Loop and Scan: subgraphs run by whoever evaluates. Source: ONNX, opset 11 to 25 (Scan: 9 on)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from burnish_optimizer.errors import NoTruth
from burnish_optimizer.reference.fp64_values import Call, Datum, Wide
from burnish_runtime.session import Array

INT64, BOOL = np.dtype(np.int64), np.dtype(np.bool_)
MAX_ITERATIONS = 10_000
Control = Callable[[Call], list[Datum]]


def _if(call: Call) -> list[Datum]:
    return call.graph("then_branch" if bool(np.all(call.data[0])) else "else_branch", [])


def _loop(call: Call) -> list[Datum]:
    """Inputs: trip count, condition, carried values. The body gives condition, those, scan outputs."""
    trips, go = call.given(0), call.given(1)
    going = True if go is None else bool(np.all(go))
    carried = list(call.inputs[2:])
    scanned: list[list[Datum]] = [[] for _ in call.node.outputs[len(carried) :]]
    for step in _counted(trips):
        if not going:
            break
        start = [Wide(np.asarray(step), INT64), Wide(np.asarray(True), BOOL), *carried]
        again, *rest = call.graph("body", start)
        going = isinstance(again, Wide) and bool(np.all(again.data))
        carried = rest[: len(carried)]
        for series, value in zip(scanned, rest[len(carried) :], strict=True):
            series.append(value)
    if scanned and not scanned[0]:
        raise NoTruth("Loop", "no iteration: the type of its scan outputs is not known")
    return [*carried, *(_stack(series, 0) for series in scanned)]


def _counted(trips: Array | None) -> Iterator[int]:
    yield from range(MAX_ITERATIONS if trips is None else min(int(np.ravel(trips)[0]), MAX_ITERATIONS))
    if trips is None or int(np.ravel(trips)[0]) > MAX_ITERATIONS:
        raise NoTruth("Loop", f"more than {MAX_ITERATIONS} iterations")


def _scan(call: Call) -> list[Datum]:
    """Inputs: states, then arrays to scan over. The body gives states, then one slice of each output."""
    if call.version < 9:
        raise NoTruth("Scan", "opset 8 scans a batch")
    count = call.attr("num_scan_inputs")
    states, arrays = list(call.inputs[:-count]), call.inputs[-count:]
    axes = call.attr("scan_input_axes", [0] * count)
    backwards = call.attr("scan_input_directions", [0] * count)
    made: list[list[Datum]] = [[] for _ in call.node.outputs[len(states) :]]
    first = arrays[0]
    length = first.data.shape[axes[0]] if isinstance(first, Wide) else 0
    for step in range(length):
        rows = [_slice(x, axis, length - 1 - step if back else step)
                for x, axis, back in zip(arrays, axes, backwards, strict=True)]  # fmt: skip
        found = call.graph("body", [*states, *rows])
        states = found[: len(states)]
        for series, value in zip(made, found[len(states) :], strict=True):
            series.append(value)
    return [*states, *_gathered(call, made)]


def _gathered(call: Call, made: Sequence[list[Datum]]) -> Iterator[Datum]:
    axes = call.attr("scan_output_axes", [0] * len(made))
    backwards = call.attr("scan_output_directions", [0] * len(made))
    for series, axis, back in zip(made, axes, backwards, strict=True):
        if not series:
            raise NoTruth("Scan", "nothing to scan: the type of its outputs is not known")
        yield _stack(series[::-1] if back else series, axis)


def _slice(value: Datum, axis: int, index: int) -> Wide:
    if not isinstance(value, Wide):
        raise NoTruth("Scan", "an input is no tensor")
    return replace(value, data=np.asarray(np.take(value.data, index, axis=axis)))


def _stack(series: Sequence[Datum], axis: int) -> Wide:
    tensors = [value for value in series if isinstance(value, Wide)]
    if len(tensors) != len(series):
        raise NoTruth("Loop", "a scan output is no tensor")
    data = np.stack([t.data for t in tensors], axis=axis)
    return Wide(data, tensors[0].dtype, any(t.perturbed for t in tensors))


CONTROL: Mapping[str, Control] = {"If": _if, "Loop": _loop, "Scan": _scan}
