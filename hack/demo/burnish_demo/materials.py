"""What goes into the registry: two models and four data sets, each an artifact of one file.

Data sets are made once and kept in the cache under a digest of everything that shapes them, so a
second run pushes the same bytes, and Burnish finds the engines that it has built already.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from burnish_demo import models, pages, photos, samples
from burnish_demo.models import PAGE_ORIENTATION, TEXT_DETECTOR
from burnish_demo.samples import Samples
from burnish_engine import digest as digests

SHAPING_PACKAGES = ("numpy", "pillow", "scikit-image")
SHAPING_MODULES = ("pages.py", "photos.py", "pictures.py", "prose.py", "samples.py")


@dataclass(frozen=True)
class Material:
    """A file with its place in the registry, `<repository>:1` below the registry's prefix."""

    repository: str
    path: Path

    @property
    def reference(self) -> str:
        return f"{self.repository}:1"


@dataclass(frozen=True)
class Recipe:
    """How one data set is made."""

    repository: str
    make: Callable[[], Samples]


RECIPES = (
    Recipe("data/pages", lambda: pages.page_samples(pages.CALIBRATION, labelled=False)),
    Recipe("data/pages-labelled", lambda: pages.page_samples(pages.EVALUATION, labelled=True)),
    Recipe("data/photos", lambda: photos.photo_samples(photos.CALIBRATION)),
    Recipe("data/photos-unseen", lambda: photos.photo_samples(photos.EVALUATION)),
)
PAGES_LABELLED = RECIPES[1].repository


def all_materials(cache: Path) -> list[Material]:
    """Fetch and make everything, or find it in the cache."""
    fetched = [
        Material(f"models/{model.name}", models.fetch(model, cache / "models"))
        for model in (PAGE_ORIENTATION, TEXT_DETECTOR)
    ]
    return fetched + [Material(each.repository, made(each, cache / "data")) for each in RECIPES]


def made(recipe: Recipe, cache: Path) -> Path:
    """The data set's file, made where it is not there yet."""
    name = recipe.repository.rpartition("/")[2]
    path = cache / shape_digest().removeprefix("sha256:")[:16] / name / "samples.npz"
    if not path.is_file():
        samples.write(path, recipe.make())
    return path


def shape_digest() -> str:
    """A digest of all that decides the bytes of a data set: our code, and the versions of what it uses."""
    here = Path(__file__).parent
    facts = {name: digests.of_file(here / name) for name in SHAPING_MODULES}
    facts |= {name: version(name) for name in SHAPING_PACKAGES}
    return digests.of_json(facts | {"python": sys.version})
