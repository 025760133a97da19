"""A model in numbers: arithmetic, memory, shapes and kernels, counted by hand beside what is told."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from burnish_cli.inspect import _model_facts, render
from burnish_cli.main import cli
from burnish_cli.output import console
from burnish_cli.parse import InputShape
from burnish_engine.errors import StalledError
from burnish_optimizer.errors import InvalidJob, InvalidSource
from burnish_optimizer.inspection.arithmetic import arithmetic
from burnish_optimizer.inspection.coverage import coverage
from burnish_optimizer.inspection.flops import flops
from burnish_optimizer.inspection.inspect import inspect_model
from burnish_optimizer.inspection.liveness import memory
from burnish_optimizer.inspection.records import InspectTask
from burnish_optimizer.inspection.shapes import infer, with_input_shapes
from burnish_optimizer.targets.kernels import TARGETS
from support import optimizer_nets, rewrites

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
Dims = list[int | str | None]


def model_of(
    nodes: list[onnx.NodeProto], inputs: dict[str, Dims], outputs: dict[str, Dims], **weights: Any
) -> onnx.ModelProto:
    """A model of floats; `weights` by name."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(name, FLOAT, dims) for name, dims in inputs.items()],
        [helper.make_tensor_value_info(name, FLOAT, dims) for name, dims in outputs.items()],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )
    domains = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=domains, ir_version=10)


def flops_of(op: str, inputs: list[Dims], output: Dims, **attributes: Any) -> int | None:
    """Operations of one node with these shapes."""
    names = [f"x{i}" for i in range(len(inputs))]
    node = helper.make_node(op, names, ["y"], **attributes)
    model = ir.from_proto(model_of([node], dict(zip(names, inputs, strict=True)), {"y": output}))
    return flops(model.graph[0])


def floats(*dims: int) -> Any:
    return np.ones(dims, np.float32)


@pytest.mark.parametrize(
    ("op", "inputs", "output", "attributes", "expected"),
    [
        ("Conv", [[1, 4, 8, 8], [6, 2, 3, 3]], [1, 6, 8, 8], {"group": 2}, 2 * 6 * 64 * 2 * 9),
        ("ConvTranspose", [[1, 4, 5, 5], [4, 3, 2, 2]], [1, 3, 10, 10], {}, 2 * 4 * 25 * 3 * 4),
        ("Gemm", [[5, 7], [7, 3]], [5, 3], {}, 2 * 5 * 7 * 3),
        ("Gemm", [[7, 5], [7, 3]], [5, 3], {"transA": 1}, 2 * 5 * 7 * 3),
        ("MatMul", [[2, 5, 7], [7, 3]], [2, 5, 3], {}, 2 * 2 * 5 * 7 * 3),
        ("Einsum", [[2, 3], [3, 4]], [2, 4], {"equation": "ij, jk -> ik"}, 2 * 2 * 3 * 4),
        ("LSTM", [[6, 2, 8], [1, 16, 8], [1, 16, 4]], [6, 1, 2, 4], {}, 2 * 4 * 4 * (8 + 4) * 12),
        ("GRU", [[6, 2, 8], [2, 12, 8], [2, 12, 4]], [6, 2, 2, 4], {}, 2 * 3 * 4 * (8 + 4) * 12 * 2),
        ("MultiHeadAttention", [[1, 5, 8], [1, 9, 8]], [1, 5, 8], {"domain": "com.microsoft"}, 4 * 5 * 9 * 8),
        (
            "Attention",
            [[1, 5, 8], [8, 24]],
            [1, 5, 8],
            {"domain": "com.microsoft"},
            2 * 5 * 8 * 24 + 4 * 25 * 8,
        ),
        ("MaxPool", [[1, 2, 8, 8]], [1, 2, 4, 4], {"kernel_shape": [2, 2]}, 4 * 32),
        ("GlobalAveragePool", [[1, 2, 8, 8]], [1, 2, 1, 1], {}, 128),
        ("Softmax", [[2, 3]], [2, 3], {}, 30),
        ("Add", [[2, 3], [3]], [2, 3], {}, 6),
        ("Add", [[2, 3], [3]], ["N", 3], {}, None),
        ("Conv", [["N", 4, 8, 8], [6, 4, 3, 3]], ["N", 6, 8, 8], {}, None),
        ("Transpose", [[2, "N"]], ["N", 2], {}, 0),
    ],
)
def test_operations_of_a_node(
    op: str, inputs: list[Dims], output: Dims, attributes: dict[str, Any], expected: int | None
) -> None:
    assert flops_of(op, inputs, output, **attributes) == expected


