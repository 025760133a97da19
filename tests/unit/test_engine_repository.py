"""Repositories on disk: whole or not at all, and nobody else's is touched."""

from pathlib import Path

import pytest

from burnish_engine.errors import IntegrityError, InvalidEngine
from burnish_engine.layout.fit import EngineNotServable
from burnish_engine.layout.repository import MARK, InvalidLayout, lay_out
from burnish_engine.layout.runtimes import ServingRuntime
from support.layouts import seal, write_linear, write_linear_ir

TRITON, MODEL_SERVER = ServingRuntime.TRITON, ServingRuntime.OPENVINO_MODEL_SERVER


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_triton_finds_the_model_below_its_version(tmp_path: Path) -> None:
    lay_out(write_linear(tmp_path / "e"), tmp_path / "out", TRITON, name="pages", threads=2)
    assert names(tmp_path / "out") == {MARK, "pages/config.pbtxt", "pages/1/model.onnx"}
    source, placed = tmp_path / "e/model/model.onnx", tmp_path / "out/pages/1/model.onnx"
    assert placed.samefile(source)


def test_the_model_server_finds_both_files_of_the_model(tmp_path: Path) -> None:
    lay_out(write_linear_ir(tmp_path / "e"), tmp_path / "out", MODEL_SERVER, name="pages", threads=2)
    assert names(tmp_path / "out") == {MARK, "config.json", "pages/1/model.xml", "pages/1/model.bin"}


def test_external_data_lies_where_the_model_looks_for_it(tmp_path: Path) -> None:
    folder = write_linear(tmp_path / "e")
    (folder / "model/data").mkdir()
    (folder / "model/data/weights.bin").write_bytes(b"12345678")
    lay_out(seal(folder), tmp_path / "out", TRITON, name="pages", threads=1)
    assert (tmp_path / "out/pages/1/data/weights.bin").read_bytes() == b"12345678"


def test_laying_out_again_replaces_what_was_there(tmp_path: Path) -> None:
    engine = write_linear(tmp_path / "e")
    for name in ("old", "new"):
        lay_out(engine, tmp_path / "out", TRITON, name=name, threads=1)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {MARK, "new"}
    assert {p.name for p in tmp_path.iterdir()} == {"e", "out"}


def test_a_folder_of_somebody_elses_models_is_never_touched(tmp_path: Path) -> None:
    mine = tmp_path / "out/mine/1"
    mine.mkdir(parents=True)
    (mine / "model.onnx").write_bytes(b"mine")
    with pytest.raises(InvalidLayout, match="laid out before"):
        lay_out(write_linear(tmp_path / "e"), tmp_path / "out", TRITON, name="pages", threads=1)
    assert (mine / "model.onnx").read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "x" * 300])
def test_a_name_that_is_no_folder_s_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidLayout, match="model name"):
        lay_out(write_linear(tmp_path / "e"), tmp_path / "out", TRITON, name=name, threads=1)
    assert not (tmp_path / "out").exists()


def test_damaged_files_are_not_laid_out(tmp_path: Path) -> None:
    folder = write_linear(tmp_path / "e")
    with (folder / "model/model.onnx").open("ab") as file:
        file.write(b"!")
    with pytest.raises(IntegrityError):
        lay_out(folder, tmp_path / "out", TRITON, name="pages", threads=1)
    assert not (tmp_path / "out").exists()


def test_what_engine_json_does_not_vouch_for_is_not_laid_out(tmp_path: Path) -> None:
    folder = write_linear(tmp_path / "e")
    (folder / "model/model.onnx").rename(folder / "elsewhere.onnx")
    (folder / "model/model.onnx").symlink_to(folder / "elsewhere.onnx")
    with pytest.raises(InvalidEngine, match="plain file"):
        lay_out(folder, tmp_path / "out", TRITON, name="pages", threads=1)


def test_an_engine_for_another_server_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineNotServable, match="expected openvino"):
        lay_out(write_linear(tmp_path / "e"), tmp_path / "out", MODEL_SERVER, name="pages", threads=1)
