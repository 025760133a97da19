"""Rendered text with known content: fonts out of packages, words out of docstrings."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from burnish_bench.places import models_folder
from burnish_demo.models import WheelModel, fetch
from burnish_demo.pages import scanned
from burnish_demo.prose import words_of
from burnish_runtime.session import Array

FONTS = {
    "DejaVuSans": "3fdf69cabf06049ea70a00b5919340e2ce1e6d02b0cc3c4b44fb6801bd1e0d22",
    "DejaVuSerif": "107244956e9962b9e96faccdc551825e0ae0898ae13737133e1b921a2fd35ffa",
    "DejaVuSansMono": "602ec86b8948cfcd956482fe64f94c36c867770149ef2f791d4613f443bcecb3",
    "DejaVuSans-Bold": "b184b89e3c1075f22f6b71575b6fc20d4972b3cfd3b23322ca6fd596dcaef167",
    "DejaVuSerif-Italic": "3e7994fbc54fa10ce3352a42d548fadd7d9cadb69cb1109bc9d960f6dac57f04",
}
NAMES = (*FONTS, "default")
# Two sets of words that share no source.
MODULES = {
    "calibration": ("argparse", "difflib", "doctest", "heapq", "zipfile", "logging", "tarfile"),
    "evaluation": ("_pydecimal", "statistics", "pickletools", "random", "typing", "subprocess", "datetime"),
}


@cache
def words(kind: str) -> tuple[str, ...]:
    """Words of at least two plain letters, in the order of their source."""
    return tuple(w for w in words_of(MODULES[kind]) if len(w) > 1 and w.isascii() and w.isprintable())


@cache
def font(name: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A face of matplotlib's wheel, or Pillow's own ("default")."""
    if name == "default":
        return ImageFont.load_default(size)
    member = f"matplotlib/mpl-data/fonts/ttf/{name}.ttf"
    wheel = WheelModel(name, "matplotlib==3.11.2", member, f"sha256:{FONTS[name]}", "Bitstream Vera")
    return ImageFont.truetype(str(fetch(wheel, models_folder())), size)


def any_font(random: np.random.Generator, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """One of the faces."""
    return font(NAMES[int(random.integers(len(NAMES)))], size)


def some_words(random: np.random.Generator, source: Sequence[str], longest: int) -> str:
    """Words that follow each other in the source, at most `longest` characters."""
    start = int(random.integers(0, len(source) - 12))
    text = source[start][:longest]
    for word in source[start + 1 : start + 12]:
        if len(text) + 1 + len(word) > longest:
            break
        text += f" {word}"
    return text


def line_image(random: np.random.Generator, text: str) -> Image.Image:
    """The text alone on paper, as a camera of varying quality sees it; grey, 48 pixels high or so."""
    face = any_font(random, int(random.integers(24, 36)))
    left, top, right, bottom = face.getbbox(text)
    margin = [int(m) for m in random.integers(3, 9, 4)]
    size = (int(right - left) + margin[0] + margin[1], int(bottom - top) + margin[2] + margin[3])
    paper, ink = int(random.integers(140, 256)), int(random.integers(0, 90))
    if random.random() < 0.2:
        paper, ink = ink, paper
    image = Image.new("L", size, paper)
    ImageDraw.Draw(image).text((margin[0] - left, margin[2] - top), text, fill=ink, font=face)
    return scanned(random, image, float(random.uniform(0.1, 0.7)))


def strip(image: Image.Image, width: int, height: int = 48) -> Array:
    """float32 [3, height, width] as PP-OCR takes it: values from -1 to 1, zeros right of the text."""
    wide = min(width, max(1, round(image.width * height / image.height)))
    pixels = np.asarray(image.convert("RGB").resize((wide, height), Image.Resampling.BILINEAR), np.float32)[
        :, :, ::-1
    ]
    padded = np.zeros((3, height, width), np.float32)
    padded[:, :, :wide] = ((pixels / 255 - 0.5) / 0.5).transpose(2, 0, 1)
    return padded
