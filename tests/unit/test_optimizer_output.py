"""The folder that an engine is written to: checked before any work, and never left half full."""

import pytest

from burnish_optimizer.engine_folder import check_output, write_engine
from burnish_optimizer.errors import InvalidJob
from support import engines


def test_a_place_that_cannot_hold_a_folder_is_refused_before_any_work(tmp_path):
    (tmp_path / "file").write_text("words")
    with pytest.raises(InvalidJob, match="file, which cannot be written to"):
        check_output(tmp_path / "file/below/engine")


def test_a_write_that_fails_leaves_no_half_engine(tmp_path):
    model = tmp_path / "model.xml"
    model.write_text("<net/>")
    files = {"model/model.xml": model, "model/model.bin": tmp_path / "gone.bin"}
    with pytest.raises(FileNotFoundError):
        write_engine(tmp_path / "engine", files, engines.descriptor(), engines.report(), "<html>")
    assert not (tmp_path / "engine").exists()
