"""What users hand over that is no model, or a trap: refused by name, or copied as it is, never obeyed.

`tests/unit/test_optimizer_bad_models.py` has the checks of reading one by one; here the whole of
`rewrite_file` meets them, its worker process and its limits included.
"""

import resource

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from burnish_optimizer.errors import InvalidSource, UnsafeSource, UnsupportedOpset
from burnish_optimizer.job import Limits
from burnish_optimizer.rewriting import RewriteJob, rewrite_file
from support.optimizer_nets import conv_net

LIMITS = Limits(seconds=120, memory_bytes=3 << 30)


def rewritten(tmp_path, name="in/net.onnx"):
    (tmp_path / "out").mkdir(exist_ok=True)
    job = RewriteJob(tmp_path / name, tmp_path / "out" / "net.onnx", tmp_path / "work", limits=LIMITS)
    return rewrite_file(job)


def written(tmp_path, model):
    (tmp_path / "in").mkdir(exist_ok=True)
    data = model if isinstance(model, bytes) else model.SerializeToString()
    (tmp_path / "in/net.onnx").write_bytes(data)
    return data


def text(signature, body, opset=17, imports=""):
    return onnx.parser.parse_model(
        f'<ir_version: 9, opset_import: ["" : {opset}{imports}]> g {signature} {{ {body} }}'
    )


ROW = "(float[N,4] x) => (float[N,4] y)"


def external(location, size=64):
    """x + w, with 16 numbers of w in another file."""
    model = text("(float[N,16] x) => (float[N,16] y)", "y = Add(x, w)")
    tensor = TensorProto(name="w", data_type=1, dims=[16], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, "length": str(size)}.items():
        tensor.external_data.add(key=key, value=value)
    model.graph.initializer.append(tensor)
    return model


