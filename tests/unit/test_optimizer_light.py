"""Large models are read and written tensor by tensor, and come out as protobuf reads and writes them."""

import hashlib

import numpy as np
import onnx
import onnx_ir as ir
import openvino
import pytest
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from burnish_optimizer.errors import InvalidSource
from burnish_optimizer.ingest import light, wire
from burnish_optimizer.ingest.model import read_source
from burnish_optimizer.ingest.saving import save
from burnish_optimizer.ingest.weights import WeightFolder

SIDE = 256  # a matrix of 256 KiB
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch):
    monkeypatch.setattr(light, "LIGHT_BYTES", 0)


def matrix(name):
    return numpy_helper.from_array(RNG.standard_normal((SIDE, SIDE), dtype=np.float32), name)


def model(*tensors, nodes=()):
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", SIDE]) for name in ("x", "y")]
    nodes = nodes or [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    small = numpy_helper.from_array(np.arange(SIDE, dtype=np.float32), "b")
    graph = helper.make_graph(nodes, "g", infos[:1], infos[1:], [small, *tensors], doc_string="told")
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(made, {"author": "nobody"})
    return made


def written(folder, proto):
    folder.mkdir(exist_ok=True)
    path = folder / "model.onnx"
    path.write_bytes(proto if isinstance(proto, bytes) else proto.SerializeToString())
    return path


def taken(path):
    """The model as it is read, and (name, digest) of each tensor that was kept out of it."""
    kept = []

    def keep(tensor, file, size):
        kept.append((tensor.name, hashlib.sha256(file.read(size)).hexdigest()))

    return light.load(path, keep), kept


def test_large_weights_are_kept_out_and_all_else_is_there(tmp_path):
    proto = model(matrix("w"))
    found, kept = taken(written(tmp_path, proto))
    assert kept == [("w", hashlib.sha256(proto.graph.initializer[1].raw_data).hexdigest())]
    assert [(t.name, list(t.dims), len(t.raw_data)) for t in found.graph.initializer] == [
        ("b", [SIDE], 4 * SIDE),
        ("w", [SIDE, SIDE], 0),
    ]
    found.graph.initializer[1].raw_data = proto.graph.initializer[1].raw_data
    assert found == proto


def test_a_graph_in_two_parts_is_one(tmp_path):
    proto = model(matrix("w"))
    more = onnx.ModelProto(graph=onnx.GraphProto(initializer=[matrix("v")]))
    found, kept = taken(written(tmp_path, proto.SerializeToString() + more.SerializeToString()))
    assert [name for name, _ in kept] == ["w", "v"]
    assert [t.name for t in found.graph.initializer] == ["b", "w", "v"]


def test_constants_in_nodes_stay_and_are_merged_piece_by_piece(tmp_path, monkeypatch):
    monkeypatch.setattr(light, "PIECE_BYTES", 100)
    constants = [helper.make_node("Constant", [], [name], value=matrix(name)) for name in ("w", "v")]
    nodes = [
        *constants,
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    proto = model(matrix("u"), nodes=nodes)
    found, kept = taken(written(tmp_path, proto))
    assert [name for name, _ in kept] == ["u"]
    assert list(found.graph.node) == list(proto.graph.node)


def floats(name):
    return helper.make_tensor(name, TensorProto.FLOAT, [SIDE, SIDE], np.ones(SIDE * SIDE, np.float32))


def short(name):
    tensor = matrix(name)
    tensor.dims[0] += 1
    return tensor


def unknown(name):
    tensor = matrix(name)
    tensor.data_type = 99
    return tensor


@pytest.mark.parametrize("make", [floats, short, unknown])
def test_what_is_no_plain_tensor_stays(tmp_path, make):
    proto = model(make("w"))
    found, kept = taken(written(tmp_path, proto))
    assert not kept
    assert found == proto


@pytest.mark.parametrize("cut", [1, 5, 1000, SIDE * SIDE * 4 - 7])
def test_truncated_bytes_are_protobufs_to_judge(tmp_path, cut):
    path = written(tmp_path, model(matrix("w")).SerializeToString()[:-cut])
    with pytest.raises(DecodeError):
        taken(path)
    with pytest.raises(InvalidSource, match="truncated"):
        read_source(path)


def test_a_source_is_checked_without_its_weights(tmp_path):
    source = read_source(written(tmp_path, model(matrix("w"))))
    assert (source.inputs[0].name, source.nodes, source.files) == ("x", 2, ())
    twice = model(
        matrix("w"), nodes=[helper.make_node("Neg", ["w"], ["y"]), helper.make_node("Abs", ["x"], ["y"])]
    )
    with pytest.raises(InvalidSource, match="'y' has been used"):
        read_source(written(tmp_path, twice))


def test_what_is_saved_is_what_was_read(tmp_path):
    proto = model(matrix("w"), matrix("v"))
    read = WeightFolder(tmp_path / "weights").load(written(tmp_path / "in", proto))
    assert isinstance(read.graph.initializers["w"].const_value, ir.ExternalTensor)
    save(read, tmp_path / "out.onnx", external=False)
    found = onnx.load(tmp_path / "out.onnx")
    onnx.checker.check_model(found)
    assert list(found.graph.initializer) == list(proto.graph.initializer)
    assert list(found.graph.node) == list(proto.graph.node)
    assert (found.metadata_props, found.graph.doc_string) == (proto.metadata_props, "told")


def test_weights_of_branches_are_saved_in_place(tmp_path):
    branch = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["z"])],
        "t",
        [],
        [helper.make_empty_tensor_value_info("z")],
        [matrix("w")],
    )
    one = numpy_helper.from_array(np.array(True), "c")
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    proto = model(one, nodes=[node])
    save(
        WeightFolder(tmp_path / "weights").load(written(tmp_path / "in", proto)),
        tmp_path / "out.onnx",
        external=False,
    )
    found = onnx.load(tmp_path / "out.onnx")
    assert found.graph.node[0].attribute[0].g.initializer[0].raw_data == branch.initializer[0].raw_data


