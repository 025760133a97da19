"""Folders of pictures: what is declared is what the model gets; what does not fit is told before it costs."""

import json

import numpy as np
import pytest
from PIL import Image

from burnish_engine.descriptor import TensorSpec
from burnish_engine.metric import Labels
from burnish_optimizer.errors import InvalidData
from burnish_optimizer.ingest.check_samples import check_samples
from burnish_optimizer.ingest.pictures import resized, to_array
from burnish_optimizer.ingest.preprocess import Preprocess
from burnish_optimizer.ingest.samples import DataSpec, open_samples

INPUTS = (TensorSpec(name="x", dtype="float32", shape=(None, 3, 8, 8)),)
BASIC = {"size": [8, 8], "scale": "1/255"}
RED = (255, 0, 51)


def picture(height=8, width=8, color=RED, mode="RGB") -> Image.Image:
    return Image.new(mode, (width, height), color)


def ramp(height: int, width: int) -> Image.Image:
    """Red grows to the right, green downwards."""
    down, right = np.mgrid[0:height, 0:width]
    pixels = np.stack([right * 255 // max(1, width - 1), down * 255 // max(1, height - 1), 0 * down], -1)
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture
def folder(tmp_path):
    def make(declared=BASIC, name="preprocess.yaml", **pictures):
        (tmp_path / name).write_text(declared if isinstance(declared, str) else json.dumps(declared))
        for path, image in (pictures or {"one.png": picture()}).items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            image.save(tmp_path / path)
        return tmp_path

    return make


def read(path, inputs=INPUTS):
    return list(open_samples(DataSpec(path=str(path)), inputs))


def test_pixels_are_scaled_normalized_and_laid_out(folder):
    declared = {**BASIC, "mean": [0.5, 0.25, 0.2], "std": 0.5}
    (sample,) = read(folder(declared))
    assert sample.arrays["x"].shape == (3, 8, 8)
    np.testing.assert_allclose(sample.arrays["x"][:, 0, 0], [1, -0.5, 0], atol=1e-6)
    assert check_samples([sample], INPUTS) == 1


@pytest.mark.parametrize(
    ("color", "expected"), [("RGB", [255, 0, 51]), ("BGR", [51, 0, 255]), ("GRAY", [82])]
)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_channels_and_layouts(color, expected, layout):
    how = Preprocess(size=(4, 6), color=color, layout=layout)
    array = to_array(picture().convert("L") if color == "GRAY" else picture(), how, "uint8")
    assert array.shape == ((len(expected), 4, 6) if layout == "NCHW" else (4, 6, len(expected)))
    pixel = array[:, 0, 0] if layout == "NCHW" else array[0, 0]
    np.testing.assert_array_equal(pixel, expected)


@pytest.mark.parametrize(
    ("how", "given", "expected"),
    [
        ({"size": (8, 8)}, (20, 10), (8, 8)),
        ({"size": (8, 8), "resize": "crop"}, (20, 10), (8, 8)),
        ({"size": (8, 8), "resize": "crop", "shorter_side": 9}, (3, 5), (8, 8)),
        ({"size": (8, 12), "resize": "letterbox"}, (20, 10), (8, 12)),
        ({"multiple_of": 4}, (9, 11), (8, 12)),
        ({"multiple_of": 4, "resize": "crop"}, (9, 11), (8, 8)),
        ({"multiple_of": 4, "resize": "letterbox"}, (9, 11), (12, 12)),
        ({"multiple_of": 4, "max_side": 10}, (40, 20), (8, 4)),
        ({"multiple_of": 4, "resize": "crop"}, (2, 9), (4, 8)),
        ({"multiple_of": 4}, (1, 1), (4, 4)),
    ],
)
def test_sizes(how, given, expected):
    found = resized(ramp(*given), Preprocess(**how))
    assert (found.height, found.width) == expected


def test_a_crop_takes_the_middle_and_a_letterbox_pads():
    wide = ramp(8, 24)
    cropped = np.asarray(resized(wide, Preprocess(size=(8, 8), resize="crop")))
    np.testing.assert_array_equal(cropped, np.asarray(wide)[:, 8:16])
    how = {"size": (24, 24), "resize": "letterbox", "pad": 7}
    centred = np.asarray(resized(wide, Preprocess(**how)))
    np.testing.assert_array_equal(centred[8:16], np.asarray(wide))
    assert (centred[:8] == 7).all()
    assert (centred[16:] == 7).all()
    start = np.asarray(resized(wide, Preprocess(**how, align="start")))
    np.testing.assert_array_equal(start[:8], np.asarray(wide))


def test_free_sizes_differ_by_picture_and_other_inputs_are_constants(folder):
    free = TensorSpec(name="x", dtype="float32", shape=(None, 3, None, None))
    factor = TensorSpec(name="scale_factor", dtype="float32", shape=(None, 2))
    declared = {"multiple_of": 4, "scale": 1, "constants": {"scale_factor": [1, 1]}}
    path = folder(declared, **{"a.png": picture(8, 12), "b.bmp": picture(5, 4)})
    samples = read(path, (free, factor))
    assert [s.arrays["x"].shape for s in samples] == [(3, 8, 12), (3, 4, 4)]
    assert check_samples(samples, (free, factor)) == 2


def test_pictures_lie_upright(folder):
    turned = ramp(8, 8)
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    path = folder(BASIC)
    turned.save(path / "one.png", exif=exif)
    (sample,) = read(path)
    assert sample.arrays["x"][0, 0, 0] == 1


@pytest.mark.parametrize(
    ("declared", "pictures", "expected"),
    [
        ({}, ["1/a.png", "0/b.png"], [0, 1]),
        ({"classes": ["dog", "cat"]}, ["cat/a.png", "dog/b.png"], [1, 0]),
        ({}, ["cat/a.png", "dog/b.png"], [None, None]),
        ({}, ["a.png"], [None]),
    ],
)
def test_sub_folders_are_classes(folder, declared, pictures, expected):
    samples = read(folder({**BASIC, **declared}, **{name: picture() for name in pictures}))
    assert [None if s.label is None else int(s.label) for s in samples] == expected
    if None not in expected:
        assert check_samples(samples, INPUTS, labels=Labels.CLASSES) == len(expected)


def test_a_table_tells_classes(folder):
    path = folder({**BASIC, "classes": ["dog", "cat"]}, **{"a.png": picture(), "in/b.png": picture()})
    (path / "labels.csv").write_text("file,label\nin/b.png,dog\na.png,cat\n")
    assert [int(s.label) for s in read(path)] == [1, 0]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("a.png,1\n", "first row 'a.png,1', expected file,label"),
        ("", "an empty file, expected file,label"),
        ("file,label\nb.png,1\n", "no row for 'a.png'"),
        ("file,label\na.png,one\n", "row 2: found class 'one', expected a class number"),
        ("file,label\na.png\n", "row 2: found 1 columns"),
    ],
)
def test_bad_tables(folder, table, message):
    path = folder(BASIC, **{"a.png": picture()})
    (path / "labels.csv").write_text(table)
    with pytest.raises(InvalidData, match=message):
        read(path)