WHOLE = conv_net().SerializeToString()
REFUSED = {
    "empty": (b"", InvalidSource, "an empty file"),
    "no model": (b"hello world, I am no model", InvalidSource, "no ONNX model|no graph"),
    "truncated": (WHOLE[: len(WHOLE) // 2], InvalidSource, "truncated"),
    "cyclic": (text(ROW, "a = Add(x, y) y = Neg(a)"), InvalidSource, "topologically sorted"),
    "undefined": (text(ROW, "y = Add(x, nowhere)"), InvalidSource, "'nowhere'"),
    "twice": (text(ROW, "y = Neg(x) y = Abs(x)"), InvalidSource, "'y' has been used"),
    "too new": (text(ROW, "y = Neg(x)", opset=1000), UnsupportedOpset, "found opset 1000"),
    "no data": (external("weights.bin"), InvalidSource, r"no file 'weights\.bin'"),
    "up": (external("../secret"), UnsafeSource, "inside the model's folder"),
    "absolute": (external("/etc/passwd"), UnsafeSource, "inside the model's folder"),
    "no capture": (
        text(
            "(float[N,4] x, bool c) => (float[N,4] y)",
            "y = If (c) <then_branch = t () => (float[N,4] a) { a = Neg(missing) },"
            " else_branch = e () => (float[N,4] b) { b = Neg(x) }>",
        ),
        InvalidSource,
        "'missing'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_model_is_refused_and_nothing_is_written(tmp_path, name):
    model, error, message = REFUSED[name]
    written(tmp_path, model)
    (tmp_path / "secret").write_bytes(b"\0" * 64)
    with pytest.raises(error, match=message):
        rewritten(tmp_path)
    assert not (tmp_path / "out/net.onnx").exists()


@pytest.mark.parametrize("size", [0, 63])
def test_external_data_that_end_early_are_refused(tmp_path, size):
    written(tmp_path, external("w.bin"))
    (tmp_path / "in/w.bin").write_bytes(b"\0" * size)
    with pytest.raises(InvalidSource, match=f"w.bin of {size} bytes, expected at least 64"):
        rewritten(tmp_path)


def test_external_data_behind_a_link_that_leads_out_are_refused(tmp_path):
    written(tmp_path, external("w.bin"))
    (tmp_path / "secret").write_bytes(b"\0" * 64)
    (tmp_path / "in/w.bin").symlink_to(tmp_path / "secret")
    with pytest.raises(UnsafeSource, match="inside the model's folder"):
        rewritten(tmp_path)


def test_operators_that_nobody_knows_stay_as_they_are_and_are_named(tmp_path):
    source = written(tmp_path, text(ROW, "a = Identity(x) y = bar.Foo(a)", imports=', "bar" : 1'))
    done = rewritten(tmp_path)
    assert not done.changed
    assert "Foo" in done.report.unproven
    assert (tmp_path / "out/net.onnx").read_bytes() == source


def test_an_operator_set_that_nobody_knows_and_nothing_uses_is_no_hindrance(tmp_path):
    written(tmp_path, text(ROW, "a = Identity(x) b = Identity(a) y = Neg(b)", imports=', "Paddle" : 1'))
    done = rewritten(tmp_path)
    assert done.changed
    assert done.report.after.nodes == 1


# Each of them makes 10^12 numbers, out of a few bytes.
BOMBS = {
    "filled": "b = ConstantOfShape(huge)",
    "repeated": "b = Tile(one, huge)",
    "spread": "b = Expand(one, huge)",
    "counted": "b = Range(zero, many, step)",
    "padded": "b = Pad(one, sides)",
}
CONSTANTS = {
    "huge": np.array([10**12], np.int64),
    "one": np.array([1], np.float32),
    "zero": np.float32(0),
    "many": np.float32(1e12),
    "step": np.float32(1),
    "sides": np.array([10**12, 0], np.int64),
    "no": np.bool_(False),
}


def bomb(body, *, lit):
    """A model that makes 10^12 numbers; where it is not lit, in a branch that no run takes."""
    total = f"{body} s = ReduceSum<keepdims = 0>(b)"
    if lit:
        model = text(ROW, f"{total} y = Add(x, s)")
    else:
        branch = f"then_branch = t () => (float[N,4] p) {{ {total} p = Add(x, s) }}"
        model = text(
            "(float[N,4] x, bool c) => (float[N,4] y, float[N,4] z)",
            f"y = If (no) <{branch}, else_branch = e () => (float[N,4] q) {{ q = Neg(x) }}>"
            " go = And(c, no)"
            f" z = If (go) <{branch.replace('= t', '= v')},"
            " else_branch = w () => (float[N,4] r) { r = Abs(x) }>",
        )
    model.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in CONSTANTS.items())
    return model


@pytest.mark.parametrize("name", BOMBS)
def test_a_model_that_needs_terabytes_is_told_from_one_that_runs(tmp_path, name):
    source = written(tmp_path, bomb(BOMBS[name], lit=True))
    done = rewritten(tmp_path)
    assert done.report.unproven
    assert (tmp_path / "out/net.onnx").read_bytes() == source


@pytest.mark.parametrize("name", BOMBS)
def test_what_no_run_computes_folding_does_not_compute_either(tmp_path, name):
    written(tmp_path, bomb(BOMBS[name], lit=False))
    done = rewritten(tmp_path)
    assert not done.report.unproven
    assert not any("process died" in report.reason for report in done.report.passes)
    assert (done.report.peak_memory_bytes or 0) < 2 << 30


def test_constants_that_double_again_and_again_are_not_folded(tmp_path):
    """2^40 numbers in 40 nodes, behind a condition that is never true."""
    doubles = " ".join(f"d{i + 1} = Concat<axis = 0>(d{i}, d{i})" for i in range(40))
    body = BOMBS["filled"].replace("huge", "step1")
    model = bomb(
        f"{body} d0 = Identity(b) {doubles} s0 = ReduceMax(d40)".replace("step1", "single"), lit=False
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "single"))
    written(tmp_path, model)
    done = rewritten(tmp_path)
    assert (done.report.peak_memory_bytes or 0) < 2 << 30
    assert (tmp_path / "out/net.onnx").stat().st_size < 1 << 20


@pytest.mark.parametrize(
    "shape",
    [["N", 10**6, 10**6], [10**6, 10**6], [1 << 40], ["N"] * 8],
    ids=["free", "fixed", "flat", "deep"],
)
def test_inputs_of_any_declared_size_take_no_memory_to_try(tmp_path, shape):
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", info[:1], info[1:])
    written(tmp_path, helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9))
    done = rewritten(tmp_path)
    assert (done.report.peak_memory_bytes or 0) < 2 << 30


def test_declared_sizes_of_inner_values_are_not_believed(tmp_path):
    model = text(ROW, "a = Identity(x) b = Identity(a) y = Neg(b)")
    model.graph.value_info.append(helper.make_tensor_value_info("a", TensorProto.FLOAT, [10**9, 10**9]))
    written(tmp_path, model)
    done = rewritten(tmp_path)
    assert (done.report.peak_memory_bytes or 0) < 2 << 30
    found = onnx.load(str(tmp_path / "out/net.onnx"))
    assert [d.dim_value for d in found.graph.output[0].type.tensor_type.shape.dim] == [0, 4]


def test_subgraphs_in_subgraphs_are_rewritten_to_the_depth_that_files_can_have(tmp_path):
    """28 levels of If: recursion is bounded by what protobuf reads."""
    inner = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["m"]), helper.make_node("Neg", ["m"], ["o0"])],
        "g0",
        [],
        [helper.make_tensor_value_info("o0", TensorProto.FLOAT, ["N", 4])],
    )
    for level in range(1, 28):
        out = [helper.make_tensor_value_info(f"o{level}", TensorProto.FLOAT, ["N", 4])]
        other = helper.make_tensor_value_info(f"e{level}", TensorProto.FLOAT, ["N", 4])
        flat = helper.make_graph([helper.make_node("Abs", ["x"], [f"e{level}"])], f"f{level}", [], [other])
        choice = helper.make_node("If", ["c"], [f"o{level}"], then_branch=inner, else_branch=flat)
        inner = helper.make_graph([choice], f"g{level}", [], out)
    model = text("(float[N,4] x, bool c) => (float[N,4] y)", "y = Identity(x)")
    del model.graph.node[:]
    flat = helper.make_graph(
        [helper.make_node("Abs", ["x"], ["last"])],
        "last",
        [],
        [helper.make_tensor_value_info("last", TensorProto.FLOAT, ["N", 4])],
    )
    model.graph.node.append(helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=flat))
    written(tmp_path, model)
    done = rewritten(tmp_path)
    assert not done.report.unproven
    assert done.report.after.nodes < done.report.before.nodes


def test_this_process_takes_no_more_memory_than_the_file(tmp_path):
    """All of it happens in the worker: the caller, who may be a server, stays small."""
    written(tmp_path, conv_net())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rewritten(tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10
