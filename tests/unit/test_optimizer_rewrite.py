"""What recipes build on: opsets raised, batch norms folded, ranges that cover every sample."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from burnish_engine.request import Backend
from burnish_optimizer.backends.onnxruntime_parts import segments
from burnish_optimizer.errors import Declined
from burnish_optimizer.precision.calibration.records import Method, Range
from burnish_optimizer.precision.int8 import build_dynamic, build_static
from burnish_optimizer.precision.prepared import float_tensors, prepared
from burnish_optimizer.precision.sensitivity import SensitivityTask, measure
from burnish_optimizer.rewrite.fused import save_fused
from burnish_optimizer.rewrite.opset import default_opset, drop_unused_domains, raise_opset
from burnish_optimizer.tasks import BuildTask
from support import optimizer_nets as nets


@pytest.mark.parametrize(("found", "expected"), [(11, 13), (13, 13), (17, 17)])
def test_old_opsets_are_raised_and_new_ones_left(found, expected):
    assert default_opset(raise_opset(nets.conv_net(opset=found))) == expected


def test_an_opset_that_cannot_be_raised_is_declined():
    model = nets.conv_net(opset=11)
    model.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(Declined, match="opset 11 cannot be raised to 13"):
        raise_opset(model)


def test_unused_domains_go_and_used_ones_stay():
    model = nets.conv_net()
    model.opset_import.extend([helper.make_opsetid("com.microsoft", 1), helper.make_opsetid("ai.onnx.ml", 3)])
    model.graph.node[1].domain = "com.microsoft"
    assert {o.domain for o in drop_unused_domains(model).opset_import} == {"", "com.microsoft"}


def test_a_saved_model_has_standard_operators_only(tmp_path):
    model = save_fused(nets.save_net(tmp_path / "net.onnx"), tmp_path / "fused.onnx")
    assert {node.domain for node in model.graph.node} == {""}
    assert "Identity" not in [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("count", [1, 9])
def test_ranges_cover_the_first_and_the_last_sample(tmp_path, count):
    rows = np.zeros((count, *nets.SHAPE), np.float32)
    rows[0, 0, 0, 0], rows[-1, 0, 0, 1] = -7.0, 9.0
    np.savez(tmp_path / "rows.npz", x=rows)
    own = task(tmp_path).model_copy(update={"calibration": nets.data(tmp_path / "rows.npz")})
    found = prepared(own)
    assert found.calibration.range("x", Method.MINMAX) == Range(-7.0, 9.0)
    assert found.calibration.samples == count
    again = prepared(own)
    assert again.model.stat().st_ino == found.model.stat().st_ino, "made once for a run"


@pytest.mark.parametrize("method", list(Method))
def test_nodes_that_are_kept_are_not_quantized_whatever_the_method(tmp_path, method):
    own = task(tmp_path)
    names = [node.name for node in onnx.load(prepared(own).model).graph.node if node.op_type == "Gemm"]
    settings = {"method": method.value, "ops": "weighted", "keep": json.dumps(names[:1])}
    built = build_static(own.model_copy(update={"settings": settings}))
    model = onnx.load(str(tmp_path / "candidate" / built.model))
    made = {output: node.op_type for node in model.graph.node for output in node.output}
    sources = {node.name: made.get(node.input[1], "") for node in model.graph.node if node.op_type == "Gemm"}
    assert sources == {names[0]: "", names[1]: "DequantizeLinear"}


def test_smoothing_comes_before_the_ranges_and_not_where_it_does_not_apply(tmp_path):
    own = task(tmp_path)
    plain = prepared(own)
    found = prepared(own.model_copy(update={"settings": {"smooth": "0.5"}}))
    assert found.model != plain.model
    assert set(float_tensors(onnx.load(found.model))) == set(found.calibration.histograms)
    x = np.random.default_rng(0).normal(0, 1, (2, *nets.SHAPE)).astype(np.float32)
    runs = [onnxruntime.InferenceSession(str(p.model)).run(None, {"x": x})[0] for p in (plain, found)]
    np.testing.assert_allclose(*runs, rtol=1e-4, atol=1e-5)
    built = build_static(own.model_copy(update={"settings": {"smooth": "0.5", "ops": "weighted"}}))
    assert (tmp_path / "candidate" / built.model).is_file()


def test_rows_of_nodes_are_the_whole_graph_once(tmp_path):
    model = onnx.load(prepared(task(tmp_path)).model)
    found = segments(model)
    assert [name for row in found for name in row] == [node.name for node in model.graph.node]
    assert len(found) == 3


def test_parts_of_a_quantized_model_are_measured(tmp_path):
    own = task(tmp_path).model_copy(update={"run": "burnish_optimizer.precision.int8:build_static"})
    told = "burnish_optimizer.backends.onnxruntime_parts:parts"
    found = measure(SensitivityTask(build=own, backend=Backend.ONNXRUNTIME, parts=told, samples=3))
    assert len(found.found) == 3
    assert 0 < found.loss < 0.1
    assert all(0 < one.loss < 0.1 for one in found.found)


def task(tmp_path, *, opset=17, calibrated=True):
    folder = tmp_path / "candidate"
    folder.mkdir()
    calibration = nets.data(nets.save_samples(tmp_path / "set.npz")) if calibrated else None
    return BuildTask(
        run="",
        model=str(nets.save_net(tmp_path / "net.onnx", opset=opset)),
        folder=str(folder),
        shared=str(tmp_path / "shared"),
        inputs=(nets.INPUT,),
        calibration=calibration,
        threads=1,
        facts={"arch": "x86_64", "features": "AVX512VNNI"},
    )


@pytest.mark.parametrize("opset", [11, 17])
def test_static_int8_is_a_valid_graph_with_scales_per_channel(tmp_path, opset):
    built = build_static(task(tmp_path, opset=opset))
    files = [path.name for path in (tmp_path / "candidate").iterdir()]
    assert files == [built.model]
    model = onnx.load(str(tmp_path / "candidate" / built.model))
    onnx.checker.check_model(model)
    assert any(
        attribute.name == "axis"
        for node in model.graph.node
        if node.op_type == "DequantizeLinear"
        for attribute in node.attribute
    )


def test_static_int8_without_samples_is_declined(tmp_path):
    with pytest.raises(Declined, match="calibration"):
        build_static(task(tmp_path, calibrated=False))


def test_dynamic_int8_shrinks_the_weights(tmp_path):
    given = task(tmp_path, calibrated=False)
    built = build_dynamic(given)
    path = tmp_path / "candidate" / built.model
    assert path.stat().st_size < (tmp_path / "net.onnx").stat().st_size / 1.5
