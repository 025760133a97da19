"""The golden answer: an engine that computes other answers here is told from one that does not."""

from pathlib import Path

import numpy as np
import pytest

from burnish_engine.descriptor import ENGINE_FILE, GOLDEN_FILE, TensorSpec
from burnish_engine.request import Backend, Precision
from burnish_engine.store import read_engine
from burnish_runtime import golden
from burnish_runtime.errors import GoldenMismatch, InvalidModel
from burnish_runtime.load import open_engine
from support.onnx_models import CPU_BACKENDS, add_golden, identity, write_adder, write_running_engine

BIT16 = TensorSpec(name="x", dtype="bfloat16", shape=(None, 3))


@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_an_engine_answers_what_it_recorded(tmp_path: Path, backend: Backend) -> None:
    folder = add_golden(write_adder(tmp_path / "engine", backend))
    engine = open_engine(folder)
    assert golden.verify(engine, folder)
    assert set(read_engine(folder).golden.tolerances) == {"sum", "product"}  # type: ignore[union-attr]


def test_an_engine_of_before_has_none(tmp_path: Path) -> None:
    folder = write_adder(tmp_path / "engine")
    assert golden.verify(open_engine(folder), folder) is False


def spoiled(folder: Path, change: float) -> Path:
    engine = read_engine(folder)
    assert engine.golden is not None
    pair = golden.read(folder, engine.golden, engine)
    pair.answers["sum"][0, 0] += change
    golden.write(folder / GOLDEN_FILE, pair)
    return folder


def test_another_answer_is_refused_with_its_distance(tmp_path: Path) -> None:
    folder = spoiled(add_golden(write_adder(tmp_path / "engine")), 0.5)
    with pytest.raises(GoldenMismatch, match=r"'sum'.*differ by 0\.5.*other answers here"):
        golden.verify(open_engine(folder), folder)


def test_rounding_is_no_other_answer(tmp_path: Path) -> None:
    folder = spoiled(add_golden(write_adder(tmp_path / "engine")), 1e-6)
    assert golden.verify(open_engine(folder), folder)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_answer_that_is_no_number_is_refused(tmp_path: Path, value: float) -> None:
    folder = spoiled(add_golden(write_adder(tmp_path / "engine")), value)
    with pytest.raises(GoldenMismatch):
        golden.verify(open_engine(folder), folder)


@pytest.mark.parametrize("damage", [b"", b"no archive", None])
def test_a_record_that_cannot_be_read_is_told(tmp_path: Path, damage: bytes | None) -> None:
    folder = add_golden(write_adder(tmp_path / "engine"))
    if damage is None:
        (folder / GOLDEN_FILE).unlink()
    else:
        (folder / GOLDEN_FILE).write_bytes(damage)
    with pytest.raises(InvalidModel, match="golden answer"):
        golden.verify(open_engine(folder), folder)


def test_no_sample_goes_into_the_record() -> None:
    sample = np.array([[1.25, 7.5, 3.0]], np.float32)
    spec = TensorSpec(name="x", dtype="float32", shape=(None, 3))
    made = golden.made_up({"x": sample}, [spec])["x"]
    assert made.dtype == sample.dtype
    assert not np.isin(sample, made).any()
    assert 1.25 <= made.min() <= made.max() <= 7.5


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool", "object", "bfloat16", "float16"])
def test_every_type_makes_feeds_that_a_session_takes(tmp_path: Path, dtype: str) -> None:
    x, y = (TensorSpec(name=name, dtype=dtype, shape=(None, 3)) for name in "xy")
    folder = write_running_engine(tmp_path / "engine", identity(dtype), (x,), (y,))
    add_golden(folder)
    assert golden.verify(open_engine(folder), folder)


def test_bits_of_bfloat16_are_compared_as_numbers() -> None:
    one, other = (np.array([bits], np.uint16) for bits in (0x3F80, 0xBF80))
    assert golden.difference(one, other, BIT16) == 2.0


@pytest.mark.parametrize(("dtype", "share"), [(np.int64, 0.25), (np.bool_, 0.25)])
def test_entries_that_are_no_numbers_are_counted(dtype: type, share: float) -> None:
    expected = np.zeros(4, dtype)
    found = expected.copy()
    found[1] = 1
    spec = TensorSpec(name="y", dtype=np.dtype(dtype).name, shape=(4,))
    assert golden.difference(found, expected, spec) == share


def test_too_large_a_record_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_engine(write_adder(tmp_path / "engine"))
    monkeypatch.setattr(golden, "MAX_BYTES", 10)
    feeds = dict.fromkeys("ab", np.ones((1, 3), np.float32))
    assert golden.record(engine.session, feeds, Precision.FP32, tmp_path / GOLDEN_FILE) is None
    assert not (tmp_path / GOLDEN_FILE).exists()
    assert (tmp_path / "engine" / ENGINE_FILE).is_file()
