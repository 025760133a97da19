"""Versions in the engine key: of what was used, and of nothing else."""

import pytest

from burnish_optimizer.backends.recipes import RECIPES
from burnish_optimizer.targets import toolchain as chain

INSTALLED = {
    "onnx": "1",
    "onnx-ir": "2",
    "onnxruntime": "3",
    "openvino": "4",
    "nncf": "5",
    "tensorrt-rtx-cu13": "6",
    "numpy": "7",
}


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    found = dict(INSTALLED)
    monkeypatch.setattr(chain, "_version", lambda name: found.get(name, ""))
    return found


@pytest.mark.parametrize(
    ("library", "distribution"),
    [("nncf", "nncf"), ("nncf", "openvino"), ("openvino", "openvino"), ("tensorrt_rtx", "tensorrt-rtx-cu13")],
)
def test_another_version_of_what_a_recipe_imports_is_another_key(installed, library, distribution):
    before = chain.toolchain({library})
    installed[distribution] = "new"
    assert chain.toolchain({library}) != before


def test_versions_of_what_no_recipe_imports_change_nothing(installed):
    before = chain.toolchain({"onnxruntime", "openvino"})
    installed.update({"nncf": "new", "tensorrt-rtx-cu13": "new", "numpy": "new"})
    assert chain.toolchain({"onnxruntime", "openvino"}) == before


def test_the_runtime_counts_under_either_of_its_names(installed):
    del installed["onnxruntime"]
    installed["onnxruntime-gpu"] = "3"
    assert chain.toolchain()["onnxruntime-gpu"] == "3"


def test_every_recipe_s_library_has_a_version_and_the_report_tells_all_of_them():
    for library in {recipe.library for recipe in RECIPES}:
        assert set(chain.DISTRIBUTIONS[library]) & set(chain.toolchain({library}))
    assert set(chain.versions()) == {"burnish", *INSTALLED}
