"""A picture becomes an array, as a declaration says. Pure, but for the reading of the file."""

from collections.abc import Callable, Mapping
from math import ceil, floor
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from burnish_engine.errors import one_line
from burnish_optimizer.errors import InvalidData
from burnish_optimizer.ingest.preprocess import Align, Color, Layout, Preprocess, Resize
from burnish_runtime.session import Array

# What is read, and no other format of Pillow: some of them run programs.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
# Modes of 8 bits a channel; others (16 bits, floating point) would be cut to them silently.
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")

# To a number of whole steps.
ROUNDING: Mapping[Resize, Callable[[float], int]] = MappingProxyType(
    {Resize.STRETCH: round, Resize.CROP: floor, Resize.LETTERBOX: ceil}
)
# As Pillow's own limit, above which it speaks of a decompression bomb.
MOST_PIXELS = 89_478_485


def read_picture(path: Path, color: Color) -> Image.Image:
    """The first frame, upright as its EXIF data say, without transparency, in 8 bits a channel.

    Raises: InvalidData: no picture, a broken one, one of more bits, or one that is too large to be true.
    """
    try:
        with Image.open(path, formats=FORMATS) as opened:
            if opened.mode not in MODES:
                raise unreadable(path, f"pixels of mode {opened.mode}", "8 bits a channel")
            turned = ImageOps.exif_transpose(opened)
            return turned.convert("L" if color is Color.GRAY else "RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        found = f"a file that cannot be read ({one_line(error, 160)})"
        raise unreadable(path, found, f"a picture: {', '.join(FORMATS)}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise unreadable(path, one_line(error, 160), "a picture of a size that fits in memory") from error


def to_array(picture: Image.Image, how: Preprocess, dtype: str) -> Array:
    """[channels, height, width], or [height, width, channels], of `dtype`."""
    pixels = np.asarray(resized(picture, how))
    pixels = pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels
    if how.color is Color.BGR:
        pixels = pixels[:, :, ::-1]
    if how.scale is not None:
        mean, std, scale = (np.asarray(number, np.float32) for number in (how.mean, how.std, how.scale))
        pixels = (pixels.astype(np.float32) * scale - mean) / std
    if how.layout is Layout.NCHW:
        pixels = pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(pixels, dtype=dtype)


def resized(picture: Image.Image, how: Preprocess) -> Image.Image:
    """The picture in its size.

    Raises: ValueError: on the way there it would have more pixels than are decoded of any picture.
    """
    height, width = picture.height, picture.width
    resample = Image.Resampling[how.interpolation.name]
    if how.size is not None:
        inner, outer = _fixed(height, width, how, how.size)
    else:
        inner, outer = _free(height, width, how, how.multiple_of or 1)
    if inner[0] * inner[1] > MOST_PIXELS:
        raise ValueError(f"{height} × {width} pixels, resized to {inner[0]} × {inner[1]} before cropping")
    if inner != (height, width):
        picture = picture.resize((inner[1], inner[0]), resample)
    return picture if inner == outer else _placed(picture, outer, how)


Sides = tuple[int, int]


def _fixed(height: int, width: int, how: Preprocess, size: Sides) -> tuple[Sides, Sides]:
    """Height and width before and after cropping or padding."""
    if how.resize is Resize.STRETCH:
        return size, size
    ratios = size[0] / height, size[1] / width
    if how.resize is Resize.LETTERBOX:
        return _scaled(height, width, min(ratios), most=size), size
    ratio = how.shorter_side / min(height, width) if how.shorter_side else max(ratios)
    return _scaled(height, width, ratio, least=size), size


def _free(height: int, width: int, how: Preprocess, step: int) -> tuple[Sides, Sides]:
    ratio = min(1.0, how.max_side / max(height, width)) if how.max_side else 1.0
    inner = _scaled(height, width, ratio)
    rounding = ROUNDING[how.resize]
    outer = (max(1, rounding(inner[0] / step)) * step, max(1, rounding(inner[1] / step)) * step)
    if how.resize is Resize.STRETCH:
        return outer, outer
    # A side below one step cannot be cropped to it: it is enlarged.
    grown = (max(inner[0], outer[0]), max(inner[1], outer[1]))
    return (grown if how.resize is Resize.CROP else inner), outer


def _scaled(
    height: int, width: int, ratio: float, *, least: Sides = (1, 1), most: Sides | None = None
) -> Sides:
    sides = max(least[0], round(height * ratio)), max(least[1], round(width * ratio))
    return sides if most is None else (min(sides[0], most[0]), min(sides[1], most[1]))


def _placed(picture: Image.Image, outer: Sides, how: Preprocess) -> Image.Image:
    """The middle of a larger picture, or a smaller one on a ground of one colour."""
    spare = outer[0] - picture.height, outer[1] - picture.width
    if how.resize is Resize.CROP:
        top, left = -spare[0] // 2, -spare[1] // 2
        return picture.crop((left, top, left + outer[1], top + outer[0]))
    ground: Any = how.pad if picture.mode == "L" else (how.pad,) * 3
    placed = Image.new(picture.mode, (outer[1], outer[0]), ground)
    at = (0, 0) if how.align is Align.START else (spare[1] // 2, spare[0] // 2)
    placed.paste(picture, at)
    return placed


def unreadable(path: Path, found: str, expected: str) -> InvalidData:
    """The error that names a picture."""
    return InvalidData(str(path), found=found, expected=expected, remedy="Convert it, or leave it out.")
