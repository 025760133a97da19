"""Calibration and evaluation sets: every form gives the same samples; bad ones are named."""

import io
import zipfile
from contextlib import nullcontext

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from burnish_engine.descriptor import TensorSpec
from burnish_engine.metric import Labels
from burnish_optimizer.errors import InvalidData
from burnish_optimizer.ingest.check_samples import check_samples
from burnish_optimizer.ingest.feeds import is_batchable, stack, to_feeds
from burnish_optimizer.ingest.samples import DataSpec, open_samples
from burnish_optimizer.ingest.synthetic import write_synthetic

INPUTS = (TensorSpec(name="x", dtype="float32", shape=(None, 2, 3)),)
ROWS = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
LABELS = np.array([3, 1, 0, 2])


def folder(path):
    path.mkdir()
    for index, row in enumerate(ROWS):
        np.savez(path / f"{index:03d}.npz", x=row, label=LABELS[index])
    return path


def stacked(path):
    np.savez(path.with_suffix(".npz"), x=ROWS, label=LABELS)
    return path.with_suffix(".npz")


def compressed(path):
    np.savez_compressed(path.with_suffix(".npz"), x=ROWS, label=LABELS)
    return path.with_suffix(".npz")


def fortran(path):
    np.savez(path.with_suffix(".npz"), x=np.asfortranarray(ROWS), label=LABELS)
    return path.with_suffix(".npz")


def artifact(path):
    path.mkdir()
    stacked(path / "set")
    return path


