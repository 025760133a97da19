"""Candidates for OpenVINO: layers that keep FP32, layers given back from INT8, shapes compiled for alone."""

import json

import numpy as np
import openvino
import pytest

from burnish_engine.descriptor import RunOptions
from burnish_engine.request import Backend
from burnish_optimizer.backends import openvino as plain
from burnish_optimizer.backends import openvino_nncf as nncf
from burnish_optimizer.backends.openvino_ir import layers, segments
from burnish_optimizer.errors import Declined
from burnish_optimizer.ingest.common_shapes import common_shapes
from burnish_optimizer.precision.sensitivity import SensitivityTask, measure, noise
from burnish_optimizer.targets.fingerprint import fingerprint
from burnish_optimizer.tasks import BuildTask
from burnish_runtime import openvino_backend
from burnish_runtime.errors import InvalidOptions
from support import optimizer_nets as nets

# What is built for another processor than this one may saturate here.
FACTS = fingerprint()
PARTS = "burnish_optimizer.backends.openvino_parts:parts"
ROWS = np.random.default_rng(3).normal(0, 1, (2, *nets.SHAPE)).astype(np.float32)
HINT = "INFERENCE_PRECISION_HINT"


def task(folder, *, run="burnish_optimizer.backends.openvino:build", hint="f32", **settings):
    for name in ("candidate", "shared"):
        (folder / name).mkdir(exist_ok=True)
    data = nets.data(nets.save_samples(folder / "set.npz"))
    return BuildTask(
        run=run,
        model=str(nets.save_net(folder / "net.onnx")),
        folder=str(folder / "candidate"),
        shared=str(folder / "shared"),
        inputs=(nets.INPUT,),
        calibration=data,
        judged=data,
        threads=1,
        facts=FACTS,
        settings=settings,
        options=RunOptions(threads=1, properties={HINT: hint}),
    )


def answers(folder, options=None):
    options = options or RunOptions(threads=1)
    session = openvino_backend.open_session(folder / "candidate" / "model.xml", options)
    return session.run({"x": ROWS})["scores"]


def weighted(folder):
    found = layers(folder / "candidate" / "model.xml")
    return [layer.name for layer in found if layer.kind in ("Convolution", "MatMul")]


def test_marked_layers_are_computed_in_fp32_and_no_others(tmp_path):
    plain.build(task(tmp_path))
    kept = weighted(tmp_path)[:1]
    plain.build(task(tmp_path, keep=json.dumps(kept)))
    compiled = openvino.Core().compile_model(str(tmp_path / "candidate" / "model.xml"), "CPU", {HINT: "bf16"})
    info = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    precisions = {
        str(i["originalLayersNames"].astype(str)).split(",", 1)[0]: i["runtimePrecision"].astype(str)
        for i in info
        if i["layerType"].astype(str) in ("Convolution", "FullyConnected")
    }
    if "bf16" not in precisions.values():
        pytest.skip("this processor does not compute in BF16")
    assert precisions[kept[0]] == "f32"
    assert [p for name, p in precisions.items() if name != kept[0]] == ["bf16", "bf16"]


def test_rows_of_layers_are_the_whole_graph_once(tmp_path):
    plain.build(task(tmp_path))
    found = layers(tmp_path / "candidate" / "model.xml")
    rows = segments(found)
    assert [name for row in rows for name in row] == [layer.name for layer in found]
    assert len(rows) == len(weighted(tmp_path)) == 3


