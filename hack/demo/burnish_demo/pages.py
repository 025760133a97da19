"""Pages with a known orientation: text set in columns, scanned not too well, turned by quarters.

What the page-orientation model expects is written in its wheel: the short side resized to 256, the
middle 224 × 224, channels blue-green-red, ImageNet's mean and deviation; class k = the page was
turned clockwise by k × 90°.
"""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from burnish_demo.pictures import load
from burnish_demo.prose import words_of
from burnish_demo.samples import LABEL, Samples, stack

SIDE = 224
SHORT_SIDE = 256
QUARTERS = 4
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
# A4 at 75 dots per inch: 10 to 28 pixels are 10 to 27 points, the sizes of real pages.
_PAGE_SIZE = (620, 877)
_MARGIN = 40
_FONT_SIZES = (10, 11, 12, 14, 18, 22, 28)
_LEADING = 1.4
_MEAN_GLYPH_WIDTH = 0.52

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PageSet:
    """Which pages: `typeset` ones from modules' text, drawn from `seed`, and a part of a scanned book page.

    `scan` is a box (left, top, right, bottom) in `page.png`. Two sets share nothing.
    """

    modules: tuple[str, ...]
    seed: int
    typeset: int
    scan: tuple[int, int, int, int]


CALIBRATION = PageSet(
    ("argparse", "difflib", "doctest", "heapq", "zipfile"), seed=1, typeset=15, scan=(0, 0, 192, 191)
)
EVALUATION = PageSet(
    ("_pydecimal", "statistics", "pickletools", "random", "typing"),
    seed=2,
    typeset=44,
    scan=(192, 0, 384, 191),
)


def page_samples(pages: PageSet, *, labelled: bool) -> Samples:
    """N pages in four orientations each: `x` float32 [4·N, 3, 224, 224], `label` int64 [4·N]."""
    inputs = [preprocess(turned(page, quarter)) for page in _all(pages) for quarter in range(QUARTERS)]
    arrays: Samples = {"x": stack(inputs)}
    labels = np.arange(len(inputs), dtype=np.int64) % QUARTERS
    return arrays | {LABEL: labels} if labelled else arrays


def _all(pages: PageSet) -> Iterator[Image.Image]:
    words = words_of(pages.modules)
    for index in range(pages.typeset):
        yield scanned_page(np.random.default_rng((pages.seed, index)), words)
    yield load("page.png").crop(pages.scan)


def turned(page: Image.Image, quarter: int) -> Image.Image:
    """The page turned clockwise by quarter × 90°."""
    return page.rotate(-90 * quarter, expand=True)


def preprocess(page: Image.Image) -> Float32:
    """float32 [3, 224, 224], as the model's own package does it."""
    scale = SHORT_SIDE / min(page.size)
    size = (round(page.width * scale), round(page.height * scale))
    resized = page.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    left, top = (size[0] - SIDE) // 2, (size[1] - SIDE) // 2
    pixels = np.asarray(resized.crop((left, top, left + SIDE, top + SIDE)), np.float32)[:, :, ::-1]
    return np.ascontiguousarray(((pixels / 255 - _MEAN) / _DEVIATION).transpose(2, 0, 1), np.float32)


def scanned_page(random: np.random.Generator, words: Sequence[str]) -> Image.Image:
    """A typeset page, as a scanner of varying quality sees it."""
    return scanned(random, typeset(random, words), quality_loss=float(random.uniform(0.5, 3.5)))


def typeset(random: np.random.Generator, words: Sequence[str]) -> Image.Image:
    """Grey paper, one to three columns, paragraphs, one size of type."""
    page = Image.new("L", _PAGE_SIZE, int(random.integers(150, 256)))
    columns = int(random.integers(1, 4))
    size = int(random.choice(_FONT_SIZES))
    width = (page.width - 2 * _MARGIN) // columns
    for column in range(columns):
        _set_column(random, page, words, left=_MARGIN + column * width, width=width, size=size)
    return page


def _set_column(
    random: np.random.Generator, page: Image.Image, words: Sequence[str], *, left: int, width: int, size: int
) -> None:
    start = int(random.integers(0, max(1, len(words) - 2000)))
    per_line = max(6, int((width - 16) / (size * _MEAN_GLYPH_WIDTH)))
    draw, font, ink = ImageDraw.Draw(page), ImageFont.load_default(size), int(random.integers(0, 110))
    y = float(_MARGIN)
    for line in textwrap.wrap(" ".join(words[start : start + 2000]), per_line):
        if y > page.height - 2 * _MARGIN:
            return
        if random.random() < 0.15:  # a paragraph ends
            y += size * _LEADING
        draw.text((left, y), line, fill=ink, font=font)
        y += size * _LEADING


def scanned(random: np.random.Generator, page: Image.Image, quality_loss: float) -> Image.Image:
    """Laid in askew, out of focus, with sensor noise: all in proportion to `quality_loss` (0: perfect)."""
    askew = page.rotate(
        float(random.normal(0, 2 * quality_loss)), fillcolor=128, resample=Image.Resampling.BICUBIC
    )
    blurred = askew.filter(ImageFilter.GaussianBlur(float(random.uniform(0, quality_loss))))
    pixels = np.asarray(blurred, np.float32)
    noisy = pixels + random.normal(0, 8 * quality_loss, pixels.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
