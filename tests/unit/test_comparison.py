"""Two models beside each other: what is the same, what rounding explains, and what it does not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from burnish_cli.main import cli
from burnish_engine.errors import StalledError
from burnish_optimizer.comparison.compare import compare, signature_difference
from burnish_optimizer.comparison.figures import Figures, compare_values, merged
from burnish_optimizer.comparison.records import CompareTask, Comparison, Verdict
from burnish_optimizer.comparison.spread import bound_of, moved, nudged
from burnish_optimizer.errors import InvalidData, ReferenceFailed
from burnish_optimizer.ingest.model import read_source
from burnish_optimizer.ingest.samples import DataSpec
from support import optimizer_nets, rewrites

F32 = np.float32


def judged(tmp_path: Path, a: onnx.ModelProto, b: onnx.ModelProto, data: Path | None = None) -> Comparison:
    onnx.save(a, tmp_path / "a.onnx")
    onnx.save(b, tmp_path / "b.onnx")
    spec = DataSpec(path=str(data)) if data else None
    return compare(CompareTask(a=str(tmp_path / "a.onnx"), b=str(tmp_path / "b.onnx"), data=spec))


def changed(name: str, how: Callable[[Any], Any]) -> onnx.ModelProto:
    """`conv_net` with one constant changed."""
    model = optimizer_nets.conv_net()
    tensor = next(t for t in model.graph.initializer if t.name == name)
    tensor.CopyFrom(numpy_helper.from_array(np.asarray(how(numpy_helper.to_array(tensor)), F32), name))
    return model


def test_a_model_is_identical_to_itself_and_to_one_without_identities(tmp_path: Path) -> None:
    found = judged(tmp_path, optimizer_nets.conv_net(identities=3), optimizer_nets.conv_net(identities=1))
    assert found.verdict is Verdict.IDENTICAL
    assert (found.outputs[0].same_bytes, found.outputs[0].cosine, found.outputs[0].agreement) == (
        1.0,
        1.0,
        1.0,
    )
    assert (found.a.ops["Identity"], found.b.ops["Identity"]) == (3, 1)


def test_a_fused_activation_is_equal_within_rounding(tmp_path: Path) -> None:
    found = judged(tmp_path, rewrites.net(fused=False), rewrites.net(fused=True))
    assert found.verdict is Verdict.ROUNDING, found.reason
    assert 0 < found.outputs[0].of_bound <= 1


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("last_b", lambda w: w + 1e-3),
        ("conv_w", lambda w: w.astype(np.float16)),
        ("conv_w", lambda w: w * (1 + 3e-5)),
        ("last_w", lambda w: w[::-1]),
        ("hidden_b", lambda w: w * 0),
    ],
)
def test_what_rounding_does_not_explain_is_different(
    tmp_path: Path, name: str, how: Callable[[Any], Any]
) -> None:
    found = judged(tmp_path, optimizer_nets.conv_net(), changed(name, how))
    assert found.verdict is Verdict.DIFFERENT, found.reason
    assert found.outputs[0].of_bound > 1
    assert "scores" in found.reason


def test_nan_on_one_side_is_different(tmp_path: Path) -> None:
    found = judged(tmp_path, optimizer_nets.conv_net(), changed("last_b", lambda w: w * np.nan))
    assert found.verdict is Verdict.DIFFERENT
    assert found.outputs[0].non_finite > 0
    assert "NaN or infinite" in found.reason


def test_samples_are_tried_first(tmp_path: Path) -> None:
    data = optimizer_nets.save_samples(tmp_path / "data.npz", 3)
    found = judged(tmp_path, optimizer_nets.conv_net(), optimizer_nets.conv_net(), data)
    assert found.probes[:3] == ("sample 1", "sample 2", "sample 3")
    assert len(found.probes) > 3


def relu(
    name: str = "x", dims: tuple[object, ...] = ("N", 3), kind: int = TensorProto.FLOAT
) -> onnx.ModelProto:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Relu", [name], ["y"])], "g", [value(name, kind, dims)], [value("y", kind, dims)]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (relu("z"), "'x' only in the first"),
        (relu(dims=("N", 4)), "'y' float32[None, 3], float32[None, 4]"),
        (relu(dims=("N", 3, 1)), "'x' float32[None, 3], float32[None, 3, 1]"),
        (relu(kind=TensorProto.DOUBLE), "'x' float32[None, 3], float64[None, 3]"),
    ],
)
def test_other_signatures_are_different_without_a_run(
    tmp_path: Path, other: onnx.ModelProto, said: str
) -> None:
    found = judged(tmp_path, relu(), other)
    assert (found.verdict, found.outputs) == (Verdict.DIFFERENT, ())
    assert any(said in each for each in found.signature), found.signature


def test_names_and_sizes_of_free_dimensions_may_differ(tmp_path: Path) -> None:
    onnx.save(relu(), tmp_path / "a.onnx")
    onnx.save(relu(dims=("batch", 3)), tmp_path / "b.onnx")
    a, b = (read_source(tmp_path / name) for name in ("a.onnx", "b.onnx"))
    assert signature_difference(a, b) == ()


def test_inputs_that_only_the_first_takes_make_a_difference(tmp_path: Path) -> None:
    fixed = relu(dims=(1, 3))
    found = judged(tmp_path, relu(), fixed)
    assert (found.verdict, len(found.refused) > 0) == (Verdict.DIFFERENT, True)
    assert "refuses" in found.reason


def test_a_second_model_that_does_not_load_is_different(tmp_path: Path) -> None:
    model = relu()
    model.graph.node[0].op_type, model.graph.node[0].domain = "Nothing", "com.microsoft"
    model.opset_import.add(domain="com.microsoft", version=1)
    found = judged(tmp_path, relu(), model)
    assert (found.verdict, "does not load" in found.reason) == (Verdict.DIFFERENT, True)


def sequence(*order: str, name: str = "s") -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("SequenceConstruct", order, [name])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_sequence_value_info(name, TensorProto.FLOAT, None)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_sequences_are_judged_too(tmp_path: Path) -> None:
    assert judged(tmp_path, sequence("x", "r"), sequence("x", "r")).verdict is Verdict.IDENTICAL
    assert judged(tmp_path, sequence("x", "r"), sequence("r", "x")).verdict is Verdict.DIFFERENT
    assert judged(tmp_path, sequence("x"), sequence("x", name="t")).verdict is Verdict.DIFFERENT


def test_a_first_model_that_does_not_run_judges_nothing(tmp_path: Path) -> None:
    model = relu()
    model.graph.node[0].op_type, model.graph.node[0].domain = "Nothing", "com.microsoft"
    model.opset_import.add(domain="com.microsoft", version=1)
    with pytest.raises(ReferenceFailed, match="to judge the other by"):
        judged(tmp_path, model, relu())


def test_figures_of_two_arrays() -> None:
    a = np.array([[1.0, 2.0, 4.0], [0.0, -1.0, np.nan]], F32)
    b = np.array([[1.0, 2.5, 2.0], [-0.0, -1.0, np.nan]], F32)
    found = compare_values(a, b, np.full(a.shape, 4.0))
    assert (found.elements, found.same, found.non_finite) == (6, 3, 0)
    assert (found.max_absolute, found.max_relative, found.of_bound) == (2.0, 0.5, 0.5)
    assert found.agreement == 0.5


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.array([1.0], F32), np.array([np.nan], F32)),
        (np.array([np.inf], F32), np.array([-np.inf], F32)),
        (np.array([1.0], F32), np.array([1.0], np.float64)),
        (np.zeros((2, 1), F32), np.zeros((1, 2), F32)),
        (np.array([1, 2]), np.array([1, 3])),
        (np.array(["a"], object), np.array(["b"], object)),
        ([np.zeros(1)], [np.zeros(1), np.zeros(1)]),
    ],
)
def test_no_bound_excuses_these(a: Any, b: Any) -> None:
    allowed = np.full(np.shape(a), np.inf) if isinstance(a, np.ndarray) else None
    found = compare_values(a, b, allowed)
    assert found.of_bound > 1 or found.wrong
    assert compare_values(a, a, None).same == found.elements


def test_the_worst_of_all_probes_counts() -> None:
    found = merged([Figures(4, 4), Figures(2, 1, max_absolute=0.5, of_bound=0.1, cosine=0.9, agreement=0.5)])
    assert (found.elements, found.same, found.max_absolute, found.cosine) == (6, 5, 0.5, 0.9)
    assert merged([]).elements == 0


def test_constants_move_by_their_last_place_and_exact_numbers_do_not() -> None:
    rng = np.random.default_rng(1)
    array = np.array([0.1] * 50 + [0.0, 1.0, 0.5, -2.0, np.inf, np.nan, 65504.0], F32)
    found = nudged(array, rng)
    assert np.array_equal(found[50:], array[50:], equal_nan=True)
    assert set(np.unique(found[:50])) == {np.nextafter(F32(0.1), F32(n)) for n in (0, 1)} | {F32(0.1)}
    model = optimizer_nets.conv_net()
    other = moved(model, rng)
    pairs = zip(model.graph.initializer, other.graph.initializer, strict=True)
    assert all(a.raw_data != b.raw_data and a.dims == b.dims for a, b in pairs)


def test_the_bound_grows_with_what_rounding_does() -> None:
    answer = np.array([1.0, 100.0], F32)
    quiet = bound_of(answer, [answer], 2.0**-23)
    loud = bound_of(answer, [answer + F32(0.01), answer], 2.0**-23)
    assert np.all(quiet < 1e-4)
    assert np.all(loud >= 0.16 * 0.9)
    assert bound_of(np.zeros(0, F32), [np.zeros(0, F32)], 2.0**-23).shape == (0,)


def burnish(*arguments: object) -> Any:
    return CliRunner().invoke(cli, ["compare", *map(str, arguments)])


def test_the_command_ends_with_0_where_answers_are_equal_and_with_1_where_not(tmp_path: Path) -> None:
    optimizer_nets.save_net(tmp_path / "a.onnx")
    optimizer_nets.save_net(tmp_path / "b.onnx", identities=4)
    optimizer_nets.save_net(tmp_path / "c.onnx", seed=2)
    same = burnish(tmp_path / "a.onnx", tmp_path / "b.onnx", "--threads", 1)
    assert (same.exit_code, "identical bytes" in same.stdout, "Identity" in same.stdout) == (0, True, True)
    other = burnish(tmp_path / "a.onnx", tmp_path / "c.onnx", "--output", "json")
    assert (other.exit_code, json.loads(other.stdout)["verdict"]) == (1, "different")


def test_samples_that_are_none_are_told_in_full(tmp_path: Path) -> None:
    optimizer_nets.save_net(tmp_path / "a.onnx")
    (tmp_path / "data.csv").write_text("1,2")
    refused = burnish(tmp_path / "a.onnx", tmp_path / "a.onnx", "--data", tmp_path / "data.csv")
    assert isinstance(refused.exception, InvalidData)
    assert "data.csv" in str(refused.exception)


def test_what_is_no_model_is_told_in_full(tmp_path: Path) -> None:
    optimizer_nets.save_net(tmp_path / "a.onnx")
    (tmp_path / "b.onnx").write_bytes(b"<html>")
    refused = burnish(tmp_path / "a.onnx", tmp_path / "b.onnx")
    assert isinstance(refused.exception, StalledError)
    assert "HTML" in str(refused.exception)
