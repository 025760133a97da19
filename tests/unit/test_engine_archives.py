"""Archives are unpacked by our own hand: every Python 3.11 can, and nothing leaves the folder."""

import io
import tarfile
from pathlib import Path

import pytest

from burnish_engine import store
from burnish_engine.errors import IntegrityError, InvalidEngine
from burnish_engine.oci.files import read_tar, write_tar
from support import engines


def archive(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def plain(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = 3
    return info


def link(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info


def test_what_was_packed_comes_back(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "b").write_bytes(b"content")
    write_tar(tmp_path / "a.tar", tmp_path / "in", ["deep/b"])
    assert read_tar(tmp_path / "a.tar", tmp_path / "out", "a") == ["deep/b"]
    assert (tmp_path / "out" / "deep" / "b").read_bytes() == b"content"


@pytest.mark.parametrize("name", ["../out", "/absolute", "a/../../b"])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    made = archive(tmp_path / "a.tar", plain(name))
    with pytest.raises(IntegrityError, match="leads out"):
        read_tar(made, tmp_path / "out", "a")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_whatever_is_no_plain_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(IntegrityError, match="no plain file"):
        read_tar(archive(tmp_path / "a.tar", link("l", kind)), tmp_path / "out", "a")


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    made = archive(tmp_path / "a.tar", plain("a"))
    made.write_bytes(made.read_bytes()[:514])
    with pytest.raises(IntegrityError):
        read_tar(made, tmp_path / "out", "a")


@pytest.mark.parametrize(
    "model", ["../model.xml", "/etc/passwd", "model/../../x", "model\0.xml", "", "model"]
)
def test_an_engine_whose_model_lies_elsewhere_is_refused(tmp_path: Path, model: str) -> None:
    folder = engines.write_engine(tmp_path / "engine")
    (tmp_path / "model.xml").write_text("<net/>")
    lying = engines.descriptor().model_copy(update={"model": model})
    (folder / "engine.json").write_text(lying.model_dump_json())
    with pytest.raises(InvalidEngine, match="no model file"):
        store.read_engine(folder)
