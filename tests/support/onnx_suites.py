"""ONNX's own test models as cases on disk: made once for each version of onnx, then only listed.

A case is a folder as ONNX lays out its test data: `model.onnx` and `input_<i>.pb`, one for each input of
the graph that has no initializer.

| suite | what | how many |
|---|---|---|
| node | one operator each, with its function body expanded where it has one | 1,884 |
| pytorch-converted, pytorch-operator, simple | models stored in the wheel | 140 |
| light | the light zoo: nine image classifiers with **seeded weights** | 9 |

As shipped every weight of the light zoo is the one number 0.02, so every logit is the same and a rewrite
that mixes up wires gives the right answer. Here each such weight is drawn at random, of a scale that keeps
signals alive, and the last layer is scaled so that its softmax does not saturate.
"""

import os
import shutil
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

NODE, LIGHT = "node", "light"
STORED = ("pytorch-converted", "pytorch-operator", "simple")
SUITES = (NODE, *STORED, LIGHT)
LAYOUT = 1  # raise it when folders are laid out, or weights are drawn, in another way
DATA = Path(onnx.__file__).parent / "backend/test/data"
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Case:
    """A model and one set of inputs."""

    suite: str
    name: str
    folder: Path

    @property
    def model(self) -> Path:
        """The model's file."""
        return self.folder / "model.onnx"


def cases(root: Path, suites: tuple[str, ...] = SUITES) -> tuple[Case, ...]:
    """The cases of some suites, below `root`; those that are not there yet are made."""
    base = root / f"onnx-{onnx.__version__}-{LAYOUT}"
    return tuple(case for suite in suites for case in _listed(suite, base / suite))


def _listed(suite: str, folder: Path) -> Iterator[Case]:
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{suite}-", dir=folder.parent))
        for name, model, inputs in _source(suite)():
            _write(scratch / name, model, inputs)
        _settle(scratch, folder)
    return (Case(suite, each.name, each) for each in sorted(folder.iterdir()))


def _settle(scratch: Path, folder: Path) -> None:
    """Whole or not at all; another process may have been faster."""
    try:
        os.replace(scratch, folder)  # noqa: PTH105 (Path.replace says the same; this one names both sides)
    except OSError:
        shutil.rmtree(scratch)
        if not folder.is_dir():
            raise


Made = tuple[str, ModelProto, list[Any]]


def _source(suite: str) -> Callable[[], Iterator[Made]]:
    if suite == NODE:
        return node_cases
    return light_cases if suite == LIGHT else lambda: stored_cases(suite)


def _write(folder: Path, model: ModelProto, inputs: list[Any]) -> None:
    folder.mkdir()
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    for number, (value, info) in enumerate(zip(inputs, fed(model), strict=False)):
        (folder / f"input_{number}.pb").write_bytes(_proto(value, info).SerializeToString())


def _proto(value: Any, info: ValueInfoProto) -> Any:
    if hasattr(value, "SerializeToString"):
        return value
    kind = info.type.WhichOneof("value")
    if kind == "sequence_type":
        return numpy_helper.from_list(value, info.name)
    if kind == "optional_type":
        return numpy_helper.from_optional(value, info.name)
    return numpy_helper.from_array(np.asarray(value), info.name)


def fed(model: ModelProto) -> list[ValueInfoProto]:
    """The inputs that a caller must give: before IR version 4 weights are listed among the inputs."""
    weights = {i.name for i in model.graph.initializer}
    weights |= {i.values.name for i in model.graph.sparse_initializer}
    return [each for each in model.graph.input if each.name not in weights]


def read_inputs(folder: Path, model: ModelProto) -> dict[str, Any]:
    """Inputs by name: arrays, lists of arrays (sequences), None (an optional without value)."""
    files = {info: folder / f"input_{number}.pb" for number, info in enumerate(i.name for i in fed(model))}
    kinds = {info.name: info.type.WhichOneof("value") for info in fed(model)}
    return {name: _read(path.read_bytes(), kinds[name]) for name, path in files.items() if path.is_file()}


def _read(data: bytes, kind: str) -> Any:
    if kind == "sequence_type":
        return numpy_helper.to_list(onnx.SequenceProto.FromString(data))
    if kind == "optional_type":
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(data))
    return numpy_helper.to_array(TensorProto.FromString(data))