def table(path, columns):
    pq.write_table(pa.table({**columns, "label": LABELS}), path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


def nested_lists(path):
    return table(path, {"x": ROWS.tolist()})


def flat_lists(path):
    return table(path, {"x": [row.ravel().tolist() for row in ROWS]})


def raw_bytes(path):
    return table(path, {"x": [row.tobytes() for row in ROWS], "x.shape": [[2, 3]] * 4})


def raw_bytes_of_the_models_shape(path):
    return table(path, {"x": [row.tobytes() for row in ROWS]})


FORMS = [
    folder,
    stacked,
    compressed,
    fortran,
    artifact,
    nested_lists,
    flat_lists,
    raw_bytes,
    raw_bytes_of_the_models_shape,
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_every_form_gives_the_same_samples(tmp_path, form):
    samples = open_samples(DataSpec(path=str(form(tmp_path / "set"))), INPUTS)
    assert len(samples) == 4
    for _ in range(2):  # a set can be read again
        found = list(samples)
        np.testing.assert_array_equal(np.stack([s.arrays["x"].reshape(2, 3) for s in found]), ROWS)
        assert [int(s.label) for s in found] == LABELS.tolist()
    assert check_samples(samples, INPUTS, labels=Labels.CLASSES) == 4


def test_a_limit_takes_the_first(tmp_path):
    samples = open_samples(DataSpec(path=str(stacked(tmp_path / "set")), limit=3), INPUTS)
    assert len(samples) == 3
    assert len(list(samples)) == 3


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_a_set_is_cut_in_two_without_an_overlap(tmp_path, form):
    path = str(form(tmp_path / "set"))
    some = open_samples(DataSpec(path=path, every=3), INPUTS)
    others = open_samples(DataSpec(path=path, every=3, others=True), INPUTS)
    assert (len(some), len(others)) == (2, 2)
    found = [[int(sample.label) for sample in samples] for samples in (some, others)]
    assert found == [LABELS[[0, 3]].tolist(), LABELS[[1, 2]].tolist()]
    assert len(open_samples(DataSpec(path=path, every=3, limit=1), INPUTS)) == 1


def test_samples_with_and_without_their_batch_axis_make_the_same_feeds():
    without, with_axis = (to_feeds({"x": a}, INPUTS)["x"] for a in (ROWS[0], ROWS[:1]))
    np.testing.assert_array_equal(without, with_axis)
    assert without.shape == (1, 2, 3)


def test_feeds_of_one_shape_stack_and_others_do_not():
    one, wide = {"x": np.zeros((1, 2))}, {"x": np.zeros((1, 3))}
    assert stack([one, one])["x"].shape == (2, 2)
    assert stack([one, wide]) is None
    assert is_batchable(INPUTS)
    assert not is_batchable((TensorSpec(name="x", dtype="float32", shape=(1, 2)),))


WRONG = {
    "name": ({"y": ROWS}, "found arrays y, expected x"),
    "extra": ({"x": ROWS, "y": ROWS}, "found arrays x, y"),
    "dtype": ({"x": ROWS.astype(np.float64)}, "found element type float64, expected float32"),
    "size": ({"x": ROWS[:, :, :2]}, r"found shape \[2,2\], expected \[\?,2,3\]"),
    "rank": ({"x": ROWS[..., None, None]}, r"found shape \[2,3,1,1\]"),
    "nan": ({"x": np.where(ROWS == 7, np.nan, ROWS).astype(np.float32)}, "sample 1, 'x': found 1 NaN"),
    "infinity": ({"x": np.where(ROWS == 7, np.inf, ROWS).astype(np.float32)}, "1 infinite"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_set_is_named_with_what_was_found_and_expected(tmp_path, name):
    arrays, message = WRONG[name]
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(InvalidData, match=message) as caught:
        check_samples(open_samples(DataSpec(path=str(tmp_path / "set.npz")), INPUTS), INPUTS)
    assert "set.npz" in caught.value.subject


def test_pickled_objects_are_never_loaded(tmp_path):
    np.savez(tmp_path / "set.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InvalidData, match="never loaded"):
        open_samples(DataSpec(path=str(tmp_path / "set.npz")), INPUTS)


def test_arrays_of_different_counts_are_refused(tmp_path):
    np.savez(tmp_path / "set.npz", x=ROWS, label=LABELS[:2])
    with pytest.raises(InvalidData, match="x: 4, label: 2"):
        open_samples(DataSpec(path=str(tmp_path / "set.npz")), INPUTS)


def test_an_empty_set_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "none.npz", x=ROWS[:0])
    for path in ("empty", "none.npz"):
        with pytest.raises(InvalidData, match="no samples"):
            open_samples(DataSpec(path=str(tmp_path / path)), INPUTS)


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_a_truncated_file_is_named(tmp_path, suffix):
    path = (compressed if suffix == ".npz" else nested_lists)(tmp_path / "set")
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(InvalidData, match="cannot be read"):
        check_samples(open_samples(DataSpec(path=str(path)), INPUTS), INPUTS)


def test_another_kind_of_file_is_refused(tmp_path):
    (tmp_path / "set.csv").write_text("1,2")
    with pytest.raises(InvalidData, match=r"one stacked \.npz"):
        open_samples(DataSpec(path=str(tmp_path / "set.csv")), INPUTS)


def test_a_missing_label_is_named(tmp_path):
    np.savez(tmp_path / "set.npz", x=ROWS)
    samples = open_samples(DataSpec(path=str(tmp_path / "set.npz")), INPUTS)
    with pytest.raises(InvalidData, match="no label"):
        check_samples(samples, INPUTS, labels=Labels.CLASSES)


def test_labels_of_boxes_are_rows_of_five(tmp_path):
    for columns, fits in ((5, True), (4, False)):
        np.savez(tmp_path / "set.npz", x=ROWS, label=np.zeros((4, 3, columns)))
        samples = open_samples(DataSpec(path=str(tmp_path / "set.npz")), INPUTS)
        with nullcontext() if fits else pytest.raises(InvalidData, match="x1, y1, x2, y2, class"):
            assert check_samples(samples, INPUTS, labels=Labels.BOXES) == 4


def test_integers_where_the_model_wants_floats_are_told_in_parquet_too(tmp_path):
    path = table(tmp_path / "set", {"x": ROWS.astype(int).tolist()})
    with pytest.raises(InvalidData, match="int64, expected float32"):
        check_samples(open_samples(DataSpec(path=str(path)), INPUTS), INPUTS)


def test_synthetic_samples_fit_and_repeat(tmp_path):
    first, second = (write_synthetic(tmp_path / name, INPUTS) for name in ("a", "b"))
    assert check_samples(open_samples(first, INPUTS), INPUTS) == 16
    pairs = zip(open_samples(first, INPUTS), open_samples(second, INPUTS), strict=True)
    assert all(np.array_equal(a.arrays["x"], b.arrays["x"]) for a, b in pairs)


def test_sizes_that_only_data_can_tell_are_asked_for(tmp_path):
    free = (TensorSpec(name="image", dtype="float32", shape=(None, 3, None, None)),)
    with pytest.raises(InvalidData, match="--evaluation or --calibration"):
        write_synthetic(tmp_path / "a", free)


def check(path, inputs=INPUTS):
    return check_samples(open_samples(DataSpec(path=str(path)), inputs), inputs)


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def damaged(path):
    """Compressed bytes that are no compressed bytes."""
    np.savez_compressed(path, x=np.random.default_rng(1).random((2, 3), np.float32))
    data = bytearray(path.read_bytes())
    start = data.find(b"x.npy") + 25
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)


def bare(path):
    path.write_bytes(npy(ROWS[0]))


def no_array(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", b"hello")


def flagged(offset_local, offset_central, value):
    def write(path):
        np.savez(path, x=ROWS[0])
        data = bytearray(path.read_bytes())
        data[offset_local] = value
        data[data.find(b"PK\x01\x02") + offset_central] = value
        path.write_bytes(data)

    return write


BROKEN_FILES = {
    "damaged": damaged,
    "one bare array": bare,
    "a member that is no array": no_array,
    "encrypted": flagged(6, 8, 1),
    "an unknown compression": flagged(8, 10, 77),
}


@pytest.mark.parametrize("kind", BROKEN_FILES)
def test_an_archive_that_is_broken_is_named_whatever_is_wrong_with_it(tmp_path, kind):
    for index in range(2):
        BROKEN_FILES[kind](tmp_path / f"{index}.npz")
    with pytest.raises(InvalidData, match=r"0\.npz.*cannot be read"):
        check(tmp_path)


def test_a_shape_that_lies_below_zero_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        archive.writestr("x.npy", npy(ROWS).replace(b"(4, 2, 3)", b"(-4, 2,3)"))
    with pytest.raises(InvalidData, match="sizes of 0 or more"):
        check(tmp_path / "set.npz")


def test_numbers_that_the_input_cannot_hold_are_refused_not_wrapped(tmp_path):
    small = (TensorSpec(name="x", dtype="uint8", shape=(None, 3)),)
    with pytest.raises(InvalidData, match="from -1 to 300, which uint8 cannot hold"):
        check(table(tmp_path / "set", {"x": [[300, -1, 5]] * 4}), small)


def test_a_shape_of_words_is_refused(tmp_path):
    path = table(tmp_path / "set", {"x": [[1.0] * 6] * 4, "x.shape": ["wide"] * 4})
    with pytest.raises(InvalidData, match="expected numbers as lists or bytes"):
        check(path)


def test_a_damaged_table_is_named(tmp_path):
    path = nested_lists(tmp_path / "set")
    data = bytearray(path.read_bytes())
    data[10:60] = b"\xff" * 50
    path.write_bytes(data)
    with pytest.raises(InvalidData, match="cannot be read"):
        check(path)