def test_a_data_file_with_a_name_of_ours_is_never_written(tmp_path):
    proto = model(matrix("w"))
    folder = tmp_path / "in"
    folder.mkdir()
    onnx.save(proto, folder / "model.onnx", save_as_external_data=True, location="burnish-0.bin")
    before = (folder / "burnish-0.bin").read_bytes()
    weights = WeightFolder(tmp_path / "weights")
    read = weights.load(folder / "model.onnx")
    read.graph.initializers["b"].const_value = ir.tensor(np.ones((SIDE, SIDE), np.float32), name="b")
    weights.spill(read)
    assert (folder / "burnish-0.bin").read_bytes() == before
    assert read.graph.initializers["w"].const_value.tobytes() in before


@pytest.mark.parametrize(
    "data", [b"\x08", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x0b", b"\x0a\x05a", b"\x09abc"]
)
def test_bytes_that_are_no_message(data):
    with pytest.raises(wire.Malformed):
        list(wire.fields(data, 0, len(data)))


@pytest.mark.parametrize("size", [0, 127, 128, 1 << 20, (1 << 40) + 1])
def test_heads_are_read_as_they_are_written(size):
    data = wire.head(5, size)
    tag, *_ = data
    assert tag == 5 << 3 | 2
    number, shift = 0, 0
    for byte in data[1:]:
        number |= (byte & 127) << shift
        shift += 7
    assert number == size


def test_what_is_written_is_a_model_to_openvino_too(tmp_path):
    """It looks at the first fields of a file, in the order of their numbers."""
    source = ir.load(written(tmp_path / "in", model(matrix("w"))))
    source.opset_imports["com.microsoft"] = 1
    save(source, tmp_path / "out.onnx", external=False)
    assert onnx.load(tmp_path / "out.onnx").metadata_props[0].value == "nobody"
    assert len(openvino.Core().read_model(str(tmp_path / "out.onnx")).inputs) == 1
