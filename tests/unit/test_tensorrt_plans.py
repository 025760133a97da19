"""Plans of TensorRT for RTX, built here for devices that are not: what they are, and what is declined."""

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from burnish_demo.models import PAGE_ORIENTATION, cache_root
from burnish_engine.coverage import Elsewhere
from burnish_engine.descriptor import TensorSpec
from burnish_optimizer.backends import tensorrt_rtx
from burnish_optimizer.backends.tensorrt_network import named_apart, taken_of
from burnish_optimizer.backends.tensorrt_profiles import Range, ranges
from burnish_optimizer.errors import Declined
from burnish_optimizer.ingest.samples import DataSpec
from burnish_optimizer.targets.ahead_of_time import builds_for, capabilities
from burnish_optimizer.targets.toolchain import is_installed
from support.tensorrt import ROWS, WIDTH, matmul_net, plan_task, quantized_net, unknown_net

with_library = pytest.mark.skipif(not is_installed("tensorrt_rtx"), reason="tensorrt_rtx is not installed")
FIXED = (TensorSpec(name="x", dtype="float32", shape=(4, WIDTH)),)


def samples(folder: Path, *counts: int) -> DataSpec:
    """Samples of these numbers of rows."""
    folder.mkdir()
    for index, count in enumerate(counts):
        np.savez(folder / f"{index}.npz", x=np.ones((count, WIDTH), np.float32))
    return DataSpec(path=str(folder))


def built(folder: Path, model, **changes):
    """A plan of a model without free axes: its facts and its bytes."""
    task = plan_task(folder, model, inputs=FIXED, **changes)
    result = tensorrt_rtx.build(task)
    candidate = Path(task.folder)
    facts = tensorrt_rtx.PlanFacts.model_validate_json((candidate / tensorrt_rtx.FACTS).read_bytes())
    return result, facts, (candidate / result.model).read_bytes()


@with_library
def test_a_plan_is_built_for_devices_that_are_not_here_and_says_so(tmp_path):
    several = {"gpu": "A; B", "gpu_capability": "8.6; 8.9"}
    result, facts, plan = built(tmp_path, matmul_net(rows=4), target=several)
    assert facts.capabilities == ("8.6", "8.9")
    assert facts.size_bytes == len(plan) > WIDTH * WIDTH * 4
    assert facts.profiles == {}
    assert "compute capability 8.6 and 8.9" in result.unmeasured
    assert result.stand_in == str(tmp_path / "net.onnx")
    assert result.coverage.nodes == 1
    assert not result.coverage.elsewhere
    assert any("built in" in note for note in result.notes)


@with_library
@pytest.mark.parametrize("capability", ["8.0", "12.0", "12.1"])
def test_every_capability_gives_a_plan_of_its_own(tmp_path, capability):
    target = {"gpu_capability": capability}
    _, _, plan = built(tmp_path, matmul_net(rows=4), target=target)
    (tmp_path / "again").mkdir()
    assert built(tmp_path / "again", matmul_net(rows=4), target=target)[2] == plan
    (tmp_path / "other").mkdir()
    assert built(tmp_path / "other", matmul_net(rows=4))[2] != plan


@with_library
def test_the_precision_is_what_the_graph_says(tmp_path):
    plans = {}
    for kind in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16):
        folder = tmp_path / str(kind)
        folder.mkdir()
        plans[kind] = built(folder, matmul_net(kind, rows=4))
    types = {kind: set(facts.tensors) for kind, (_, facts, _) in plans.items()}
    assert types[TensorProto.FLOAT] == {"float32"}
    assert types[TensorProto.FLOAT16] == {"float16"}
    assert types[TensorProto.BFLOAT16] == {"bfloat16"}
    saved = len(plans[TensorProto.FLOAT][2]) - len(plans[TensorProto.FLOAT16][2])
    assert saved >= WIDTH * WIDTH * 2  # the weights' other half


@with_library
def test_free_axes_get_the_range_that_samples_have(tmp_path):
    judged = samples(tmp_path / "judged", 1, 1)
    task = plan_task(tmp_path, matmul_net(), judged=judged, settings={"max_batch": "16"})
    result = tensorrt_rtx.build(task)
    told = json.loads((Path(task.folder) / tensorrt_rtx.FACTS).read_text())
    assert told["profiles"] == {"x": {"low": [1, WIDTH], "best": [1, WIDTH], "high": [16, WIDTH]}}
    assert any("(1, 64) to (16, 64)" in note for note in result.notes)


@with_library
@pytest.mark.parametrize(
    ("model", "capability", "words"),
    [
        (matmul_net(rows=4), "7.5", "FP32 GEMM is not supported"),
        (quantized_net(TensorProto.FLOAT8E4M3FN, rows=4), "8.6", "fp8_e4m3"),
        (unknown_net(), "8.9", "Nonsense 'strange'"),
        (matmul_net(rows=4), "9.0", "not for 9.0"),
        (matmul_net(), "8.9", "no samples"),
    ],
)
def test_what_a_device_or_the_parser_does_not_take_is_declined_in_its_words(
    tmp_path, model, capability, words
):
    changes = {"inputs": (ROWS,) if words == "no samples" else FIXED}
    with pytest.raises(Declined, match=words):
        tensorrt_rtx.build(plan_task(tmp_path, model, target={"gpu_capability": capability}, **changes))