def test_int8_changes_answers_a_little_and_giving_all_back_changes_none(tmp_path):
    plain.build(task(tmp_path))
    exact, every = answers(tmp_path), [layer.name for layer in layers(tmp_path / "candidate" / "model.xml")]
    own = {"run": "burnish_optimizer.backends.openvino_nncf:build"}
    nncf.build(task(tmp_path, **own))
    quantized = answers(tmp_path)
    assert 1e-6 < noise([{"y": exact}], [{"y": quantized}]) < 0.01
    nncf.build(task(tmp_path, **own, keep=json.dumps(every)))
    np.testing.assert_allclose(answers(tmp_path), exact, rtol=1e-5, atol=1e-5)
    nncf.build(task(tmp_path, **own, keep=json.dumps(every[:4])))
    part = answers(tmp_path)
    assert not np.allclose(part, exact, rtol=1e-5, atol=1e-5)
    assert not np.allclose(part, quantized, rtol=1e-5, atol=1e-5)


def test_without_samples_nothing_is_quantized(tmp_path):
    with pytest.raises(Declined, match="needs calibration samples"):
        nncf.build(task(tmp_path).model_copy(update={"calibration": None}))


@pytest.mark.parametrize("run", ["openvino_nncf", "openvino"])
def test_losses_of_parts_are_measured_and_add_up_roughly(tmp_path, run):
    hint = "f32" if run == "openvino_nncf" else "bf16"
    build = task(tmp_path, run=f"burnish_optimizer.backends.{run}:build", hint=hint)
    found = measure(SensitivityTask(build=build, backend=Backend.OPENVINO, parts=PARTS, samples=3))
    if found.loss == 0:
        pytest.skip("this processor does not compute in BF16")
    assert len(found.found) == 3
    assert all(one.loss >= 0 for one in found.found)
    assert 0.2 < sum(one.loss for one in found.found) / found.loss < 5


def test_lost_numbers_count_as_all_noise():
    good, bad = {"y": np.ones(3, np.float32)}, {"y": np.array([1, np.nan, 1], np.float32)}
    assert noise([good, good], [good, bad]) == pytest.approx(5e5)
    assert noise([good], [good]) == 0


def test_a_model_for_common_shapes_answers_as_the_one_with_free_axes(tmp_path):
    built = plain.build(task(tmp_path, static="4"))
    assert built.options.static_shapes == ({"x": (1, *nets.SHAPE)},)
    model = tmp_path / "candidate" / "model.xml"
    session = openvino_backend.open_session(model, built.options)
    free = openvino_backend.open_session(model, RunOptions(threads=1))
    assert session.inputs == free.inputs
    for rows in (ROWS, ROWS[:1]):
        expected = free.run({"x": rows})["scores"]
        np.testing.assert_allclose(session.run({"x": rows})["scores"], expected, rtol=1e-5, atol=1e-6)
    session.close()


def test_a_model_without_free_axes_has_no_common_shapes(tmp_path):
    fixed = nets.INPUT.model_copy(update={"shape": (1, *nets.SHAPE)})
    with pytest.raises(Declined, match="every axis is fixed"):
        plain.build(task(tmp_path, static="4").model_copy(update={"inputs": (fixed,)}))


def test_shapes_are_counted_and_those_of_a_request_have_its_batch(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for number, width in enumerate([8, 4, 8, 6, 8, 4]):
        np.savez(folder / f"{number}.npz", x=np.zeros((1, 3, width), np.float32))
    spec = nets.INPUT.model_copy(update={"shape": (None, 3, None)})
    assert common_shapes(nets.data(folder), [spec], 1, 2) == ({"x": (1, 3, 8)}, {"x": (1, 3, 4)})
    assert common_shapes(nets.data(folder), [spec], 5, 1) == ({"x": (5, 3, 8)},)


@pytest.mark.parametrize("shapes", [{}, {"y": (1, 3, 16, 16)}, {"x": (1, 3, 16)}, {"x": (1, 4, 16, 16)}])
def test_shapes_that_do_not_fit_are_refused_at_load(tmp_path, shapes):
    plain.build(task(tmp_path))
    with pytest.raises(InvalidOptions, match="static_shapes"):
        openvino_backend.open_session(
            tmp_path / "candidate" / "model.xml", RunOptions(threads=1, static_shapes=(shapes,))
        )
