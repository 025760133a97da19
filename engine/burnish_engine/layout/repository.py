"""A model repository on disk, from an engine folder that was verified.

    OUT/NAME/config.pbtxt            (Triton)        OUT/config.json      (OpenVINO Model Server)
    OUT/NAME/1/model.onnx            the model, and the files that it reads, as the engine has them

Files are hard links where the file system allows it: a model takes its space once.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from burnish_engine import digest as digests
from burnish_engine.descriptor import ENGINE_FILE, EngineDescriptor
from burnish_engine.errors import InvalidEngine, StalledError
from burnish_engine.layout import fit, model_server, triton
from burnish_engine.layout.runtimes import ServingRuntime
from burnish_engine.store import read_engine

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
# Says that Burnish laid this out, and may replace it: a folder of somebody else's models is never touched.
MARK = ".burnish-layout"


class InvalidLayout(StalledError):
    """A repository that cannot be laid out as asked."""


def lay_out(folder: Path, out: Path, runtime: ServingRuntime, *, name: str, threads: int) -> EngineDescriptor:
    """Lay out the engine in `folder` at `out`, whole or not at all; what Burnish laid out there before goes.

    Every model file is compared with the digest in `engine.json` once more, as it lies in the repository.
    Raises: EngineNotServable, InvalidEngine, IntegrityError, InvalidLayout.
    """
    engine = read_engine(folder)
    _check_request(out, runtime, name)
    fit.check(str(folder), engine, runtime)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".layout-", dir=out.parent) as scratch:
        made = Path(scratch) / "repository"
        _copy(engine, folder, made / name / str(triton.VERSION))
        for path, text in _configs(engine, runtime, name, threads).items():
            (made / path).write_text(text, encoding="utf-8")
        (made / MARK).write_text(f"{engine.key}\n", encoding="utf-8")
        _replace(out, made, Path(scratch) / "old")
    return engine


def _check_request(out: Path, runtime: ServingRuntime, name: str) -> None:
    if runtime is ServingRuntime.BURNISH:
        expected = "Triton or OpenVINOModelServer: Burnish serves an engine as it lies"
        raise InvalidLayout("runtime", found=runtime.value, expected=expected)
    if not _NAME.fullmatch(name):
        expected = "letters, digits, '.', '_' and '-', a letter or digit first"
        raise InvalidLayout("model name", found=repr(name[:80]), expected=expected)
    if out.exists() and not _is_ours(out):
        raise InvalidLayout(
            str(out),
            found="something there",
            expected="a new path, an empty folder, or a repository that was laid out before",
        )


def _is_ours(out: Path) -> bool:
    return out.is_dir() and ((out / MARK).is_file() or not any(out.iterdir()))


def _copy(engine: EngineDescriptor, folder: Path, target: Path) -> None:
    """The model and every file beside or below it, under the names that it knows them by."""
    base = PurePosixPath(engine.model).parent
    names = [name for name in engine.files if PurePosixPath(name).is_relative_to(base)]
    if engine.model not in names:
        raise InvalidEngine(
            str(folder),
            found=f"no digest of {engine.model!r} in {ENGINE_FILE}",
            expected="the digests of all its files",
            remedy="Build the engine with this version of Burnish.",
        )
    for name in names:
        placed = target / PurePosixPath(name).relative_to(base)
        placed.parent.mkdir(parents=True, exist_ok=True)
        _link(folder / name, placed)
        digests.check(f"{folder}, {name}", found=digests.of_file(placed), expected=engine.files[name])


def _link(source: Path, placed: Path) -> None:
    if source.is_symlink() or not source.is_file():
        raise InvalidEngine(str(source), found="no plain file", expected="one, as engine.json tells")
    try:
        os.link(source, placed)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, placed)


def _configs(engine: EngineDescriptor, runtime: ServingRuntime, name: str, threads: int) -> Mapping[str, str]:
    """Path below the repository -> text."""
    if runtime is ServingRuntime.TRITON:
        file = PurePosixPath(engine.model).name
        return {f"{name}/{triton.CONFIG_FILE}": triton.config(engine, name, file, threads)}
    return {model_server.CONFIG_FILE: model_server.config(engine, name, threads)}


def _replace(out: Path, made: Path, old: Path) -> None:
    if out.exists():
        out.rename(old)
    made.rename(out)
