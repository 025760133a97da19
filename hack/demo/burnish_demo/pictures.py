"""Real pictures: what scikit-image's wheel carries. The library is not imported: that takes a second."""

import importlib.util
from pathlib import Path

from PIL import Image


def load(name: str) -> Image.Image:
    """A file of scikit-image's data folder, in RGB."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("skimage")
    with Image.open(Path(spec.origin).parent / "data" / name) as image:
        return image.convert("RGB")
