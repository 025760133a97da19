"""The bench's judge and its processes: what is wrong is told, what is right passes."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from burnish_bench import judge as module
from burnish_bench.counting import Nodes, count
from burnish_bench.judge import difference, judge, within_own
from burnish_bench.worker import serve
from support.onnx_suites import reseed


def model(nodes: list[onnx.NodeProto], **more: object) -> ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])
    graph = helper.make_graph(nodes, "g", [x], [y], **more)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def on_disk(folder: Path, made: ModelProto) -> Path:
    folder.mkdir()
    onnx.save(made, folder / "model.onnx")
    x = numpy_helper.from_array(np.array([-1, 0.5, np.nan], np.float32), "x")
    (folder / "input_0.pb").write_bytes(x.SerializeToString())
    return folder / "model.onnx"


@pytest.mark.parametrize(("op", "verdict"), [("Relu", "ok"), ("Abs", "wrong"), ("NoSuchOperator", "invalid")])
def test_a_rewrite_is_judged_by_what_it_answers(tmp_path: Path, op: str, verdict: str) -> None:
    source = on_disk(tmp_path / "source", model([helper.make_node("Relu", ["x"], ["y"])]))
    output = on_disk(tmp_path / "output", model([helper.make_node(op, ["x"], ["y"])]))
    found = judge({"source": str(source), "output": str(output), "folder": str(source.parent)})
    assert (found["verdict"], found["before"], found["after"]) == (
        verdict,
        Nodes(1, 1)._asdict(),
        Nodes(1, 1)._asdict(),
    )


def test_a_source_that_does_not_run_is_not_judged(tmp_path: Path) -> None:
    source = on_disk(tmp_path / "source", model([helper.make_node("NoSuchOperator", ["x"], ["y"])]))
    found = judge({"source": str(source), "output": str(source), "folder": str(source.parent)})
    assert found["verdict"] == "unjudged"


@pytest.mark.parametrize(
    "other",
    [
        np.array([1, 2.01, np.nan], np.float32),
        np.array([1, 2, 3], np.float32),
        np.array([1, 2], np.float32),
        np.array([1, 2, np.nan], np.float64),
        [np.array([1, 2, np.nan], np.float32)],
    ],
)
def test_answers_differ_in_numbers_nans_shapes_and_types(other: object) -> None:
    expected = np.array([1, 2, np.nan], np.float32)
    assert difference(expected, other)
    assert not difference(expected, expected.copy())


# Answers of the text detector's last Sigmoid, which come in steps of 2^-24.
SMALL = np.array([6.109476089477539e-06, 6.5267086029052734e-06, 6e-05] * 50, np.float32)


@pytest.mark.parametrize(
    ("found", "moved", "right"),
    [
        (SMALL + np.float32(1.79e-7), SMALL - np.float32(1.79e-7), False),  # beyond RTOL of the largest
        (SMALL + np.float32(5e-8), SMALL - np.float32(4e-8), True),
        (SMALL + np.float32(5e-8), SMALL, False),
        (SMALL + np.float32(5e-8), None, False),
        (np.where(SMALL > 1e-5, np.float32(np.nan), SMALL), SMALL, False),
        (SMALL[:9], SMALL, False),
    ],
)
def test_a_tool_may_move_answers_as_far_as_onnxruntime_does(
    found: object, moved: object, right: bool
) -> None:
    assert within_own(SMALL, found, moved) is right


@pytest.mark.parametrize(("moves", "verdict"), [(1.7e-7, "ok"), (0.0, "wrong")])
def test_the_yardstick_is_asked_of_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moves: float, verdict: str
) -> None:
    source = on_disk(tmp_path / "source", model([helper.make_node("Relu", ["x"], ["y"])]))
    answers = np.array([6.1e-6] * 99 + [7.7e-3], np.float32)

    def execute(path: Path, folder: str, *, optimized: bool = False) -> dict[str, object]:
        return {"y": answers + np.float32(moves if optimized else 1.8e-7 if "output" in path.parts else 0)}

    output = on_disk(tmp_path / "output", model([helper.make_node("Relu", ["x"], ["y"])]))
    monkeypatch.setattr(module, "execute", execute)
    request = {"source": str(source), "output": str(output), "folder": str(source.parent)}
    assert judge(request)["verdict"] == verdict


def test_nodes_of_subgraphs_count() -> None:
    out = helper.make_tensor_value_info("b", TensorProto.FLOAT, [3])
    value = numpy_helper.from_array(np.ones(3, np.float32))
    body = helper.make_graph([helper.make_node("Constant", [], ["b"], value=value)], "body", [], [out])
    branch = helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)
    assert count(model([branch])) == Nodes(all=3, work=1)


def test_a_request_that_kills_or_raises_is_told_and_the_next_is_served() -> None:
    import os
    import signal

    def handler(request: dict[str, object]) -> dict[str, object]:
        if request["do"] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        return {"answer": 1 // int(str(request["do"]))}

    assert serve(handler, {"do": "die"})["crash"] == "SIGKILL"
    assert "ZeroDivisionError" in serve(handler, {"do": "0"})["error"]
    assert serve(handler, {"do": "1"})["answer"] == 1


def test_weights_of_one_number_are_drawn_anew() -> None:
    shape = numpy_helper.from_array(np.array([3], np.int64), "shape")
    filled = helper.make_node(
        "ConstantOfShape", ["shape"], ["w"], value=helper.make_tensor("v", 1, [1], [0.02])
    )
    made = model([filled, helper.make_node("Add", ["x", "w"], ["y"])], initializer=[shape])
    assert reseed(made, np.random.default_rng(0)) == 1
    drawn = numpy_helper.to_array(made.graph.node[0].attribute[0].t)
    assert drawn.dtype == np.float32
    assert len(np.unique(drawn)) == 3