@with_library
def test_fp8_and_int8_are_taken_where_the_device_has_them(tmp_path):
    judged = samples(tmp_path / "judged", 1)
    for kind, word in ((TensorProto.FLOAT8E4M3FN, "fp8"), (TensorProto.INT8, "int8")):
        task = plan_task(tmp_path, quantized_net(kind), judged=judged)
        assert word in tensorrt_rtx.build(task).notes[0]


@with_library
def test_on_the_device_itself_a_plan_is_to_be_measured(tmp_path):
    here = {"gpu_capability": "8.9"}
    assert built(tmp_path, matmul_net(rows=4), facts=here, target=None)[0].unmeasured == ""
    (tmp_path / "other").mkdir()
    assert built(tmp_path / "other", matmul_net(rows=4), facts={"gpu_capability": "8.6"})[0].unmeasured


@with_library
def test_nodes_that_the_parser_refuses_are_counted_with_its_reason(tmp_path):
    task = plan_task(tmp_path, unknown_net())
    found = tensorrt_rtx.cover(Path(task.model), {"gpu_capability": "8.9"})
    assert found.nodes == 3
    assert [(one.op, one.nodes) for one in found.elsewhere] == [("Nonsense", 1)]
    assert "Plugin not found" in found.elsewhere[0].reason
    with pytest.raises(Declined, match="no NVIDIA device"):
        tensorrt_rtx.cover(Path(task.model), {"arch": "x86_64"})


def test_constants_are_no_nodes_and_reasons_are_kept():
    found = taken_of(unknown_net(), {0}, {1: "no plugin"})
    assert found.elsewhere == (
        Elsewhere(op="Nonsense", nodes=1, reason="no plugin"),
        Elsewhere(op="Relu", nodes=1, reason="the parser does not take it"),
    )


def test_capabilities_are_read_whole_from_a_fingerprint_or_a_class():
    assert capabilities({"gpu_capability": "8.6; 8.9"}) == ((8, 6), (8, 9))
    assert capabilities({"compute_major": "12", "compute_minor": "0"}) == ((12, 0),)
    assert capabilities({"gpu_capability": "8.6; unknown"}) == ()
    assert capabilities({}) == ()
    assert builds_for({"gpu_capability": "8.9"})
    assert not builds_for({"gpu_capability": "8.9; 9.0"})


def test_a_range_reaches_from_the_smallest_to_the_largest_and_is_tuned_for_the_common_shape():
    ids = TensorSpec(name="ids", dtype="int64", shape=(None, None))
    mask = ids.model_copy(update={"name": "mask"})
    shapes = [((1, 7), (1, 7)), ((1, 12), (1, 12)), ((1, 12), (1, 12)), ((1, 30), (1, 30))]
    found = ranges(shapes, (ids, mask), batch=2, most=8)
    assert found["ids"] == Range(low=(1, 7), best=(2, 12), high=(8, 30))
    assert found["ids"] == found["mask"]


def test_rows_are_only_counted_where_every_input_has_them():
    state = TensorSpec(name="state", dtype="float32", shape=(2, None, 8))
    rows = TensorSpec(name="x", dtype="float32", shape=(None, 4))
    found = ranges([((1, 4), (2, 1, 8))], (rows, state), batch=1, most=8)
    assert found["x"] == Range(low=(1, 4), best=(1, 4), high=(1, 4))
    assert found["state"].high == (2, 1, 8)


@with_library
def test_narrow_graphs_become_plans_and_stand_in_for_them(tmp_path):
    judged = samples(tmp_path / "judged", 1, 1)
    for make, word in ((tensorrt_rtx.build_fp16, "float16"), (tensorrt_rtx.build_fp8, "fp8")):
        folder = tmp_path / word
        folder.mkdir()
        task = plan_task(folder, matmul_net(), judged=judged, calibration=judged)
        result = make(task)
        graph = Path(task.folder) / result.stand_in
        assert word in result.notes[0]
        assert result.conversion.nodes == 1
        assert graph.is_file()
        assert not graph.is_relative_to((Path(task.folder) / result.model).parent)
        with pytest.raises(Declined, match="calibration samples"):
            make(task.model_copy(update={"calibration": None}))


def test_free_axes_that_an_exporter_gave_one_name_are_told_apart():
    model = matmul_net()
    dims = model.graph.input[0].type.tensor_type.shape.dim
    dims[1].dim_param = "N"
    assert [dim.dim_param for dim in named_apart(model).graph.input[0].type.tensor_type.shape.dim] == ["", ""]
    assert named_apart(matmul_net()).graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"


PAGES = cache_root() / "models" / PAGE_ORIENTATION.digest.replace(":", "-") / "model.onnx"


@with_library
@pytest.mark.skipif(not PAGES.is_file(), reason="the model of page orientation is not in the cache")
def test_a_real_network_is_taken_whole(tmp_path):
    judged = DataSpec(path=str(tmp_path / "pages.npz"))
    np.savez(judged.path, x=np.zeros((2, 3, 224, 224), np.float32))
    inputs = (TensorSpec(name="x", dtype="float32", shape=(None, 3, 224, 224)),)
    task = plan_task(tmp_path, matmul_net(), inputs=inputs, judged=judged)
    result = tensorrt_rtx.build(task.model_copy(update={"model": str(PAGES)}))
    assert result.coverage.nodes == 115
    assert result.coverage.elsewhere == ()
