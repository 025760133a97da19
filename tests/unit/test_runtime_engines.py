"""From an engine folder to an engine that is warm."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from burnish_engine.coverage import Coverage
from burnish_engine.descriptor import ENGINE_FILE, TensorSpec
from burnish_engine.errors import InvalidEngine
from burnish_engine.request import Backend
from burnish_runtime.errors import InvalidInput, InvalidModel, UnsupportedBackend
from burnish_runtime.load import open_engine, smallest_shape, warm_up_shapes, zeros
from burnish_runtime.session import Array, Session
from support.onnx_models import (
    ADD_INPUTS,
    ADD_OUTPUTS,
    CPU_BACKENDS,
    add_and_multiply,
    identity,
    write_adder,
    write_running_engine,
)


class Recorded:
    """A session that notes the shapes it is run with."""

    def __init__(self, session: Session) -> None:
        self.inputs, self.outputs = session.inputs, session.outputs
        self._session = session
        self.shapes: list[tuple[int, ...]] = []

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        self.shapes += [array.shape for array in feeds.values()]
        return self._session.run(feeds, outputs)

    def coverage(self) -> Coverage:
        return self._session.coverage()

    def close(self) -> None:
        self._session.close()


@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_an_engine_loads_warms_up_and_answers(tmp_path: Path, backend: Backend) -> None:
    engine = open_engine(write_adder(tmp_path, backend))
    assert engine.descriptor.backend is backend
    assert engine.load_seconds > 0
    engine.warm_up()
    feeds = {name: zeros("float32", (1, 3)) + 1 for name in "ab"}
    assert engine.session.run(feeds)["sum"].tolist() == [[2, 2, 2]]


def test_warm_up_runs_every_shape_that_the_descriptor_names(tmp_path: Path) -> None:
    shapes = ({"a": (2, 3), "b": (2, 3)}, {"a": (4, 3), "b": (4, 3)})
    folder = write_running_engine(tmp_path, add_and_multiply(), ADD_INPUTS, ADD_OUTPUTS, warmup_shapes=shapes)
    engine = open_engine(folder)
    recorded = Recorded(engine.session)
    replace(engine, session=recorded).warm_up(runs=1)
    assert recorded.shapes == [(2, 3), (2, 3), (4, 3), (4, 3)]


def test_warm_up_without_shapes_takes_the_smallest(tmp_path: Path) -> None:
    engine = open_engine(write_adder(tmp_path))
    assert warm_up_shapes(engine.descriptor) == ({"a": (1, 3), "b": (1, 3)},)
    assert smallest_shape(TensorSpec(name="x", dtype="int64", shape=(None, 2, None))) == (1, 2, 1)


def test_warm_up_tells_of_a_shape_that_the_model_does_not_take(tmp_path: Path) -> None:
    folder = write_running_engine(
        tmp_path, add_and_multiply(), ADD_INPUTS, ADD_OUTPUTS, warmup_shapes=({"a": (1, 7)},)
    )
    with pytest.raises(InvalidInput, match="'a'"):
        open_engine(folder).warm_up()


def test_strings_warm_up_too(tmp_path: Path) -> None:
    x, y = (TensorSpec(name=name, dtype="object", shape=(None, 3)) for name in "xy")
    open_engine(write_running_engine(tmp_path, identity("object"), (x,), (y,))).warm_up()


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / ENGINE_FILE).unlink(),
        lambda folder: (folder / ENGINE_FILE).write_text("{}"),
        lambda folder: (folder / ENGINE_FILE).write_text("not json"),
        lambda folder: (folder / "model/model.onnx").unlink(),
    ],
    ids=["no descriptor", "empty descriptor", "no JSON", "no model"],
)
def test_folders_that_are_no_engine(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    folder = write_adder(tmp_path / "engine")
    damage(folder)
    with pytest.raises(InvalidEngine):
        open_engine(folder)


@pytest.mark.parametrize("model", ["../outside.onnx", "/etc/hostname"])
def test_a_model_outside_of_the_engine_is_not_opened(tmp_path: Path, model: str) -> None:
    (tmp_path / "outside.onnx").write_bytes(add_and_multiply().SerializeToString())
    folder = write_running_engine(
        tmp_path / "engine", add_and_multiply(), ADD_INPUTS, ADD_OUTPUTS, model=model
    )
    with pytest.raises(InvalidEngine, match="model"):
        open_engine(folder)


@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_a_model_that_is_not_the_described_one_is_refused(tmp_path: Path, backend: Backend) -> None:
    wrong = tuple(spec.model_copy(update={"dtype": "int8"}) for spec in ADD_INPUTS)
    for number, (inputs, outputs) in enumerate([(wrong, ADD_OUTPUTS), (ADD_INPUTS, ADD_OUTPUTS[:1])]):
        folder = tmp_path / str(number)
        write_running_engine(folder, add_and_multiply(), inputs, outputs, backend=backend)
        with pytest.raises(InvalidModel, match=r"engine\.json"):
            open_engine(folder)


@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_a_missing_library_names_the_extra(
    tmp_path: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, backend.value, None)
    with pytest.raises(UnsupportedBackend, match=r"pip install .burnish\["):
        open_engine(write_adder(tmp_path, backend))
