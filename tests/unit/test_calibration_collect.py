"""One pass over the samples: right numbers, whatever the shapes; few at a time; errors that tell."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from burnish_optimizer.errors import Declined, InvalidData, InvalidJob
from burnish_optimizer.ingest import light
from burnish_optimizer.precision.calibration import session
from burnish_optimizer.precision.calibration.calibration import Calibration
from burnish_optimizer.precision.calibration.collect import collect
from burnish_optimizer.precision.calibration.records import Method, Range
from support.optimizer_nets import conv_net

RNG = np.random.default_rng(0)
INNER = ("conv", "active", "same0", "pooled", "flat", "hidden", "hidden_active")


def saved(folder: Path, model: onnx.ModelProto, **options: object) -> Path:
    onnx.save(model, str(folder / "model.onnx"), **options)
    return folder / "model.onnx"


def images(count: int, *, varied: bool = True) -> list[dict[str, np.ndarray]]:
    return [{"x": RNG.normal(0, 1, (1 + i % 3 * varied, 3, 16, 16)).astype(np.float32)} for i in range(count)]


def truth(model: onnx.ModelProto, feeds: list[dict[str, np.ndarray]]) -> dict[str, list[np.ndarray]]:
    """Inner values by ONNX's own evaluator."""
    graph = onnx.ModelProto.FromString(model.SerializeToString())
    graph.graph.output.extend(onnx.ValueInfoProto(name=name) for name in INNER)
    evaluator = ReferenceEvaluator(graph)
    names = [value.name for value in graph.graph.output]
    rows = [evaluator.run(None, given) for given in feeds]
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


@pytest.mark.parametrize("memory_bytes", [1, 20_000, 1 << 30])
def test_every_tensor_is_seen_whole_however_few_come_together(tmp_path, memory_bytes):
    model, feeds = conv_net(), images(6)
    found = collect(
        saved(tmp_path, model), [*INNER, "x", "scores"], feeds, threads=1, memory_bytes=memory_bytes
    )
    assert found.samples == 6
    for name, arrays in truth(model, feeds).items():
        values = np.concatenate([array.ravel() for array in arrays])
        seen = found.range(name, Method.MINMAX, zero=False)
        np.testing.assert_allclose([seen.low, seen.high], [values.min(), values.max()], rtol=1e-4, atol=1e-5)
        assert found.count(name) == values.size
    assert found.count("x") == sum(given["x"].size for given in feeds)


def test_what_one_run_returns_stays_within_the_limit(tmp_path, monkeypatch):
    returned = []
    compute = session.Told._compute

    def watched(self, feeds, group, outputs, where):
        values = compute(self, feeds, group, outputs, where)
        returned.append((len(outputs), sum(v.numpy().nbytes for v in values)))
        return values

    monkeypatch.setattr(session.Told, "_compute", watched)
    limit, shapes_bytes = 20_000, 1000
    collect(saved(tmp_path, conv_net()), INNER, images(4, varied=False), threads=1, memory_bytes=limit)
    assert max(size for _, size in returned) <= limit + shapes_bytes
    assert len(returned) >= 1 + 4 * 2  # sizes are asked once: the samples are alike


def test_channels_tell_which_one_is_an_outlier(tmp_path):
    model, feeds = conv_net(), images(3)
    found = collect(saved(tmp_path, model), [], feeds, threads=1, channels={"active": 1, "flat": -1})
    rows = np.concatenate(truth(model, feeds)["active"])
    np.testing.assert_allclose(found.channel_absmax("active"), rows.max((0, 2, 3)), rtol=1e-4)
    low, high = found.channel_range("flat")
    assert low.shape == high.shape == (8,)
    assert (low <= high).all()


def test_what_the_runtime_would_fuse_away_is_still_seen(tmp_path):
    """A batch norm is folded into its convolution at the basic level; a copy is removed."""
    ones = np.ones(4)
    weights = {"w": RNG.normal(0, 1, (4, 3, 1, 1)), "one": ones, "none": 0 * ones, "four": 4 * ones}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["conv"]),
        helper.make_node("BatchNormalization", ["conv", "one", "none", "none", "four"], ["normal"]),
        helper.make_node("Identity", ["normal"], ["copy"]),
        helper.make_node("Relu", ["copy"], ["y"]),
    ]
    found = collect(
        saved(tmp_path, net(nodes, weights)), ["conv", "normal", "copy", "y"], images(1), threads=1
    )
    conv, normal = (found.range(name, Method.MINMAX).high for name in ("conv", "normal"))
    assert conv == pytest.approx(2 * normal, rel=1e-3)
    assert found.range("copy", Method.MINMAX) == found.range("normal", Method.MINMAX)


