"""Where models are taken from, and where rewritten ones and their reports go. Nothing is ever lost:

a model is written to a folder of its own beside its place, and renamed into it when it is whole. What
is there already stays, unless it is told to go; and the source never goes.
"""

import filecmp
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from burnish_engine.errors import NotFound, StalledError
from burnish_optimizer.ingest import light
from burnish_optimizer.ingest.external_data import external_files

SUFFIX = ".onnx"
DATA_SUFFIX = ".data"
REPORT_SUFFIXES = (".html", ".json")


class OutputExists(StalledError):
    """Something lies where the result should go."""


class NoPlace(StalledError):
    """The result cannot lie where it should go."""


@dataclass(frozen=True)
class Planned:
    """One model: the file that it is in, and where its rewritten form and its reports (if any) go."""

    name: str
    source: Path
    output: Path
    reports: tuple[Path, ...] = ()

    @property
    def data(self) -> Path:
        """External data of the output, where it has any."""
        return self.output.with_name(self.output.name + DATA_SUFFIX)


def plan(model: Path, output: Path, report: Path | None, *, force: bool) -> list[Planned]:
    """A file as one model; a folder as every .onnx in it, each under its own relative name.

    Args:
        report: where the report goes; a folder of reports, a page and a record for each, for a folder.
        force: what exists may be replaced.
    Raises: NotFound: no model.   OutputExists: a place is taken, or would lie within the source.
        NoPlace: its folder cannot be made.
    """
    if not model.exists():
        raise NotFound(str(model), found="nothing there", expected="an ONNX model, or a folder of them")
    if not model.is_dir():
        planned = [Planned(model.name, model, output, (report,) if report else ())]
    else:
        planned = _of_folder(model, output, report)
    if model.is_dir() and output.exists() and not force:
        raise _taken(output)
    for one in planned:
        _check(one, force=force)
    for one in planned:
        _make_room(one)
    return planned


def _of_folder(model: Path, output: Path, report: Path | None) -> list[Planned]:
    if output.resolve().is_relative_to(model.resolve()):
        raise OutputExists(
            str(output),
            found="a place within the folder of sources",
            expected="an output folder outside of it: the next run would take the results for sources",
            remedy="Name another folder with -o.",
        )
    names = sorted(p.relative_to(model) for p in model.rglob("*" + SUFFIX) if p.is_file())
    if not names:
        raise NotFound(str(model), found=f"no {SUFFIX} file", expected="a folder with ONNX models")
    return [Planned(n.as_posix(), model / n, output / n, _reports(report, n)) for n in names]


def _reports(folder: Path | None, name: Path) -> tuple[Path, ...]:
    return tuple(folder / f"{name.as_posix()}{suffix}" for suffix in REPORT_SUFFIXES) if folder else ()


def _check(one: Planned, *, force: bool) -> None:
    if one.output.is_dir():
        raise OutputExists(
            str(one.output),
            found="a folder",
            expected="a file name for the model",
            remedy="Name a file with -o.",
        )
    places = (one.output, one.data, *one.reports)
    resolved = [place.resolve() for place in places]
    twice = next((place for place in resolved if resolved.count(place) > 1), None)
    if twice is not None:
        raise OutputExists(
            str(twice),
            found="the place of the model and of its report",
            expected="one place for each",
            remedy="Name another file with --report.",
        )
    _spare(places, one.source)
    taken = next((place for place in places if place.exists()), None)
    if taken is not None and not force:
        raise _taken(taken)


def _spare(places: Sequence[Path], source: Path) -> None:
    """Raises: OutputExists: the source lies there, or a part of it; no --force replaces that."""
    parts = {source.resolve(): "the source itself, which is never modified"}
    if any(place.resolve().exists() for place in places):
        data = "the external data of the source, which is never modified"
        parts = dict.fromkeys(_files_of(source), data) | parts
    for place in places:
        what = parts.get(place.resolve())
        if what:
            raise OutputExists(
                str(place),
                found=what,
                expected="another place",
                remedy="Name another file with -o or --report.",
            )


def _make_room(one: Planned) -> None:
    """The folders of its places, now: what cannot be written is told before the work, not after it."""
    for place in (one.output, *one.reports):
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except (FileNotFoundError, FileExistsError, NotADirectoryError) as error:
            raise NoPlace(
                str(place),
                found=f"{error.strerror}: {error.filename}",
                expected="a folder that is there or can be made",
                remedy="Name another place with -o or --report.",
            ) from error


def _taken(path: Path) -> OutputExists:
    return OutputExists(
        str(path),
        found="something there",
        expected="a path that does not exist",
        remedy="Name another place, or replace it with --force.",
    )


@contextmanager
def new_file(one: Planned, *, force: bool = False) -> Iterator[Path]:
    """A place to write the model to; when the block ends well, what lies there goes to where it belongs.

    The data go first: a model is never seen without them.
    Raises: OutputExists: other data lie in their place, and may not be replaced or are the source's own.
    """
    one.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=one.output.parent, prefix=".burnish-") as folder:
        place = Path(folder) / one.output.name
        yield place
        for data in sorted(p for p in Path(folder).rglob("*") if p.is_file() and p != place):
            _publish(data, one.output.parent / data.relative_to(folder), one.source, force=force)
        _put(place, one.output, force=force)


def _put(place: Path, output: Path, *, force: bool) -> None:
    """The model to its place. What came there meanwhile stays, unless it may be replaced."""
    if not force:
        try:
            output.hardlink_to(place)
        except FileExistsError as error:
            raise _taken(output) from error
        except OSError:
            pass  # a file system without such links
        else:
            return
    place.replace(output)


def write_whole(path: Path, text: str) -> None:
    """Write a text whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _publish(data: Path, place: Path, source: Path, *, force: bool) -> None:
    """External data to their place; what lies there already, and is the same, stays."""
    if place.exists():
        if filecmp.cmp(data, place, shallow=False):
            return
        _spare([place], source)
        if not force:
            raise _taken(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    data.replace(place)


def _files_of(source: Path) -> frozenset[Path]:
    try:
        model = light.load(source, light.forget)
    except (OSError, DecodeError):
        return frozenset()
    return frozenset(file.resolve() for file in external_files(source, model))
