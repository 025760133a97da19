"""A folder of pictures as samples: what `preprocess.yaml` declares, checked against the model's input."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from burnish_engine.descriptor import TensorSpec
from burnish_optimizer.errors import InvalidData
from burnish_optimizer.ingest.labels import labels_of
from burnish_optimizer.ingest.pictures import read_picture, to_array, unreadable
from burnish_optimizer.ingest.preprocess import EXAMPLE, Layout, Preprocess, declared, read_preprocess
from burnish_optimizer.ingest.samples import PICTURES, Sample
from burnish_runtime.check import format_shape
from burnish_runtime.dtypes import carrier
from burnish_runtime.session import Array

FLOATS = ("float16", "float32", "float64")
INTEGERS = ("uint8", "int32", "int64")


class ImageFolder:
    """Pictures below a folder, in the order of their paths."""

    def __init__(self, folder: Path, inputs: Sequence[TensorSpec]) -> None:
        """Read the declaration and the labels; pictures are read when they are wanted.

        Raises: InvalidData: no declaration, or one that does not fit the model.
        """
        path = declared(folder)
        if path is None:
            raise InvalidData(
                str(folder), found="pictures, and nothing that says how they become arrays",
                expected="a file preprocess.yaml", remedy=EXAMPLE,
            )  # fmt: skip
        self._folder, self._how = folder, read_preprocess(path)
        self._spec = _input(path, self._how, inputs)
        self._dtype = _checked(path, self._how, self._spec)
        self._constants = _constants(path, self._how, self._spec, inputs)
        self._files = picture_files(folder)
        self._labels = labels_of(folder, self._files, self._how.classes)

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[Sample]:
        for file in self._files:
            picture = read_picture(self._folder / file, self._how.color)
            try:
                array = to_array(picture, self._how, self._dtype)
            except ValueError as error:
                raise unreadable(self._folder / file, str(error), "a picture of usual proportions") from error
            label = np.asarray(self._labels[file]) if file in self._labels else None
            yield Sample(str(self._folder / file), {self._spec.name: array, **self._constants}, label)


def picture_files(folder: Path) -> list[str]:
    """Pictures below a folder, by their relative paths, in order."""
    found = (p for p in folder.rglob("*") if p.suffix.lower() in PICTURES and p.is_file())
    return sorted(p.relative_to(folder).as_posix() for p in found)


def _input(path: Path, how: Preprocess, inputs: Sequence[TensorSpec]) -> TensorSpec:
    """The input that pictures go into."""
    names = [spec.name for spec in inputs]
    open_ones = [spec for spec in inputs if spec.name not in how.constants]
    chosen = [s for s in open_ones if s.name == how.input] if how.input else open_ones
    if len(chosen) == 1 and len(open_ones) == 1:
        return chosen[0]
    left = [spec.name for spec in open_ones if spec not in chosen] if len(chosen) == 1 else []
    raise InvalidData(
        f"{path}, {'constants' if left else 'input'}",
        found=f"nothing for {', '.join(left)}" if left else f"{how.input!r}" if how.input else "no name",
        expected="a value for each other input of the model" if left else f"one of {', '.join(names)}",
        remedy="Name the input that pictures go into, and give `constants` for all others.",
    )


def _checked(path: Path, how: Preprocess, spec: TensorSpec) -> str:
    """The element type. Raises: InvalidData: a layout, size or type that is not the model's."""
    dtype = how.dtype or spec.dtype
    if dtype != spec.dtype or dtype not in (*FLOATS, *INTEGERS):
        raise InvalidData(
            f"{path}, dtype",
            found=f"{dtype}, for input {spec.name!r} of {spec.dtype}",
            expected=f"the model's own, and one of {', '.join((*FLOATS, *INTEGERS))}",
        )
    _check_scale(path, how, dtype)
    height, width = how.size or (None, None)
    wanted = _in_layout(how.layout, how.color.channels, height, width)
    if len(spec.shape) != 4 or any(
        None not in (w, s) and w != s for w, s in zip(wanted, spec.shape[1:], strict=True)
    ):
        raise InvalidData(
            str(path),
            found=f"{how.layout}, {how.color}, size {list(how.size) if how.size else 'free'}: "
            f"{format_shape((None, *wanted))}",
            expected=f"{format_shape(spec.shape)}, the shape of input {spec.name!r}",
            remedy=_shape_remedy(how, spec),
        )
    if how.size is None and None not in spec.shape[1:]:
        raise InvalidData(
            f"{path}, multiple_of",
            found=f"free sizes, for input {spec.name!r} of shape {format_shape(spec.shape)}",
            expected="size: the model takes one size alone",
        )
    return dtype


def _check_scale(path: Path, how: Preprocess, dtype: str) -> None:
    if dtype in FLOATS and how.scale is None:
        raise InvalidData(
            f"{path}, scale",
            found="none, for numbers of floating point",
            expected="scale: 1/255 for values of 0 … 1, or scale: 1 for 0 … 255",
            remedy="Write what the model was trained with: a wrong scale gives wrong ranges and answers.",
        )
    is_raw = how.scale in (None, 1.0) and set(how.mean) == {0.0} and set(how.std) == {1.0}
    if dtype in INTEGERS and not is_raw:
        raise InvalidData(
            f"{path}, scale",
            found=f"scale {how.scale}, mean {list(how.mean)}, std {list(how.std)} for {dtype}",
            expected="pixels as they are: no scale, mean or std",
        )


def _in_layout(
    layout: Layout, channels: int, height: int | None, width: int | None
) -> tuple[int | None, ...]:
    return (channels, height, width) if layout is Layout.NCHW else (height, width, channels)


def _shape_remedy(how: Preprocess, spec: TensorSpec) -> str:
    if len(spec.shape) != 4:
        return "Give such samples as .npy or .npz: pictures have four axes."
    first, last = spec.shape[1], spec.shape[3]
    if how.layout is Layout.NCHW and last == how.color.channels != first:
        return "The model's channels come last: write layout: NHWC."
    if how.layout is Layout.NHWC and first == how.color.channels != last:
        return "The model's channels come first: write layout: NCHW."
    return "Correct size, layout or color."


def _constants(
    path: Path, how: Preprocess, chosen: TensorSpec, inputs: Sequence[TensorSpec]
) -> dict[str, Array]:
    """Arrays for the other inputs, in their types. Their shapes are checked with every sample's."""
    specs = {spec.name: spec for spec in inputs if spec.name != chosen.name}
    unknown = sorted(set(how.constants) - set(specs))
    if unknown:
        raise InvalidData(
            f"{path}, constants", found=repr(unknown[0]), expected=f"inputs of the model: {', '.join(specs)}"
        )
    try:
        return {name: _constant(value, specs[name]) for name, value in how.constants.items()}
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidData(f"{path}, constants", found=str(error), expected="numbers in lists") from error


def _constant(value: object, spec: TensorSpec) -> Array:
    given, dtype = np.asarray(value), carrier(spec.dtype)
    if given.dtype.kind not in "biuf" or (given.dtype.kind == "f" and dtype.kind != "f"):
        raise ValueError(f"{value!r} for {spec.name!r} of {spec.dtype}")
    return given.astype(dtype)
