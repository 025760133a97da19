"""What is refused as a source, and what the refusal says."""

import pickle
import zipfile

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from burnish_optimizer.errors import InvalidSource, UnsafeSource, UnsupportedOpset
from burnish_optimizer.ingest.model import OLDEST_OPSET, read_source
from support.optimizer_nets import conv_net, save_net


def test_a_good_model_tells_its_signature(tmp_path):
    model = read_source(save_net(tmp_path / "net.onnx"))
    assert [(s.name, s.dtype, s.shape) for s in model.inputs] == [("x", "float32", (None, 3, 16, 16))]
    assert [(s.name, s.shape) for s in model.outputs] == [("scores", (None, 4))]
    assert model.opset == 17
    assert model.files == ()
    assert model.size_bytes == (tmp_path / "net.onnx").stat().st_size


def test_a_folder_with_exactly_one_model_is_taken(tmp_path):
    save_net(tmp_path / "net.onnx")
    (tmp_path / "readme.txt").write_text("words")
    assert read_source(tmp_path).path.name == "net.onnx"


@pytest.mark.parametrize("count", [0, 2])
def test_a_folder_with_another_number_of_models_is_refused(tmp_path, count):
    for index in range(count):
        save_net(tmp_path / f"{index}.onnx")
    with pytest.raises(InvalidSource, match=r"exactly one \.onnx"):
        read_source(tmp_path)


def zipped(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02.")


REFUSED = {
    "empty": (lambda p: p.write_bytes(b""), InvalidSource, "an empty file"),
    "html": (lambda p: p.write_text("<!DOCTYPE html><html>404</html>"), InvalidSource, "HTML"),
    "pickle": (lambda p: p.write_bytes(pickle.dumps({"w": 1})), UnsafeSource, "never loaded"),
    "torch zip": (zipped, UnsafeSource, "never loaded.*torch.onnx.export"),
    "keras": (lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n"), InvalidSource, "HDF5"),
    "lfs": (
        lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\n"),
        InvalidSource,
        "git lfs pull",
    ),
    "text": (lambda p: p.write_text("hello world, I am no model"), InvalidSource, "no ONNX model|no graph"),
    "noise": (lambda p: p.write_bytes(bytes(range(200, 256)) * 9), InvalidSource, "no ONNX model"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_onnx_model_is_named(tmp_path, name):
    write, error, message = REFUSED[name]
    path = tmp_path / "model.onnx"
    write(path)
    with pytest.raises(error, match=message):
        read_source(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_model_is_called_truncated(tmp_path, share):
    path = save_net(tmp_path / "net.onnx")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InvalidSource, match="truncated"):
        read_source(path)


@pytest.mark.parametrize("opset", [OLDEST_OPSET - 1, 1000])
def test_an_opset_outside_the_range_is_named_with_the_range(tmp_path, opset):
    path = save_net(tmp_path / "net.onnx", opset=opset)
    newest = onnx.defs.onnx_opset_version()
    with pytest.raises(
        UnsupportedOpset, match=f"found opset {opset}, expected opset {OLDEST_OPSET} to {newest}"
    ):
        read_source(path)


def test_an_invalid_graph_is_refused(tmp_path):
    model = conv_net()
    model.graph.node[1].input[0] = "from nowhere"
    onnx.save(model, str(tmp_path / "net.onnx"))
    with pytest.raises(InvalidSource, match="invalid graph"):
        read_source(tmp_path / "net.onnx")


def external(tmp_path, location="weights.bin", *, write=True, offset="0"):
    values = np.arange(64, dtype=np.float32)
    tensor = numpy_helper.from_array(values, "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    facts = {"location": location, "offset": offset, "length": str(values.nbytes)}
    for key, value in facts.items():
        tensor.external_data.add(key=key, value=value)
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [64]) for n in ("x", "y")]
    graph = helper.make_graph(nodes, "g", [infos[0]], [infos[1]], [tensor])
    folder = tmp_path / "model"
    folder.mkdir()
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    if write:
        (folder / location).write_bytes(values.tobytes())
    return folder / "m.onnx"


def test_external_data_beside_the_model_is_counted(tmp_path):
    model = read_source(external(tmp_path))
    assert [f.name for f in model.files] == ["weights.bin"]
    assert model.size_bytes > 256


def test_missing_external_data_is_named(tmp_path):
    with pytest.raises(InvalidSource, match=r"no file 'weights\.bin'"):
        read_source(external(tmp_path, write=False))


def test_truncated_external_data_is_refused(tmp_path):
    path = external(tmp_path)
    (path.parent / "weights.bin").write_bytes(b"\0" * 8)
    with pytest.raises(InvalidSource, match="at least 256 bytes"):
        read_source(path)


@pytest.mark.parametrize(
    "location", ["../secret", "/etc/passwd", "a/../../secret", "..\\secret", "C:\\secret"]
)
def test_external_data_that_leads_out_of_the_folder_is_refused(tmp_path, location):
    (tmp_path / "secret").write_bytes(b"\0" * 256)
    with pytest.raises(UnsafeSource, match="inside the model's folder"):
        read_source(external(tmp_path, location, write=False))


def test_external_data_behind_a_link_that_leads_out_is_refused(tmp_path):
    (tmp_path / "secret").write_bytes(b"\0" * 256)
    path = external(tmp_path, "link.bin", write=False)
    (path.parent / "link.bin").symlink_to(tmp_path / "secret")
    with pytest.raises(UnsafeSource):
        read_source(path)


@pytest.mark.parametrize("offset", ["abc", "-5", "1e3"])
def test_external_data_at_no_place_at_all_is_refused(tmp_path, offset):
    with pytest.raises(InvalidSource, match="numbers of bytes, 0 or more"):
        read_source(external(tmp_path, offset=offset))


@pytest.mark.parametrize("location", ["weights\0.bin", "w" * 300])
def test_external_data_under_a_name_that_no_file_can_have_is_refused(tmp_path, location):
    with pytest.raises(UnsafeSource, match="under a relative name"):
        read_source(external(tmp_path, location, write=False))


@pytest.mark.parametrize("kind", ["FLOAT8E4M3FN", "INT4", "COMPLEX64"])
def test_inputs_of_a_type_that_no_request_can_carry_are_refused(tmp_path, kind):
    infos = [helper.make_tensor_value_info(n, getattr(TensorProto, kind), ["N", 3]) for n in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [infos[0]], [infos[1]])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, str(tmp_path / "m.onnx"))
    with pytest.raises(InvalidSource, match="Cast inside the model"):
        read_source(tmp_path / "m.onnx")