def test_a_folder_that_is_no_class(folder):
    with pytest.raises(InvalidData, match="found class 'bird', expected one of dog, cat"):
        read(folder({**BASIC, "classes": ["dog", "cat"]}, **{"bird/a.png": picture()}))


MISTAKES = {
    "no size": ({"scale": 1}, "found expected size or multiple_of"),
    "two sizes": ({**BASIC, "multiple_of": 4}, "size or multiple_of, and not both"),
    "unknown field": ({**BASIC, "colour": "RGB"}, r"yaml, colour: found 'RGB', expected one of size"),
    "no such color": ({**BASIC, "color": "rgb"}, "yaml, color: found 'rgb', expected Input should be 'RGB'"),
    "channels": ({**BASIC, "mean": [0, 0]}, "mean of 2 and std of 1 numbers, where RGB has 3"),
    "no deviation": ({**BASIC, "std": 0}, "std must be above 0"),
    "scale of nothing": ({**BASIC, "scale": "1/0"}, "yaml, scale: found a division by 0"),
    "scale of words": ({**BASIC, "scale": "much"}, "yaml, scale"),
    "no scale": ({"size": [8, 8]}, "yaml, scale: found none, for numbers of floating point"),
    "mean of the other unit": ({**BASIC, "mean": [123.7, 116.3, 103.5], "std": 58}, "those of 0 … 255"),
    "values of the other unit": ({**BASIC, "scale": 1, "mean": 0.485, "std": 0.229}, "those of 0 … 1"),
    "another size": ({**BASIC, "size": [8, 9]}, r"\[\?,3,8,9\], expected \[\?,3,8,8\]"),
    "another layout": ({**BASIC, "layout": "NHWC"}, "channels come first: write layout: NCHW"),
    "another color": ({**BASIC, "color": "GRAY"}, r"\[\?,1,8,8\], expected \[\?,3,8,8\]"),
    "another type": ({**BASIC, "dtype": "uint8"}, "dtype: found uint8, for input 'x' of float32"),
    "free sizes": ({"multiple_of": 4, "scale": 1}, "multiple_of: found free sizes"),
    "no such input": ({**BASIC, "input": "y"}, "yaml, input: found 'y', expected one of x"),
    "no such constant": ({**BASIC, "constants": {"y": 1}}, "constants: found 'y'"),
    "no fields": ("[]", "found no fields, expected fields by name"),
    "no YAML": ("size: [", "found text that is no YAML"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told(folder, mistake):
    declared, message = MISTAKES[mistake]
    with pytest.raises(InvalidData, match=message):
        read(folder(declared))


def test_nothing_is_guessed_without_a_declaration(folder):
    path = folder()
    (path / "preprocess.yaml").unlink()
    with pytest.raises(InvalidData, match=r"expected a file preprocess.yaml\. Write preprocess.yaml beside"):
        read(path)


def test_one_declaration_and_one_form(folder):
    path = folder()
    np.save(path / "a.npy", np.zeros(1))
    with pytest.raises(InvalidData, match=r"found \.npy and a preprocess file"):
        read(path)
    (path / "a.npy").unlink()
    (path / "preprocess.json").write_text(json.dumps(BASIC))
    with pytest.raises(InvalidData, match=r"found preprocess.yaml and preprocess.json, expected one"):
        read(path)


def test_integers_take_pixels_as_they_are(folder):
    raw = (TensorSpec(name="x", dtype="uint8", shape=(None, 8, 8, 3)),)
    (sample,) = read(folder({"size": [8, 8], "layout": "NHWC"}), raw)
    np.testing.assert_array_equal(sample.arrays["x"][0, 0], RED)
    with pytest.raises(InvalidData, match="pixels as they are"):
        read(folder({**BASIC, "layout": "NHWC"}), raw)


def test_another_input_needs_a_value(folder):
    two = (*INPUTS, TensorSpec(name="n", dtype="int64", shape=(1,)))
    with pytest.raises(InvalidData, match="constants: found nothing for n"):
        read(folder({**BASIC, "input": "x"}), two)
    with pytest.raises(InvalidData, match=r"constants: found \[1.5\] for 'n' of int64"):
        read(folder({**BASIC, "constants": {"n": [1.5]}}), two)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n1234"])
def test_a_broken_picture_is_named(folder, content):
    path = folder()
    (path / "two.png").write_bytes(content)
    with pytest.raises(InvalidData, match="two.png: found a file that cannot be read"):
        read(path)


def test_more_bits_than_eight_are_refused(folder):
    path = folder()
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(path / "two.png")
    with pytest.raises(InvalidData, match="two.png: found pixels of mode I;16, expected 8 bits"):
        read(path)


def test_a_picture_like_a_thread_is_not_blown_up(folder):
    path = folder({**BASIC, "resize": "crop"}, **{"thread.png": picture(1, 20_000)})
    wide = (TensorSpec(name="x", dtype="float32", shape=(None, 3, 800, 800)),)
    (path / "preprocess.yaml").write_text(json.dumps({**BASIC, "size": [800, 800], "resize": "crop"}))
    with pytest.raises(InvalidData, match="thread.png: found 1 × 20000 pixels"):
        read(path, wide)