def test_operations_of_the_longer_branch_and_of_every_trip_count() -> None:
    def branch(name: str, count: int) -> onnx.GraphProto:
        names = ["x", *(f"{name}{i}" for i in range(count))]
        nodes = [helper.make_node("Relu", [a], [b]) for a, b in pairwise(names)]
        return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(names[-1], FLOAT, [4])])

    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Relu", ["c"], ["d"])],
        "body",
        [
            helper.make_tensor_value_info(n, t, d)
            for n, t, d in (("i", INT64, []), ("go", BOOL, []), ("c", FLOAT, [4]))
        ],
        [helper.make_tensor_value_info(n, t, d) for n, t, d in (("on", BOOL, []), ("d", FLOAT, [4]))],
    )
    nodes = [
        helper.make_node("If", ["yes"], ["p"], then_branch=branch("t", 3), else_branch=branch("e", 1)),
        helper.make_node("Loop", ["trips", "yes", "p"], ["y"], body=body),
    ]
    model = model_of(nodes, {"x": [4]}, {"y": [4]}, yes=np.array(True), trips=np.array(5))
    found, notes = arithmetic(ir.from_proto(infer(model)))
    assert (found.flops, found.unknown) == (3 * 4 + 5 * 4, {})
    assert any("If" in note for note in notes)


def test_the_peak_counts_what_is_alive_at_once() -> None:
    # x (400 B) → a → b, and a is read again by the last node: x, a | a, b | a, b, y.
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Neg", ["a"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    found = memory(ir.from_proto(infer(model_of(nodes, {"x": [100]}, {"y": [100]}))))
    assert (found.peak_activation_bytes, found.peak_at, found.unknown) == (1200, "Add y", 0)
    chain = [helper.make_node("Relu", [a], [b]) for a, b in pairwise("xaby")]
    assert (
        memory(ir.from_proto(infer(model_of(chain, {"x": [100]}, {"y": [100]})))).peak_activation_bytes == 800
    )


def test_values_without_a_size_are_told_and_not_guessed() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    assert memory(ir.from_proto(model_of(nodes, {"x": ["N"]}, {"y": ["N"]}))).unknown == 2


def test_weights_count_once_whatever_the_branch() -> None:
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    found = memory(ir.from_proto(model_of(nodes, {"x": [100]}, {"y": [100]}, w=floats(100))))
    assert (found.weights_bytes, found.peak_activation_bytes) == (400, 800)


def test_one_name_is_one_size_and_nameless_dimensions_are_free() -> None:
    model = model_of([], {"a": ["N", "?", -1, 3], "b": ["N", "?"]}, {})
    made = with_input_shapes(model, {"a": (2, 5, 6, 3)})
    dims = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in made.graph.input}
    assert dims == {"a": [2, 5, 6, 3], "b": [2, 0]}


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ({"c": (1,)}, "no input of this name"),
        ({"a": (1, 2)}, "2 dimensions"),
        ({"a": (1, 4)} | {"b": (2, 1)}, "found 2 dimensions"),
        ({"a": (1, 1, 1, 4)}, "size 4 at axis 3"),
        ({"a": (2, 1, 1, 3), "b": (3, 1)}, "size 3 at axis 0"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shapes: dict[str, tuple[int, ...]], said: str) -> None:
    with pytest.raises(InvalidJob, match=said):
        with_input_shapes(model_of([], {"a": ["N", "?", -1, 3], "b": ["N", "?"]}, {}), shapes)


def test_kernels_by_target_and_element_type() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("HardSwish", ["a"], ["b"]),
        helper.make_node("BiasGelu", ["b", "w"], ["c"], domain="com.microsoft"),
        helper.make_node("Nothing", ["c"], ["y"], domain="com.example"),
    ]
    found = coverage(ir.from_proto(infer(model_of(nodes, {"x": [4]}, {"y": [4]}, w=floats(4)))), TARGETS)
    assert found["onnxruntime-cpu"].missing == {"com.example::Nothing (float)": 1}
    assert found["portable"].missing.keys() == {
        "com.microsoft::BiasGelu (float)",
        "com.example::Nothing (float)",
    }
    for each in found.values():
        assert each.covered + sum(each.missing.values()) + sum(each.composed.values()) == 4


