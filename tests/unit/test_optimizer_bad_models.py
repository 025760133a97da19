"""Models that no tool can work with are refused by what is wrong with them."""

import onnx
import pytest
from onnx import TensorProto, helper

from burnish_optimizer.errors import InvalidSource, UnsafeSource
from burnish_optimizer.ingest.model import read_source

ROW = ["N", 4]


def net(nodes, tensors=(), imports=(("", 17),)):
    """x [N,4] → nodes → y [N,4]."""
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ROW) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "g", infos[:1], infos[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid(*i) for i in imports], ir_version=9)


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs, outputs, **attributes)


def external(size=16, dims=(4,), kind=TensorProto.FLOAT, **facts):
    """A model whose tensor `w` lies in `w.bin`, of `size` bytes."""
    tensor = TensorProto(name="w", data_type=kind, dims=dims, data_location=TensorProto.EXTERNAL)
    for key, value in {"location": "w.bin", **facts}.items():
        tensor.external_data.add(key=key, value=str(value))
    return net([node("Relu", ["x"], ["y"]), node("Identity", ["w"], ["z"])], [tensor]), size


def ill_named():
    data = net([node("Relu", ["x"], ["q"]), node("Neg", ["q"], ["y"])]).SerializeToString()
    return data.replace(b"\x0a\x01q", b"\x0a\x01\xff").replace(b"\x12\x01q", b"\x12\x01\xff")


def nested(depth):
    """If in If in If …, `depth` levels, written as bytes: a builder could not."""
    body = b""
    for _ in range(depth):
        for field in (6, 5, 1):  # AttributeProto.g, NodeProto.attribute, GraphProto.node
            body = tagged(field, body)
    return b"\x08\x09" + tagged(7, body + tagged(12, b"\x0a\x01y"))


def tagged(field, body):
    return varint(field << 3 | 2) + varint(len(body)) + body


def varint(number):
    low, high = number & 127, number >> 7
    return bytes([low | 128]) + varint(high) if high else bytes([low])


def constant(**facts):
    tensor = TensorProto(name="w", raw_data=b"\0" * 16, **facts)
    return net([node("Relu", ["x"], ["y"]), node("Identity", ["w"], ["z"])], [tensor])


REFUSED = {
    "cyclic": (net([node("Add", ["x", "y"], ["a"]), node("Neg", ["a"], ["y"])]), "topologically sorted"),
    "a value of nowhere": (net([node("Add", ["x", "b"], ["y"])]), "input 'b'"),
    "two values of one name": (net([node("Neg", ["x"], ["y"])] * 2), "'y' has been used"),
    "names that are no text": (ill_named(), r"the name b'\\xff', expected names in UTF-8"),
    "nested too deep": (nested(3000), "deeper than protobuf reads"),
    "two versions of one set": (
        net([node("Relu", ["x"], ["y"])], imports=(("", 17), ("ai.onnx", 13))),
        "in versions 13, 17, expected one",
    ),
    "no import": (net([node("Foo", ["x"], ["y"], domain="bar")]), "No opset import for domain 'bar'"),
    "data that are not there": (constant(data_type=1, dims=[10**12]), "too small"),
    "an element type of nowhere": (constant(data_type=99, dims=[4]), "'w' of element type 99"),
    "more than can be counted": (constant(data_type=1, dims=[2**33, 2**33]), "counted in 64 bits"),
    "external data that end early": (external(8), "w.bin of 8 bytes, expected at least 16 bytes"),
    "external data of terabytes": (external(dims=(10**12,)), "at least 4000000000000 bytes"),
    "external data after the end": (external(offset=8), "at least 24 bytes"),
    "external data of another length": (external(length=8), r"8 bytes of data.*expected the 16 bytes"),
    "strings outside": (external(kind=TensorProto.STRING), "strings in external data"),
}


def written(tmp_path, model):
    model, size = model if isinstance(model, tuple) else (model, 0)
    if size:
        (tmp_path / "w.bin").write_bytes(b"\0" * size)
    path = tmp_path / "m.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path


@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_model_is_refused_by_what_is_wrong_with_it(tmp_path, name):
    model, message = REFUSED[name]
    with pytest.raises(InvalidSource, match=message):
        read_source(written(tmp_path, model))


def test_external_data_that_fit_are_taken(tmp_path):
    model = read_source(written(tmp_path, external(24, offset=8, length=16)))
    assert [file.name for file in model.files] == ["w.bin"]


def test_what_lies_in_a_subgraph_is_checked_too(tmp_path):
    tensor = TensorProto(name="w", data_type=1, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../secret")
    out = helper.make_tensor_value_info("a", TensorProto.FLOAT, [4])
    branch = helper.make_graph([node("Identity", ["w"], ["a"])], "b", [], [out], [tensor])
    other = helper.make_graph([node("Relu", ["x"], ["a"])], "c", [], [out])
    model = net([node("If", ["yes"], ["y"], then_branch=branch, else_branch=other)])
    model.graph.initializer.append(helper.make_tensor("yes", TensorProto.BOOL, [], [True]))
    with pytest.raises(UnsafeSource, match="'../secret'"):
        read_source(written(tmp_path, model))


def test_a_sparse_tensor_in_an_attribute_is_read(tmp_path):
    values = helper.make_tensor("w", TensorProto.FLOAT, [1], [2.0])
    sparse = helper.make_sparse_tensor(values, helper.make_tensor("i", TensorProto.INT64, [1], [3]), [4])
    constant = node("Constant", [], ["c"], sparse_value=sparse)
    model = net([constant, node("Add", ["x", "c"], ["y"])])
    assert read_source(written(tmp_path, model)).nodes == 2


def test_a_deep_but_readable_model_is_taken(tmp_path):
    out = helper.make_tensor_value_info("a", TensorProto.FLOAT, ROW)
    inner = helper.make_graph([node("Relu", ["x"], ["a"])], "innermost", [], [out])
    for level in range(28):
        name = f"a{level}"
        choice = node("If", ["yes"], [name], then_branch=inner, else_branch=inner)
        out = helper.make_tensor_value_info(name, TensorProto.FLOAT, ROW)
        inner = helper.make_graph([choice], f"level{level}", [], [out]) if level < 5 else single(choice, out)
    model = net([node("If", ["yes"], ["y"], then_branch=inner, else_branch=inner)])
    model.graph.initializer.append(helper.make_tensor("yes", TensorProto.BOOL, [], [True]))
    onnx.checker.check_model(model)
    assert read_source(written(tmp_path, model)).nodes == 1


def single(choice, out):
    """The graph of one If whose other branch is empty work: both deep would double with every level."""
    flat = helper.make_graph([node("Neg", ["x"], [out.name])], "flat", [], [out])
    next(a for a in choice.attribute if a.name == "else_branch").g.CopyFrom(flat)
    return helper.make_graph([choice], out.name, [], [out])
