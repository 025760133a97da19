"""What recipes build on: opsets raised, batch norms folded, ranges that cover every sample."""

import numpy as np
import onnx
import pytest
from onnx import helper

from burnish_optimizer.errors import Declined
from burnish_optimizer.ingest.feeds import to_feeds
from burnish_optimizer.ingest.samples import open_samples
from burnish_optimizer.precision.int8 import build_dynamic, build_static
from burnish_optimizer.precision.ranges import MERGE_EVERY, minmax_ranges
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


@pytest.mark.parametrize("count", [1, MERGE_EVERY, MERGE_EVERY + 1, 3 * MERGE_EVERY])
def test_ranges_cover_the_first_and_the_last_sample(tmp_path, count):
    rows = np.zeros((count, *nets.SHAPE), np.float32)
    rows[0, 0, 0, 0], rows[-1, 0, 0, 1] = -7.0, 9.0
    np.savez(tmp_path / "set.npz", x=rows)
    model = tmp_path / "fused.onnx"
    save_fused(nets.save_net(tmp_path / "net.onnx"), model)
    inputs = (nets.INPUT,)
    samples = open_samples(nets.data(tmp_path / "set.npz"), inputs)
    ranges = minmax_ranges(model, ["Conv"], (to_feeds(s.arrays, inputs) for s in samples), threads=1)
    low, high = ranges["x"].range_value
    assert (np.min(low), np.max(high)) == (-7.0, 9.0)


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
