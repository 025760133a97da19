"""What rewriting takes that serving does not: sequences, float8, operator sets of long ago."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, ValueInfoProto, helper, numpy_helper

from burnish_bench.large import BLOCK_ROWS, DATA, heavy
from burnish_optimizer.errors import InvalidData, InvalidSource, UnsupportedOpset
from burnish_optimizer.ingest.model import read_source
from burnish_optimizer.rewriting import RewriteJob, rewrite_file


def saved(path: Path, info: ValueInfoProto, opset: int = 21) -> Path:
    out = helper.make_value_info("y", info.type)
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [info], [out])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.save(made, path)
    return path


def sequence() -> ValueInfoProto:
    return helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, [2])


@pytest.mark.parametrize(
    "info",
    [sequence(), helper.make_tensor_value_info("x", TensorProto.FLOAT8E5M2, [2])],
    ids=["sequence", "float8"],
)
def test_types_that_no_request_carries_are_for_rewriting_alone(tmp_path: Path, info: ValueInfoProto) -> None:
    path = saved(tmp_path / "m.onnx", info)
    with pytest.raises(InvalidSource, match="expected"):
        read_source(path)
    assert read_source(path, served=False).inputs == ()


def test_an_old_operator_set_comes_back_unchanged_with_the_reason(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.onnx", helper.make_tensor_value_info("x", TensorProto.FLOAT, [2]), opset=6)
    with pytest.raises(UnsupportedOpset):
        read_source(path)
    output = tmp_path / "out.onnx"
    done = rewrite_file(RewriteJob(path, output, tmp_path / "work"))
    assert "opset 6" in done.report.unproven
    assert not done.changed
    assert output.read_bytes() == path.read_bytes()


def test_weights_that_lie_in_files_are_rewritten_and_proved_from_there(tmp_path: Path) -> None:
    """They are linked, not copied; gates read them as well as kernels do."""
    source = tmp_path / "source"
    path = heavy(source, layers=2, width=BLOCK_ROWS)
    digest = (source / DATA).read_bytes()
    done = rewrite_file(RewriteJob(path, tmp_path / "out.onnx", tmp_path / "work", target="onnxruntime-cpu"))
    assert done.changed
    assert [r.evidence for p in done.report.passes for r in p.rolled_back] == []
    assert done.report.after.nodes < done.report.before.nodes
    assert (source / DATA).read_bytes() == digest
    assert (source / DATA).stat().st_nlink == 1


def test_weights_that_are_inputs_too_do_not_keep_a_model_from_proof(tmp_path: Path) -> None:
    """Before IR version 4 they had to be; nobody feeds them."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [6])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3])
    to = numpy_helper.from_array(np.array([2, 3], np.int64), "to")
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Identity", ["to"], ["b"]),
        helper.make_node("Reshape", ["a", "b"], ["c"]),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    given = helper.make_tensor_value_info("to", TensorProto.INT64, [2])
    graph = helper.make_graph(nodes, "g", [x, given], [y], [to])
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)], ir_version=3), path)
    done = rewrite_file(RewriteJob(path, tmp_path / "out.onnx", tmp_path / "work"))
    assert done.changed
    assert [p.reason for p in done.report.passes if p.reason.startswith("rolled back")] == []


def with_training_info(model: onnx.ModelProto) -> None:
    model.training_info.add().algorithm.name = "step"


def with_sparse_weights(model: onnx.ModelProto) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "w")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "w_indices")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [2]))
    model.graph.node[0].CopyFrom(helper.make_node("Add", ["x", "w"], ["y"]))


@pytest.mark.parametrize(
    ("given", "told"),
    [(with_training_info, "training_info"), (with_sparse_weights, "sparse initializers")],
)
def test_what_a_rewritten_model_would_lose_keeps_it_as_it_is(
    tmp_path: Path, given: Callable[[onnx.ModelProto], None], told: str
) -> None:
    path = saved(tmp_path / "m.onnx", helper.make_tensor_value_info("x", TensorProto.FLOAT, [2]))
    model = onnx.load(path)
    given(model)
    onnx.save(model, path)
    done = rewrite_file(RewriteJob(path, tmp_path / "out.onnx", tmp_path / "work"))
    assert told in done.report.unproven
    assert (tmp_path / "out.onnx").read_bytes() == path.read_bytes()


def test_small_weights_of_a_file_of_their_own_leave_no_empty_file(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.onnx", helper.make_tensor_value_info("x", TensorProto.FLOAT, [2]))
    model = onnx.load(path)
    weight = numpy_helper.from_array(np.array([1, 2], np.float32), "w")
    model.graph.initializer.append(weight)
    model.graph.node[0].CopyFrom(helper.make_node("Add", ["x", "w"], ["s"]))
    model.graph.node.append(helper.make_node("Identity", ["s"], ["y"]))
    onnx.save(model, path, save_as_external_data=True, location="m.weights", size_threshold=0)
    output = tmp_path / "out" / "m.onnx"
    output.parent.mkdir()
    assert rewrite_file(RewriteJob(path, output, tmp_path / "work")).changed
    assert list(output.parent.iterdir()) == [output]
    assert [w.name for w in onnx.load(output).graph.initializer] == ["w"]


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.ones((3, 2), np.float64), r"float64 \[2\]"),
        (np.ones((3, 5), np.float32), r"float32 \[5\]"),
    ],
)
def test_samples_that_the_model_cannot_take_are_refused_by_name(
    tmp_path: Path, array: np.ndarray, found: str
) -> None:
    path = saved(tmp_path / "m.onnx", helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2]))
    np.savez(tmp_path / "data.npz", x=array)
    job = RewriteJob(path, tmp_path / "out.onnx", tmp_path / "work", data=tmp_path / "data.npz")
    with pytest.raises(InvalidData, match=rf"input 'x'.*{found}.*float32 \[1, 2\]"):
        rewrite_file(job)


def test_a_name_that_says_text_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.onnx", helper.make_tensor_value_info("x", TensorProto.FLOAT, [2]))
    with pytest.raises(InvalidSource, match=r"ending in \.json"):
        read_source(path.rename(tmp_path / "m.json"))


def test_a_path_with_nothing_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidSource, match="nothing there"):
        read_source(tmp_path / "none.onnx")
