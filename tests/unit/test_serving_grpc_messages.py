"""The messages are those of the public protocol, and the committed ones are those of the `.proto` files."""

from pathlib import Path
from typing import Any

import pytest
from tritonclient.grpc import model_config_pb2, service_pb2

from burnish_serving.grpc import generate
from burnish_serving.grpc.proto import open_inference_pb2 as ours

ROOT = Path(__file__).parents[2]


def theirs(name: str) -> Any:
    found = service_pb2.DESCRIPTOR.message_types_by_name.get(name)
    return found or model_config_pb2.DESCRIPTOR.message_types_by_name[name]


def check_same(mine: Any, other: Any) -> None:
    for field in mine.fields:
        found = other.fields_by_name[field.name]
        assert (field.number, field.type) == (found.number, found.type), field.full_name
        assert field.is_repeated == found.is_repeated, field.full_name
    for nested in mine.nested_types:
        check_same(nested, other.nested_types_by_name[nested.name])
    for enum in mine.enum_types:
        values = other.enum_types_by_name[enum.name].values_by_name
        assert all(values[value.name].number == value.number for value in enum.values)


@pytest.mark.parametrize("name", ours.DESCRIPTOR.message_types_by_name)
def test_every_field_has_the_number_that_clients_know(name: str) -> None:
    check_same(ours.DESCRIPTOR.message_types_by_name[name], theirs(name))


def test_every_call_has_the_types_that_clients_know() -> None:
    (mine,) = ours.DESCRIPTOR.services_by_name.values()
    (other,) = service_pb2.DESCRIPTOR.services_by_name.values()
    assert mine.full_name == other.full_name
    assert {m.name for m in mine.methods} == {m.name for m in other.methods}
    for method in mine.methods:
        found = other.methods_by_name[method.name]
        assert method.input_type.full_name == found.input_type.full_name
        assert method.output_type.full_name == found.output_type.full_name
        assert method.client_streaming == found.client_streaming
        assert method.server_streaming == found.server_streaming


def test_datatypes_have_the_numbers_that_clients_know() -> None:
    values = model_config_pb2.DESCRIPTOR.enum_types_by_name["DataType"].values_by_name
    mine = ours.DESCRIPTOR.enum_types_by_name["DataType"]
    assert {v.name: v.number for v in mine.values} == {name: v.number for name, v in values.items()}


def test_the_committed_messages_are_those_of_the_proto_files() -> None:
    assert generate.stale(ROOT) == []


def test_generated_files_that_differ_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / generate.FOLDER
    folder.mkdir(parents=True)
    (folder / "health.proto").write_bytes((ROOT / generate.FOLDER / "health.proto").read_bytes())
    assert generate.main(["--check", str(tmp_path)]) == 1
    assert "health_pb2.py is stale" in capsys.readouterr().err
    assert generate.main([str(tmp_path)]) == 0
    assert generate.main(["--check", str(tmp_path)]) == 0


def test_a_proto_file_that_is_none_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / generate.FOLDER
    folder.mkdir(parents=True)
    (folder / "broken.proto").write_text("message")
    with pytest.raises(SystemExit, match=r"broken\.proto"):
        generate.main([str(tmp_path)])
