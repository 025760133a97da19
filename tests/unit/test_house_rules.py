"""Rules of the house that no linter holds."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOTS = ("engine", "runtime", "optimizer", "serving", "operator", "cli")
MAX_LINES = 400


@pytest.mark.parametrize("root", ROOTS)
def test_a_source_root_is_a_folder_and_never_a_package(root: str) -> None:
    """A package called `operator` at the top would hide the standard library's."""
    assert not list((ROOT / root).glob("*.py"))
    assert [p.name for p in (ROOT / root).iterdir() if p.is_dir() and p.name != "__pycache__"] == [
        f"burnish_{root}"
    ]


def test_no_test_folder_is_a_package() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_no_source_file_holds_two_things() -> None:
    files = [p for root in (*ROOTS, "hack") for p in (ROOT / root).rglob("*.py")]
    long = {str(p.relative_to(ROOT)): n for p in files if (n := len(p.read_text().splitlines())) > MAX_LINES}
    assert long == {}


def test_every_module_says_what_it_is() -> None:
    files = [p for root in ROOTS for p in (ROOT / root).rglob("*.py")]
    silent = [
        str(p.relative_to(ROOT)) for p in files if p.read_text().strip() and '"""' not in p.read_text()[:200]
    ]
    assert silent == []
