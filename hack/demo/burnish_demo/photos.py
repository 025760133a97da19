"""Images for the text detector: typeset pages, and the photographs and scans that scikit-image ships.

What the detector expects is written in its wheel: sides that are multiples of 32, channels
blue-green-red, mean and deviation 0.5, so values from -1 to 1.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from burnish_demo.pages import scanned, typeset
from burnish_demo.pictures import load
from burnish_demo.prose import words_of
from burnish_demo.samples import Samples, stack

SIDE = 320

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PhotoSet:
    """Crops of these photographs, and typeset pages from these modules. Two sets share neither."""

    photographs: tuple[str, ...]
    crops: int
    modules: tuple[str, ...]
    pages: int
    seed: int


CALIBRATION = PhotoSet(
    ("page.png", "coffee.png", "rocket.jpg", "camera.png"), 3, ("argparse", "difflib", "doctest"), 12, seed=3
)
EVALUATION = PhotoSet(
    ("text.png", "astronaut.png", "motorcycle_left.png", "chelsea.png"),
    4,
    ("_pydecimal", "statistics", "pickletools"),
    16,
    seed=4,
)


def photo_samples(photos: PhotoSet) -> Samples:
    """`x` float32 [photographs·crops + pages, 3, 320, 320]."""
    random = np.random.default_rng(photos.seed)
    words = words_of(photos.modules)
    images = [crop(random, load(name)) for name in photos.photographs for _ in range(photos.crops)]
    images += [crop(random, scanned(random, typeset(random, words), 1.0)) for _ in range(photos.pages)]
    return {"x": stack([preprocess(image) for image in images])}


def crop(random: np.random.Generator, image: Image.Image) -> Image.Image:
    """A square of 60 to 100 % of the short side, somewhere in the image."""
    side = int(min(image.size) * random.uniform(0.6, 1.0))
    left = int(random.integers(0, image.width - side + 1))
    top = int(random.integers(0, image.height - side + 1))
    return image.crop((left, top, left + side, top + side))


def preprocess(image: Image.Image) -> Float32:
    """float32 [3, 320, 320], as the detector's own package does it."""
    resized = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    pixels = np.asarray(resized, np.float32)[:, :, ::-1]
    return np.ascontiguousarray(((pixels / 255 - 0.5) / 0.5).transpose(2, 0, 1), np.float32)