def node_cases() -> Iterator[Made]:
    """Every case of ONNX's backend node tests, made by the code that defines them (about 5 s)."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # reference computations overflow and divide by zero on purpose
        made = collect_testcases(None)
    for case in made:
        if case.model and case.data_sets:
            yield case.name, case.model, list(case.data_sets[0][0])


def stored_cases(suite: str) -> Iterator[Made]:
    """The models that the wheel carries, with their first set of inputs."""
    for folder in sorted((DATA / suite).iterdir()):
        model = onnx.load(folder / "model.onnx")
        files = [folder / "test_data_set_0" / f"input_{number}.pb" for number in range(len(fed(model)))]
        kinds = [info.type.WhichOneof("value") for info in fed(model)]
        there = [(path, kind) for path, kind in zip(files, kinds, strict=True) if path.is_file()]
        yield folder.name, model, [_read(path.read_bytes(), kind) for path, kind in there]


def light_cases() -> Iterator[Made]:
    """The light zoo with seeded weights, each on one random picture."""
    for path in sorted((DATA / LIGHT).glob("*.onnx")):
        model = onnx.load(path)
        rng = np.random.default_rng(zlib.crc32(path.stem.encode()))
        reseed(model, rng)
        shapes = [[d.dim_value for d in i.type.tensor_type.shape.dim] for i in fed(model)]
        inputs = [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]
        temper(model, {info.name: array for info, array in zip(fed(model), inputs, strict=True)})
        yield path.stem, model, inputs


def reseed(model: ModelProto, rng: np.random.Generator) -> int:
    """Draw anew every weight that is one number repeated (`ConstantOfShape`, or stored). Returns how many."""
    roles = _roles(model)
    stored = {i.name: i for i in model.graph.initializer}
    drawn = 0
    for node in model.graph.node:
        if node.op_type == "ConstantOfShape":
            shape = numpy_helper.to_array(stored[node.input[0]])
            _become_constant(node, _draw(shape, roles[node.output[0]], rng))
            drawn += 1
    for tensor in stored.values():
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size > 1 and np.ptp(values) == 0:
            values = _draw(values.shape, roles[tensor.name], rng)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
            drawn += 1
    return drawn


def _roles(model: ModelProto) -> Mapping[str, tuple[str, int]]:
    """Value → (op type, position) that takes it first, behind the Unsqueeze that only reshapes a weight."""
    roles: dict[str, tuple[str, int]] = {}
    for node in reversed(model.graph.node):
        for position, name in enumerate(node.input):
            through = roles.get(node.output[0]) if node.op_type == "Unsqueeze" else None
            roles[name] = through or (node.op_type, position)
    return roles


def _draw(shape: Any, role: tuple[str, int], rng: np.random.Generator) -> Array:
    """He's scale for kernels (√(2/fan-in)), about 1 for factors and variances, about 0 for the rest."""
    shape = tuple(int(d) for d in shape)
    if role in {("BatchNormalization", 1), ("BatchNormalization", 4), ("Mul", 0), ("Mul", 1)}:
        return np.asarray(rng.uniform(0.5, 1.5, shape), np.float32)
    if len(shape) > 1:
        fan_in = int(np.prod(shape[1:]))
        return np.asarray(rng.standard_normal(shape, np.float32) * np.float32((2 / fan_in) ** 0.5))
    return np.asarray(rng.standard_normal(shape, np.float32) * np.float32(0.1))


def _become_constant(node: NodeProto, values: Array) -> None:
    made = helper.make_node("Constant", [], list(node.output), value=numpy_helper.from_array(values))
    node.CopyFrom(made)


def temper(model: ModelProto, feeds: Mapping[str, Array]) -> None:
    """Scale the Gemm before a Softmax so that its logits spread by 2: a saturated one hides every error."""
    gemm = _gemm_before_softmax(model.graph.node)
    if gemm is None:
        return
    probe = ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.add(name=gemm.output[0])
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    factor = 2 / np.std(session.run([gemm.output[0]], dict(feeds))[0])
    for node in model.graph.node:
        if node.op_type == "Constant" and node.output[0] in gemm.input[1:]:
            _become_constant(node, numpy_helper.to_array(node.attribute[0].t) * np.float32(factor))


def _gemm_before_softmax(nodes: Sequence[NodeProto]) -> NodeProto | None:
    logits = {node.input[0] for node in nodes if node.op_type == "Softmax"}
    return next((node for node in nodes if node.op_type == "Gemm" and node.output[0] in logits), None)
