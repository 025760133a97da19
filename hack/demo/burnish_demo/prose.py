"""Real English text: what the standard library's docstrings say, read from its source files."""

import ast
import importlib.util
from collections.abc import Sequence
from pathlib import Path

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def words_of(modules: Sequence[str]) -> list[str]:
    """All words of the docstrings of modules, in the order of the source. Nothing is imported or run."""
    words: list[str] = []
    for name in modules:
        tree = ast.parse(_source(name))
        for node in ast.walk(tree):
            if isinstance(node, _DOCUMENTED):
                words += (ast.get_docstring(node) or "").split()
    return words


def _source(name: str) -> str:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(name)
    return Path(spec.origin).read_text(encoding="utf-8")
