"""How pictures become arrays: a small file, `preprocess.yaml` (or `.yml`, `.json`), in a folder of pictures.

    size: [224, 224]            # height, width; or for free sizes: multiple_of: 32, and max_side: 960
    resize: crop                # stretch | crop (fill, then the middle) | letterbox (whole, then padded)
    shorter_side: 256           # of crop: before the middle is taken; left out: as small as covers the size
    pad: 114                    # of letterbox: the added pixels' value, 0 … 255;  align: center | start
    interpolation: bilinear     # nearest | bilinear | bicubic | lanczos | box
    color: RGB                  # RGB | BGR | GRAY
    scale: 1/255                # pixel · scale, then (… - mean) / std; needed where numbers are not integers
    mean: [0.485, 0.456, 0.406]
    std: [0.229, 0.224, 0.225]
    layout: NCHW                # NCHW | NHWC
    dtype: float32              # left out: the model's
    input: pixel_values         # left out: the model's only one
    constants: {scale_factor: [1, 1]}     # the model's other inputs
    classes: [cat, dog]         # sub-folders, in the order of their class numbers

Nothing is guessed: what a file does not say and a model needs is an error.
"""

from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BeforeValidator, Field, FiniteFloat, ValidationError, model_validator

from burnish_engine.base import Record
from burnish_engine.errors import one_line
from burnish_optimizer.errors import InvalidData
from burnish_optimizer.ingest.samples import DECLARATIONS

EXAMPLE = (
    "Write preprocess.yaml beside the pictures, such as: "
    "{size: [224, 224], resize: crop, color: RGB, scale: 1/255, layout: NCHW}."
)
WHITE = 255


class Resize(StrEnum):
    """How a picture comes to its size."""

    STRETCH = "stretch"
    CROP = "crop"
    LETTERBOX = "letterbox"


class Align(StrEnum):
    """Where a letterboxed picture lies."""

    CENTER = "center"
    START = "start"


class Interpolation(StrEnum):
    """How pixels between pixels are made. Smaller pictures are averaged, as Pillow does."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    LANCZOS = "lanczos"
    BOX = "box"


class Color(StrEnum):
    """Channels, in their order."""

    RGB = "RGB"
    BGR = "BGR"
    GRAY = "GRAY"

    @property
    def channels(self) -> int:
        """How many."""
        return 1 if self is Color.GRAY else 3


class Layout(StrEnum):
    """Order of axes."""

    NCHW = "NCHW"
    NHWC = "NHWC"


def _number(value: object) -> object:
    """1/255 as people write it."""
    return float(Fraction(value)) if isinstance(value, str) else value


def _list(value: object) -> object:
    return value if isinstance(value, list | tuple) else (value,)


Side = Annotated[int, Field(ge=1, le=65_536)]
PerChannel = Annotated[tuple[FiniteFloat, ...], BeforeValidator(_list)]


class Preprocess(Record):
    """See the module. `mean` and `std` are one number, or one for each channel in the order of `color`."""

    size: tuple[Side, Side] | None = None
    multiple_of: Side | None = None
    max_side: Side | None = None
    resize: Resize = Resize.STRETCH
    shorter_side: Side | None = None
    pad: Annotated[int, Field(ge=0, le=WHITE)] = 0
    align: Align = Align.CENTER
    interpolation: Interpolation = Interpolation.BILINEAR
    color: Color = Color.RGB
    scale: Annotated[FiniteFloat, BeforeValidator(_number), Field(gt=0)] | None = None
    mean: PerChannel = (0.0,)
    std: PerChannel = (1.0,)
    layout: Layout = Layout.NCHW
    dtype: str | None = None
    input: str | None = None
    constants: dict[str, Any] = Field(default_factory=dict)
    classes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for wrong, message in self._mistakes():
            if wrong:
                raise ValueError(message)
        return self

    def _mistakes(self) -> list[tuple[bool, str]]:
        sizes = [len(numbers) for numbers in (self.mean, self.std)]
        crop_side, size = self.shorter_side, self.size or ()
        return [
            ((self.size is None) == (self.multiple_of is None), "expected size or multiple_of, and not both"),
            (self.max_side is not None and self.multiple_of is None, "max_side goes with multiple_of"),
            (crop_side is not None and self.resize is not Resize.CROP, "shorter_side goes with resize: crop"),
            (crop_side is not None and not size, "shorter_side goes with size"),
            (crop_side is not None and crop_side < max(size, default=0), "shorter_side is below the size"),
            (any(n not in (1, self.color.channels) for n in sizes), self._channels_message(sizes)),
            (min(self.std) <= 0, "std must be above 0"),
            (len(set(self.classes)) < len(self.classes), "a class is named twice"),
            *self._units(),
        ]

    def _channels_message(self, sizes: list[int]) -> str:
        return (
            f"mean of {sizes[0]} and std of {sizes[1]} numbers, where {self.color} has {self.color.channels}"
        )

    def _units(self) -> list[tuple[bool, str]]:
        """Mean and std must be in the unit that `scale` gives: not of 0 … 1 where values are 0 … 255."""
        if self.scale is None:
            return []
        white, mean, std = WHITE * self.scale, max(map(abs, self.mean)), max(self.std)
        small = white > 2 and 0 < mean <= 1 and std < 1
        large = white <= 2 and mean > 10
        unit = f"values of 0 … {white:g} (scale {self.scale:g}) with mean {list(self.mean)}: mean and std are"
        return [
            (small, f"{unit} those of 0 … 1; write scale: 1/255"),
            (large, f"{unit} those of 0 … 255; write scale: 1, or divide both by 255"),
        ]


def declared(folder: Path) -> Path | None:
    """The file that says how, None: there is none.

    Raises: InvalidData: two of them.
    """
    found = [folder / name for name in DECLARATIONS if (folder / name).is_file()]
    if len(found) > 1:
        raise InvalidData(
            str(folder),
            found=" and ".join(p.name for p in found),
            expected="one of them",
            remedy="Remove one.",
        )
    return found[0] if found else None


def read_preprocess(path: Path) -> Preprocess:
    """Read and check a declaration.

    Raises: InvalidData: names the file, the field, what was found and what is expected.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise InvalidData(
            str(path),
            found=f"text that is no YAML ({one_line(error, 200)})",
            expected="YAML or JSON",
            remedy=EXAMPLE,
        ) from error
    if not isinstance(content, Mapping):
        raise InvalidData(str(path), found="no fields", expected="fields by name", remedy=EXAMPLE)
    try:
        return Preprocess.model_validate(content)
    except (ValidationError, ZeroDivisionError) as error:
        raise _invalid(path, error) from error


def _invalid(path: Path, error: ValidationError | ZeroDivisionError) -> InvalidData:
    if isinstance(error, ZeroDivisionError):
        expected = "a number such as 1/255"
        return InvalidData(f"{path}, scale", found="a division by 0", expected=expected, remedy=EXAMPLE)
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"]))
    if not field:
        return InvalidData(
            str(path),
            found=first["msg"].removeprefix("Value error, "),
            expected="a consistent file",
            remedy=EXAMPLE,
        )
    unknown = first["type"] == "extra_forbidden"
    expected = f"one of {', '.join(Preprocess.model_fields)}" if unknown else first["msg"]
    return InvalidData(f"{path}, {field}", found=repr(first["input"])[:80], expected=expected, remedy=EXAMPLE)