def net(nodes, weights, *, output="y", kind=TensorProto.FLOAT, opset=13):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info(output, kind, None)],
        [numpy_helper.from_array(np.asarray(w, np.float32), name) for name, w in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.mark.parametrize("kind", ["FLOAT16", "BFLOAT16", "DOUBLE", "INT64"])
def test_tensors_of_other_types_count_as_float32(tmp_path, kind):
    nodes = [
        helper.make_node("Cast", ["x"], ["cast"], to=getattr(TensorProto, kind)),
        helper.make_node("Cast", ["cast"], ["y"], to=TensorProto.FLOAT),
    ]
    given = [{"x": np.array([-2, 0, 3], np.float32).reshape(1, 3, 1, 1)}]
    found = collect(saved(tmp_path, net(nodes, {})), ["cast"], given, threads=1)
    assert found.range("cast", Method.MINMAX) == Range(-2, 3)


def test_values_that_are_not_finite_are_counted_and_never_in_the_range(tmp_path):
    nodes = [helper.make_node("Log", ["x"], ["log"]), helper.make_node("Relu", ["log"], ["y"])]
    given = [{"x": np.array([-1, 0, 1, np.e, -5, np.e**2], np.float32).reshape(1, 3, 1, 2)}]
    found = collect(saved(tmp_path, net(nodes, {})), ["log"], given, threads=1, channels={"log": 1})
    assert found.bad("log") == (2, 1)
    assert found.range("log", Method.MINMAX).high == pytest.approx(2)
    np.testing.assert_allclose(found.channel_absmax("log"), [0, 1, 2], rtol=1e-6)
    only = collect(tmp_path / "model.onnx", ["log"], [{"x": -np.ones((1, 3, 1, 1), np.float32)}], threads=1)
    with pytest.raises(InvalidData, match="no finite value in 1 samples .3 NaN and 0 infinite"):
        only.range("log", Method.MSE)


@pytest.mark.parametrize("form", ["inline", "moved", "external", "linked", "linked folder"])
def test_weights_are_found_wherever_they_are(tmp_path, monkeypatch, form):
    model, feeds, place = conv_net(), images(2), tmp_path / "place"
    place.mkdir()
    external = {"save_as_external_data": True, "location": "data.bin", "size_threshold": 0}
    path = saved(place, model, **(external if form in ("external", "linked", "linked folder") else {}))
    if form == "moved":
        monkeypatch.setattr(light, "LIGHT_BYTES", 0)
        monkeypatch.setattr(light, "INLINE_BYTES", 0)
    if form == "linked folder":
        (tmp_path / "link").symlink_to(place)
        path = tmp_path / "link" / "model.onnx"
    if form == "linked":
        (tmp_path / "store").mkdir()
        path.replace(tmp_path / "store" / "blob")
        path.symlink_to(tmp_path / "store" / "blob")
    monkeypatch.chdir(tmp_path)
    found = collect(path.relative_to(tmp_path), ["hidden"], feeds, threads=1)
    expected = collect(saved(tmp_path, conv_net()), ["hidden"], feeds, threads=1)
    np.testing.assert_array_equal(found.histogram("hidden").counts, expected.histogram("hidden").counts)


def test_an_opset_without_slices_by_input_is_raised(tmp_path):
    found = collect(saved(tmp_path, conv_net(opset=9)), ["active"], images(1), threads=1)
    assert found.count("active") == 8 * 256


def test_a_file_gives_the_same_back(tmp_path):
    made = collect(saved(tmp_path, conv_net()), INNER, images(3), threads=1, channels={"flat": 1})
    made.save(tmp_path / "shared" / "ranges.npz")
    read = Calibration.load(tmp_path / "shared" / "ranges.npz")
    assert read.samples == made.samples
    for name in INNER:
        for method in Method:
            assert read.range(name, method) == made.range(name, method)
    np.testing.assert_array_equal(read.channel_absmax("flat"), made.channel_absmax("flat"))
    assert [p.name for p in (tmp_path / "shared").iterdir()] == ["ranges.npz"]


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_another_file_is_no_calibration(tmp_path, content):
    (tmp_path / "ranges.npz").write_bytes(content)
    with pytest.raises(InvalidData, match="expected a calibration, version 1"):
        Calibration.load(tmp_path / "ranges.npz")


def test_what_was_not_collected_is_told(tmp_path):
    path = saved(tmp_path, conv_net())
    found = collect(path, ["conv"], images(1), threads=1)
    with pytest.raises(InvalidData, match="tensor 'flat': found not among the 1 tensors"):
        found.range("flat", Method.MINMAX)
    with pytest.raises(InvalidData, match="by channel"):
        found.channel_absmax("conv")
    with pytest.raises(InvalidJob, match="found no 'nothing' among"):
        collect(path, ["nothing"], images(1), threads=1)
    with pytest.raises(InvalidJob, match="the same number of channels along axis 0"):
        collect(path, [], images(2), threads=1, channels={"conv": 0})
    with pytest.raises(InvalidData, match="no samples"):
        collect(path, ["conv"], [], threads=1)


def test_a_sample_that_the_model_refuses_is_named(tmp_path):
    bad = [*images(1), {"x": np.zeros((1, 5, 16, 16), np.float32)}]
    with pytest.raises(InvalidData, match="calibration sample 1: found"):
        collect(saved(tmp_path, conv_net()), ["conv"], bad, threads=1)


def test_a_model_that_does_not_load_is_declined(tmp_path):
    nodes = [helper.make_node("Nothing", ["x"], ["y"], domain="unknown")]
    with pytest.raises(Declined, match="does not load"):
        collect(saved(tmp_path, net(nodes, {})), ["y"], images(1), threads=1)