def reshaping() -> onnx.ModelProto:
    """Shape inference stops at a computed Reshape: only a run tells what follows."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("ReduceProd", ["s"], ["n"], keepdims=1),
        helper.make_node("Abs", ["n"], ["m"]),
        helper.make_node("Reshape", ["x", "m"], ["flat"]),
        helper.make_node("If", ["yes"], ["y"], then_branch=_branch("Relu"), else_branch=_branch("Erf")),
    ]
    return model_of(nodes, {"x": ["N", 6]}, {"y": [None]}, yes=np.array(True))


def _branch(op: str) -> onnx.GraphProto:
    node = helper.make_node(op, ["flat"], [f"{op}_out"])
    return helper.make_graph([node], op, [], [helper.make_tensor_value_info(f"{op}_out", FLOAT, [None])])


def test_a_run_tells_what_inference_cannot(tmp_path: Path) -> None:
    onnx.save(reshaping(), tmp_path / "net.onnx")
    found = inspect_model(InspectTask(model=str(tmp_path / "net.onnx"), shapes={"x": (4, 6)}))
    assert found.shapes == {"x": (4, 6)}
    assert (found.arithmetic.by_op["Relu"], found.arithmetic.unknown) == (24, {})
    assert "Erf" not in found.arithmetic.by_op
    assert (found.ops["Erf"], found.subgraphs, found.memory.unknown) == (1, 2, 0)
    assert found.dynamic == {"N": ("x axis 0",), "?": ("y axis 0",)}
    assert "of each If the branch that these inputs take is counted" in found.notes


def test_a_model_that_does_not_run_is_told_as_far_as_its_file_goes(tmp_path: Path) -> None:
    nodes = [helper.make_node("Nothing", ["x"], ["y"], domain="com.microsoft")]
    onnx.save(model_of(nodes, {"x": ["N"]}, {"y": ["N"]}), tmp_path / "net.onnx")
    found = inspect_model(InspectTask(model=str(tmp_path / "net.onnx")))
    assert (found.shapes, found.nodes) == ({}, 1)
    assert "no shapes beyond those that the file tells" in found.notes[0]


def inspect(*arguments: object) -> Any:
    return CliRunner().invoke(cli, ["inspect", *map(str, arguments)])


def test_the_command_tells_a_model_in_a_process_of_its_own(tmp_path: Path) -> None:
    optimizer_nets.save_net(tmp_path / "net.onnx")
    result = inspect(tmp_path / "net.onnx", "--shape", "x=2x3x16x16", "--output", "json")
    said = json.loads(result.stdout)
    assert said["shapes"] == {"x": [2, 3, 16, 16]}
    assert said["arithmetic"]["by_op"]["Conv"] == 2 * 2 * 8 * 256 * 27
    assert said["arithmetic"]["by_op"]["Gemm"] == 2 * 2 * (8 * 512 + 512 * 4)
    assert said["parameters_by_type"] == {"FLOAT": said["parameters"]}


def test_the_table_has_all_of_it(tmp_path: Path) -> None:
    facts = _model_facts(optimizer_nets.save_net(tmp_path / "net [x].onnx"), {}, None)
    target = console()
    with target.capture() as captured:
        target.print(render(facts))
    text = captured.get()
    for word in (
        "net [x].onnx",
        "IR 8, ai.onnx 17",
        "N: x axis 0, scores axis 0",
        "FLOPs",
        "onnxruntime-cpu",
        "Conv",
    ):
        assert word in text, word


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"not a model at all", "no ONNX model"),
        (b"", "an empty file"),
        (b"PK\x03\x04", "zip archive"),
        (None, "truncated"),
    ],
)
def test_what_is_no_model_is_refused_with_what_it_is(
    tmp_path: Path, content: bytes | None, found: str
) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(rewrites.net(fused=True).SerializeToString()[:-30] if content is None else content)
    refused = inspect(path)
    assert isinstance(refused.exception, StalledError)
    assert found in str(refused.exception)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    refused = inspect(tmp_path)
    assert isinstance(refused.exception, InvalidSource)
    assert "no .onnx file" in str(refused.exception)


def test_a_shape_that_does_not_fit_is_told_in_full(tmp_path: Path) -> None:
    optimizer_nets.save_net(tmp_path / "net.onnx")
    refused = inspect(tmp_path / "net.onnx", "--shape", "z=1")
    assert isinstance(refused.exception, InvalidJob)
    assert "shape of input 'z'" in str(refused.exception)


def test_shapes_on_the_command_line() -> None:
    convert = InputShape().convert
    assert convert("x=1x3x224x224", None, None) == ("x", (1, 3, 224, 224))
    assert convert("a=b=2", None, None) == ("a=b", (2,))
    assert convert("sr=", None, None) == ("sr", ())
    for wrong in ("x", "=1", "x=1xN", "x=1x", "x=-1"):
        refused = inspect("m.onnx", "--shape", wrong)
        assert (refused.exit_code, "expected an input and its sizes" in refused.stderr) == (2, True), wrong
