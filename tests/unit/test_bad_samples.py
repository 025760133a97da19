"""Every error of a set that does not fit says which set, what was found and expected, and what to do."""

import numpy as np
import pytest
from PIL import Image

from burnish_engine.descriptor import TensorSpec
from burnish_engine.errors import StalledError
from burnish_engine.metric import Labels
from burnish_optimizer.ingest.check_samples import check_samples
from burnish_optimizer.ingest.material import fetch
from burnish_optimizer.ingest.samples import DataSpec, open_samples
from burnish_optimizer.job import Input

INPUTS = (TensorSpec(name="x", dtype="float32", shape=(None, 3, 8, 8)),)
ROWS = np.zeros((4, 3, 8, 8), np.float32)


def stacked(**arrays):
    return lambda path: np.savez(path / "set.npz", **arrays) or path / "set.npz"


def file(name, content):
    def make(path):
        (path / name).write_bytes(content)
        return path / name

    return make


def folder(**files):
    def make(path):
        for name, content in files.items():
            (path / name.replace("__", ".")).write_bytes(content)
        return path

    return make


def pictures(declaration):
    def make(path):
        Image.new("RGB", (8, 8)).save(path / "one.png")
        (path / "preprocess.yaml").write_text(declaration)
        return path

    return make


BAD = {
    "no samples": folder(),
    "nothing of any known form": folder(readme__txt=b"hello"),
    "a text": file("set.txt", b"hello"),
    "garbage": file("set.npz", b"hello" * 90),
    "empty": file("set.npz", b""),
    "garbage in a folder": folder(a__npz=b"hello" * 90),
    "other sizes": stacked(x=np.zeros((4, 3, 4, 4), np.float32)),
    "other ranks": stacked(x=np.zeros((4, 3), np.float32)),
    "other types": stacked(x=np.zeros((4, 3, 8, 8))),
    "other names": stacked(image=ROWS),
    "more names": stacked(x=ROWS, y=ROWS),
    "not finite": stacked(x=np.full_like(ROWS, np.nan)),
    "no rows": stacked(x=ROWS[:0]),
    "fewer labels": stacked(x=ROWS, label=np.zeros(3, np.int64)),
    "no labels": stacked(x=ROWS),
    "words for labels": stacked(x=ROWS, label=np.array(["cat"] * 4)),
    "no such field": pictures("size: [8, 8]\nscale: 1/255\nwidth: 8\n"),
    "no YAML": pictures("size: [eight\n- x"),
    "no number": pictures("size: [8, 8]\nscale: 1/0\n"),
    "no fields": pictures("8"),
    "fields that contradict each other": pictures("multiple_of: 8\nsize: [8, 8]\nscale: 1/255\n"),
    "no picture": lambda path: (
        (pictures("size: [8, 8]\nscale: 1/255\n")(path) / "two.png").write_bytes(b"x") and path
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_with_a_set_is_told_with_what_to_do(tmp_path, name):
    path = BAD[name](tmp_path)
    with pytest.raises(StalledError) as caught:
        check_samples(open_samples(DataSpec(path=str(path)), INPUTS), INPUTS, labels=Labels.CLASSES)
    error = caught.value
    assert str(tmp_path) in error.subject or path.name in error.subject
    assert error.found
    assert error.expected
    assert error.remedy
    assert "unsafe" not in error.found


def test_a_path_that_is_not_there_says_where_it_is_looked_for(tmp_path):
    with pytest.raises(StalledError, match="relative to where"):
        fetch(Input(str(tmp_path / "nothing")), tmp_path, limit_bytes=1)
