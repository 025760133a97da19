"""Folders of `.npy` files: one a sample, or a sub-folder for each input."""

import numpy as np
import pytest

from burnish_engine.descriptor import TensorSpec
from burnish_engine.metric import Labels
from burnish_optimizer.errors import InvalidData
from burnish_optimizer.ingest.check_samples import check_samples
from burnish_optimizer.ingest.samples import DataSpec, open_samples

X, IDS = (TensorSpec(name=name, dtype="float32", shape=(None, 3)) for name in ("x", "net/ids"))
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


def written(folder, rows=ROWS):
    folder.mkdir(parents=True, exist_ok=True)
    for index, row in enumerate(rows):
        np.save(folder / f"{index:03d}.npy", row)
    return folder


def read(path, inputs=(X,)):
    return open_samples(DataSpec(path=str(path)), inputs)


@pytest.mark.parametrize("place", ["", "x"])
def test_one_input_needs_no_sub_folder(tmp_path, place):
    written(tmp_path / place)
    samples = read(tmp_path)
    assert len(samples) == check_samples(samples, [X]) == 4
    for _ in range(2):
        np.testing.assert_array_equal(np.stack([s.arrays["x"] for s in samples]), ROWS)
    assert next(iter(samples)).where.endswith("000.npy")


def test_several_inputs_and_labels_have_sub_folders(tmp_path):
    written(tmp_path / "x")
    written(tmp_path / "net/ids", ROWS + 1)
    written(tmp_path / "label", np.array([2, 0, 1, 3]))
    samples = read(tmp_path, (X, IDS))
    assert check_samples(samples, (X, IDS), labels=Labels.CLASSES) == 4
    assert [int(s.label) for s in samples] == [2, 0, 1, 3]
    assert all((s.arrays["net/ids"] == s.arrays["x"] + 1).all() for s in samples)


def test_labels_from_a_table_or_from_folders(tmp_path):
    written(tmp_path, ROWS[:2])
    (tmp_path / "labels.csv").write_text("file,label\n001.npy,0\n000.npy,1\n")
    assert [int(s.label) for s in read(tmp_path)] == [1, 0]
    for number in ("0", "1"):
        written(tmp_path / "sorted" / number, ROWS[:1])
    assert [int(s.label) for s in read(tmp_path / "sorted")] == [0, 1]


def test_files_of_inputs_must_match(tmp_path):
    written(tmp_path / "x")
    written(tmp_path / "net/ids", ROWS[:3])
    with pytest.raises(InvalidData, match=r"'003.npy' in one of 'x' and 'net/ids' alone"):
        read(tmp_path, (X, IDS))


def test_several_inputs_without_sub_folders(tmp_path):
    written(tmp_path)
    with pytest.raises(InvalidData, match=r"found no \.npy files in x/, net/ids/"):
        read(tmp_path, (X, IDS))


@pytest.mark.parametrize("name", ["../outside", "/etc", "a\0b"])
def test_names_of_inputs_never_lead_out_of_the_folder(tmp_path, name):
    written(tmp_path / "outside")
    written(tmp_path / "set" / "x")
    bad = TensorSpec(name=name, dtype="float32", shape=(None, 3))
    with pytest.raises(InvalidData, match="a sub-folder of .npy files for each input"):
        read(tmp_path / "set", (X, bad))


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"text"])
def test_a_broken_file_is_named(tmp_path, content):
    written(tmp_path)
    (tmp_path / "002.npy").write_bytes(content)
    with pytest.raises(InvalidData, match=r"002.npy: found a file that cannot be read"):
        list(read(tmp_path))


def test_pickles_are_never_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InvalidData, match="Object arrays cannot be loaded"):
        list(read(tmp_path))
