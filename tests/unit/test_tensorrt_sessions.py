"""Running a plan: contexts, buffers, shapes and failures, on a made-up device; on a real one if there is."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from burnish_engine.descriptor import RunOptions
from burnish_engine.request import Backend
from burnish_optimizer.backends import tensorrt_rtx
from burnish_optimizer.ingest.samples import DataSpec
from burnish_optimizer.targets import nvidia
from burnish_optimizer.targets.ahead_of_time import CAPABILITIES, capabilities
from burnish_optimizer.targets.toolchain import is_installed
from burnish_runtime.cuda_memory import check_device
from burnish_runtime.errors import (
    InferenceFailed,
    InvalidInput,
    InvalidModel,
    InvalidOptions,
    UnsupportedBackend,
)
from burnish_runtime.load import open_session
from burnish_runtime.tensorrt_rtx_backend import TensorRtxSession
from fakes.tensorrt import DoublingEngine, HostCuda, Library
from support.tensorrt import WIDTH, matmul_net, plan_task

FACTS = nvidia.facts(nvidia.find().gpus)
HAS_LIBRARIES = is_installed("tensorrt_rtx") and is_installed("cuda")


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "model.plan").write_bytes(b"plan")
    return tmp_path / "model.plan"


def session(plan, cuda=None, engine=None):
    return TensorRtxSession(Library(engine or DoublingEngine()), cuda or HostCuda(), plan)


def rows(count, first=0.0):
    return np.arange(count * 3, dtype=np.float32).reshape(count, 3) + np.float32(first)


def test_a_plan_tells_its_signature_and_answers_for_every_batch_of_its_profile(plan):
    opened = session(plan)
    assert [(spec.name, spec.dtype, spec.shape) for spec in opened.inputs] == [("x", "float32", (None, 3))]
    assert [spec.name for spec in opened.outputs] == ["y"]
    assert opened.coverage().nodes == 1
    for count in (1, 8, 2):
        np.testing.assert_array_equal(opened.run({"x": rows(count)})["y"], 2 * rows(count))
    assert opened.run({"x": rows(2)}, []) == {}


def test_an_answer_does_not_change_when_the_session_runs_again(plan):
    opened = session(plan)
    first = opened.run({"x": rows(2)})["y"]
    opened.run({"x": rows(2, 100.0)})
    np.testing.assert_array_equal(first, 2 * rows(2))


def test_shapes_outside_the_profile_or_against_each_other_are_refused(plan):
    opened = session(plan)
    with pytest.raises(InvalidInput, match=r"between \[1,3\] and \[8,3\]"):
        opened.run({"x": rows(10)})
    with pytest.raises(InvalidInput, match="fit the model and each other"):
        opened.run({"x": rows(3)})
    np.testing.assert_array_equal(opened.run({"x": rows(1)})["y"], 2 * rows(1))


def test_a_context_is_used_again_and_one_that_failed_is_not(plan):
    engine, cuda = DoublingEngine(), HostCuda()
    opened = session(plan, cuda, engine)
    opened.run({"x": rows(1)})
    opened.run({"x": rows(8)})
    assert (engine.contexts, cuda.streams, len(cuda.held)) == (1, 1, 2)
    engine.refuses = True
    with pytest.raises(InferenceFailed, match="refused"):
        opened.run({"x": rows(1)})
    assert (cuda.streams, cuda.held) == (0, {})
    engine.refuses = False
    opened.run({"x": rows(1)})
    opened.close()
    assert (engine.contexts, cuda.streams, cuda.held) == (2, 0, {})


def test_concurrent_callers_get_their_own_answers(plan):
    opened, wrong = session(plan), []

    def ask(first):
        for _ in range(20):
            if not np.array_equal(opened.run({"x": rows(2, first)})["y"], 2 * rows(2, first)):
                wrong.append(first)

    threads = [threading.Thread(target=ask, args=(float(n * 1000),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_device_without_room_fails_in_its_words(plan):
    with pytest.raises(InferenceFailed, match="cudaErrorMemoryAllocation"):
        session(plan, HostCuda(room=8)).run({"x": rows(2)})


def test_an_output_whose_shape_depends_on_values_is_no_guess(plan):
    opened = session(plan, engine=DoublingEngine(y_shape=lambda shape: (-1, 3)))
    with pytest.raises(InferenceFailed, match="depends on values"):
        opened.run({"x": rows(2)})


def test_a_plan_for_something_else_says_what_the_library_said(plan):
    with pytest.raises(InvalidModel, match="built for another device"):
        TensorRtxSession(Library(None), HostCuda(), plan)
    with pytest.raises(InvalidModel, match="of type INT4"):
        session(plan, engine=DoublingEngine(kind="INT4"))
    with pytest.raises(InvalidModel, match="No such file"):
        session(plan.with_name("missing.plan"))


@pytest.mark.parametrize(
    "options", [RunOptions(properties={"a": "1"}), RunOptions(static_shapes=({"x": (1, 3)},))]
)
def test_a_plan_has_its_options_inside(plan, options):
    with pytest.raises(InvalidOptions, match="settled when it was built"):
        open_session(plan, Backend.TENSORRT_RTX, options)


def test_without_a_device_there_is_an_error_that_says_what_to_do():
    with pytest.raises(UnsupportedBackend, match=r"no device.*nvidia-smi"):
        check_device(HostCuda(devices=0))


@pytest.mark.skipif(bool(FACTS), reason="there is an NVIDIA device here")
def test_here_a_plan_does_not_run_and_nothing_else_runs_in_its_place(plan):
    with pytest.raises(UnsupportedBackend, match="nvidia-smi|pip install"):
        open_session(plan, Backend.TENSORRT_RTX, RunOptions())


def test_a_missing_library_names_the_extra(plan, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    with pytest.raises(UnsupportedBackend, match=r"burnish\[tensorrt\]"):
        open_session(plan, Backend.TENSORRT_RTX, RunOptions())


@pytest.mark.skipif(not HAS_LIBRARIES, reason="tensorrt_rtx is not installed")
def test_loading_a_plan_never_takes_the_process_with_it(plan):
    """In a process of its own: a library that crashes without a driver must not."""
    code = (
        "import pathlib, sys; from burnish_engine.descriptor import RunOptions; "
        "from burnish_runtime import tensorrt_rtx_backend as b; "
        "b.open_session(pathlib.Path(sys.argv[1]), RunOptions())"
    )
    command = [sys.executable, "-c", code, str(plan)]
    ended = subprocess.run(command, capture_output=True, text=True, env=_env(), check=False)
    assert ended.returncode == 1
    assert "UnsupportedBackend" in ended.stderr or "InvalidModel" in ended.stderr


def _env() -> dict[str, str]:
    return {"PYTHONPATH": ":".join(path for path in sys.path if path)}


@pytest.mark.gpu
@pytest.mark.skipif(
    not HAS_LIBRARIES or not set(capabilities(FACTS)) & set(CAPABILITIES),
    reason="no NVIDIA device that plans are built ahead for, or tensorrt_rtx is not installed",
)
def test_a_real_plan_answers_as_its_graph_does(tmp_path: Path) -> None:
    judged = tmp_path / "judged.npz"
    x = np.random.default_rng(1).normal(0, 1, (4, WIDTH)).astype(np.float32)
    np.savez(judged, x=x)
    spec = DataSpec(path=str(judged))
    task = plan_task(tmp_path, matmul_net(), facts=FACTS, target=None, judged=spec)
    result = tensorrt_rtx.build(task)
    assert result.unmeasured == ""
    opened = open_session(Path(task.folder) / result.model, Backend.TENSORRT_RTX, RunOptions())
    graph = open_session(tmp_path / "net.onnx", Backend.ONNXRUNTIME, RunOptions(threads=1))
    np.testing.assert_allclose(opened.run({"x": x})["y"], graph.run({"x": x})["y"], rtol=1e-4, atol=1e-4)
