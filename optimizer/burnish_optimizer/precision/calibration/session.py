"""Runs a model that tells inner tensors, so that what one run returns stays within a limit."""

import tempfile
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, Self

from burnish_engine.errors import one_line
from burnish_optimizer.batches import by_size
from burnish_optimizer.errors import Declined, InvalidData
from burnish_optimizer.gates.execute import (
    BASE_FOLDER,
    BITS,
    FATAL_ONLY,
    MAPPED_BYTES,
    NO_PREPACKING,
    weight_bytes,
)
from burnish_optimizer.ingest.feeds import Feeds
from burnish_optimizer.precision.calibration.outputs import Asked, ask, shape, value
from burnish_runtime import cpu
from burnish_runtime.session import Array

# Values travel as float32, once in ONNX Runtime's memory and once, one tensor at a time, in NumPy's.
WIDTH_BYTES = 4
KNOWN_SHAPES = 64

Groups = list[list[str]]


class _Known(NamedTuple):
    """How large tensors are where the inputs have these sizes."""

    sizes: dict[str, tuple[int, ...]]
    groups: Groups


class Told:
    """A loaded model, as a context. Sizes are asked of the model itself: they may differ by sample."""

    def __init__(self, path: Path, tensors: Sequence[str], *, threads: int | None, memory_bytes: int) -> None:
        """Load it.

        Raises: InvalidJob: no such tensor. Declined: it does not load with these outputs.
        """
        self._memory_bytes, self._known = memory_bytes, list[_Known]()
        self._scratch = tempfile.TemporaryDirectory(prefix="burnish-calibrate-")
        try:
            self._asked = ask(path, tensors, Path(self._scratch.name))
            self._session = _open(self._asked, threads or cpu.default_threads())
        except BaseException:
            self._scratch.cleanup()
            raise
        self._kinds = {v.name: v.type.tensor_type.elem_type for v in self._asked.model.graph.input}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session = None
        self._scratch.cleanup()

    def run(self, feeds: Feeds, where: str) -> Iterator[tuple[str, Array]]:
        """Each tensor of one sample, as float32 in its own shape.

        Raises: InvalidData: the model does not compute on this sample.
        """
        for group in self._groups(feeds, where):
            yield from self._some(feeds, group, where)

    def _groups(self, feeds: Feeds, where: str) -> Groups:
        """What is asked for together. Inputs that are nowhere larger than known ones need no new answer."""
        sizes = {name: array.shape for name, array in feeds.items()}
        for known in self._known:
            if all(_is_within(size, known.sizes[name]) for name, size in sizes.items()):
                return known.groups
        names = self._asked.tensors
        shapes = self._compute(feeds, [], [shape(i) for i in range(len(names))], where)
        costs = {
            name: WIDTH_BYTES * prod(found.numpy().tolist())
            for name, found in zip(names, shapes, strict=True)
        }
        groups = list(by_size(names, costs.__getitem__, self._memory_bytes))
        self._known = [_Known(sizes, groups), *self._known][:KNOWN_SHAPES]
        return groups

    def _some(self, feeds: Feeds, group: Sequence[str], where: str) -> Iterator[tuple[str, Array]]:
        wanted = set(group)
        at = [i for i, name in enumerate(self._asked.tensors) if name in wanted]
        outputs = [part(i) for i in at for part in (shape, value)]
        found = self._compute(feeds, group, outputs, where)
        found.reverse()  # so that each is given back when it has been read
        for i in at:
            sizes = found.pop().numpy()
            yield self._asked.tensors[i], found.pop().numpy().reshape(sizes)

    def _compute(self, feeds: Feeds, group: Sequence[str], outputs: Sequence[str], where: str) -> list[Any]:
        given = {
            name: self._value(name, array) for name, array in {**feeds, **self._asked.ends(group)}.items()
        }
        try:
            return list(self._session.run_with_ort_values(outputs, given))
        except Exception as error:
            raise InvalidData(
                where,
                found=one_line(error, 300),
                expected="a sample that the model computes",
                remedy="Correct the sample, or leave it out.",
            ) from error

    def _value(self, name: str, array: Array) -> Any:
        import onnxruntime  # noqa: PLC0415 - loaded already, with the session

        kind = self._kinds.get(name, 0)
        make = onnxruntime.OrtValue
        if kind in BITS:
            return make.ortvalue_from_numpy_with_onnx_type(array, kind)
        return make.ortvalue_from_numpy(array)


def _is_within(size: Sequence[int], known: Sequence[int]) -> bool:
    return len(size) == len(known) and all(one <= most for one, most in zip(size, known, strict=True))


def _open(asked: Asked, threads: int) -> Any:
    import onnxruntime  # noqa: PLC0415 - a second to import

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = FATAL_ONLY
    # Patterns are kept for every shape that was seen.
    options.enable_mem_pattern = False
    # In the order of the graph, which asks for a tensor where it is made.
    options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
    options.add_session_config_entry(BASE_FOLDER, str(asked.base))
    if weight_bytes(asked.model) > MAPPED_BYTES:
        options.add_session_config_entry(NO_PREPACKING, "1")
    try:
        return onnxruntime.InferenceSession(
            asked.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        reason = one_line(error, 300)
        raise Declined(
            f"ONNX Runtime does not load the model with inner tensors as outputs: {reason}"
        ) from error
