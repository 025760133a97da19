"""Sessions of every backend, on real models."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from burnish_engine.descriptor import RunOptions, TensorSpec
from burnish_engine.request import Backend
from burnish_runtime import openvino_backend, openvino_shapes
from burnish_runtime.dtypes import carrier
from burnish_runtime.errors import InferenceFailed, InvalidInput, InvalidModel, InvalidOptions
from burnish_runtime.load import open_session
from burnish_runtime.session import Array, Session
from support.onnx_models import ADD_INPUTS, ADD_OUTPUTS, CPU_BACKENDS, add_and_multiply, identity, model_of

ONE_THREAD = RunOptions(threads=1)
NUMBERS = [
    *("float32", "float64", "float16", "bfloat16", "bool"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
]

backends = pytest.mark.parametrize("backend", CPU_BACKENDS)


def session_of(
    folder: Path, model: onnx.ModelProto, backend: Backend, options: RunOptions = ONE_THREAD
) -> Session:
    path = folder / "model.onnx"
    onnx.save(model, path)
    return open_session(path, backend, options)


def sample(dtype: str) -> Array:
    values = np.array([[0, 1, 2], [1, 3, 1]])
    return values.astype(bool) if dtype == "bool" else values.astype(carrier(dtype))


@backends
@pytest.mark.parametrize("dtype", NUMBERS)
def test_every_number_type_goes_in_and_comes_out(tmp_path: Path, backend: Backend, dtype: str) -> None:
    session = session_of(tmp_path, identity(dtype), backend)
    assert session.inputs == (TensorSpec(name="x", dtype=dtype, shape=(None, 3)),)
    assert session.outputs == (TensorSpec(name="y", dtype=dtype, shape=(None, 3)),)
    x = sample(dtype)
    y = session.run({"x": x})["y"]
    assert y.dtype == carrier(dtype)
    np.testing.assert_array_equal(y, x)


@backends
def test_bfloat16_arrays_of_other_libraries_are_taken(tmp_path: Path, backend: Backend) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="comes with onnx, not with serving")
    session = session_of(tmp_path, identity("bfloat16"), backend)
    x = np.array([[1.5, -2.0, 0.0]], dtype=ml_dtypes.bfloat16)
    np.testing.assert_array_equal(session.run({"x": x})["y"], x.view(np.uint16))


def test_strings_with_onnxruntime(tmp_path: Path) -> None:
    session = session_of(tmp_path, identity("object"), Backend.ONNXRUNTIME)
    x = np.array([["a", "", "é\N{SNOWMAN}"]], dtype=object)
    assert session.run({"x": x})["y"].tolist() == x.tolist()


def test_strings_are_refused_by_openvino_at_load(tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match="string"):
        session_of(tmp_path, identity("object"), Backend.OPENVINO)


@backends
def test_requested_outputs_alone_come_back(tmp_path: Path, backend: Backend) -> None:
    session = session_of(tmp_path, add_and_multiply(), backend)
    feeds = {"a": np.full((2, 3), 2, np.float32), "b": np.full((2, 3), 5, np.float32)}
    assert list(session.run(feeds)) == ["sum", "product"]
    assert {name: y[0, 0] for name, y in session.run(feeds, ["product"]).items()} == {"product": 10}
    assert session.run(feeds, []) == {}
    with pytest.raises(InvalidInput, match="nothing"):
        session.run(feeds, ["nothing"])


@backends
@pytest.mark.parametrize(
    "prepare",
    [
        np.asfortranarray,
        lambda x: x[:, ::-1],
        lambda x: np.frombuffer(b"." + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape),
        lambda x: x[:0],
    ],
    ids=["column-major", "reversed", "read-only and unaligned", "empty"],
)
def test_memory_of_any_layout_is_taken(tmp_path: Path, backend: Backend, prepare: object) -> None:
    assert callable(prepare)
    session = session_of(tmp_path, identity(), backend)
    x = prepare(np.arange(12, dtype=np.float32).reshape(4, 3))
    np.testing.assert_array_equal(session.run({"x": x})["y"], x)


@backends
def test_answers_do_not_change_when_the_session_runs_again(tmp_path: Path, backend: Backend) -> None:
    session = session_of(tmp_path, identity(), backend)
    first = session.run({"x": np.ones((1, 3), np.float32)})["y"]
    session.run({"x": np.zeros((1, 3), np.float32)})
    assert first.tolist() == [[1, 1, 1]]


@backends
@pytest.mark.parametrize(
    ("feeds", "words"),
    [
        ({}, "a, b"),
        ({"a": np.zeros((1, 3), np.float32)}, "b"),
        ({n: np.zeros((1, 3), np.float32) for n in "abc"}, "c"),
        ({"a": np.zeros((1, 3), np.float64), "b": np.zeros((1, 3), np.float32)}, "float64"),
        ({"a": np.zeros((1, 3), ">f4"), "b": np.zeros((1, 3), np.float32)}, ">f4"),
        ({"a": np.zeros((1, 4), np.float32), "b": np.zeros((1, 3), np.float32)}, r"\[1,4\].*\[\?,3\]"),
        ({"a": np.zeros(3, np.float32), "b": np.zeros((1, 3), np.float32)}, r"\[3\].*\[\?,3\]"),
    ],
)
def test_wrong_feeds_are_the_callers_fault(
    tmp_path: Path, backend: Backend, feeds: dict[str, Array], words: str
) -> None:
    session = session_of(tmp_path, add_and_multiply(), backend)
    with pytest.raises(InvalidInput, match=words):
        session.run(feeds)


@backends
def test_sizes_that_do_not_fit_each_other_never_give_an_answer(tmp_path: Path, backend: Backend) -> None:
    session = session_of(tmp_path, add_and_multiply(), backend)
    for rows in ((2, 5), (4, 4), (3, 2)):  # the second one leaves an answer in the backend's buffers
        feeds = {name: np.ones((n, 3), np.float32) for name, n in zip("ab", rows, strict=True)}
        if rows[0] == rows[1]:
            assert session.run(feeds)["sum"].tolist() == [[2, 2, 2]] * rows[0]
        else:
            with pytest.raises((InvalidInput, InferenceFailed)):
                session.run(feeds)


@backends
def test_many_threads_get_their_own_answers(tmp_path: Path, backend: Backend) -> None:
    session, wrong = session_of(tmp_path, identity(), backend), []

    def ask(number: int) -> None:
        x = np.full((number + 1, 3), number, np.float32)
        for _ in range(50):
            if not np.array_equal(session.run({"x": x})["y"], x):
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@backends
@pytest.mark.parametrize("content", [b"", b"junk", b"\x80\x04\x95pickled"])
def test_files_that_are_no_model(tmp_path: Path, backend: Backend, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(InvalidModel, match="model.onnx"):
        open_session(path, backend, ONE_THREAD)


@backends
def test_a_truncated_model_and_a_missing_one(tmp_path: Path, backend: Backend) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(add_and_multiply().SerializeToString()[:-20])
    with pytest.raises(InvalidModel):
        open_session(path, backend, ONE_THREAD)
    with pytest.raises(InvalidModel):
        open_session(tmp_path / "absent.onnx", backend, ONE_THREAD)


@backends
def test_outputs_keep_their_names_where_what_makes_them_is_merged(tmp_path: Path, backend: Backend) -> None:
    x, z = (TensorSpec(name=name, dtype="float32", shape=(None, 3)) for name in "xz")
    nodes = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("Identity", ["a"], ["z"])]
    session = session_of(tmp_path, model_of(nodes, [x], [z]), backend)
    assert [spec.name for spec in session.outputs] == ["z"]
    assert session.run({"x": -np.ones((1, 3), np.float32)})["z"].tolist() == [[0, 0, 0]]


def test_openvino_reads_its_own_format(tmp_path: Path) -> None:
    import openvino

    onnx.save(add_and_multiply(), tmp_path / "m.onnx")
    openvino.save_model(openvino.Core().read_model(tmp_path / "m.onnx"), tmp_path / "m.xml")
    session = open_session(tmp_path / "m.xml", Backend.OPENVINO, ONE_THREAD)
    assert (session.inputs, session.outputs) == (ADD_INPUTS, ADD_OUTPUTS)
    feeds = {name: np.ones((1, 3), np.float32) for name in "ab"}
    assert session.run(feeds)["sum"].tolist() == [[2, 2, 2]]


def test_openvino_computes_in_float32_unless_told() -> None:
    assert openvino_backend.compile_properties(ONE_THREAD)["INFERENCE_PRECISION_HINT"] == "f32"
    told = RunOptions(properties={"INFERENCE_PRECISION_HINT": "bf16"})
    assert openvino_backend.compile_properties(told)["INFERENCE_PRECISION_HINT"] == "bf16"


@pytest.mark.parametrize(
    ("backend", "options"),
    [
        (Backend.ONNXRUNTIME, RunOptions(graph_optimization="turbo")),
        (Backend.ONNXRUNTIME, RunOptions(properties={"": "1"})),
        (Backend.OPENVINO, RunOptions(graph_optimization="disabled")),
        (Backend.OPENVINO, RunOptions(properties={"NO_SUCH_PROPERTY": "1"})),
        (Backend.OPENVINO, RunOptions(properties={"INFERENCE_NUM_THREADS": "many"})),
    ],
)
def test_options_that_a_backend_does_not_take(tmp_path: Path, backend: Backend, options: RunOptions) -> None:
    with pytest.raises(InvalidOptions):
        session_of(tmp_path, identity(), backend, options)


def test_onnxruntime_runs_the_graph_as_it_is_when_told(tmp_path: Path) -> None:
    nodes = [helper.make_node("Neg", ["x"], ["n"]), helper.make_node("Neg", ["n"], ["y"])]
    spec = TensorSpec(name="x", dtype="float32", shape=(2,))
    model = model_of(nodes, [spec], [spec.model_copy(update={"name": "y"})])
    for level in ("disabled", "basic", "extended", "all"):
        options = RunOptions(threads=1, graph_optimization=level)
        session = session_of(tmp_path, model, Backend.ONNXRUNTIME, options)
        assert session.run({"x": np.array([1, 2], np.float32)})["y"].tolist() == [1, 2]


def test_remembered_shapes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_shapes, "REMEMBERED", 2)
    session = session_of(tmp_path, identity(), Backend.OPENVINO)
    for rows in (1, 2, 3, 1, 3):
        assert session.run({"x": np.ones((rows, 3), np.float32)})["y"].shape == (rows, 3)


def test_telemetry_is_off_before_the_library_is_loaded() -> None:
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, sys, burnish_runtime.load; "
            "print(os.environ['ORT_DISABLE_TELEMETRY'], 'onnxruntime' in sys.modules)",
        ],
        env={"PATH": "", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["1", "False"]
