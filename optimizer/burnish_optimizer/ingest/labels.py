"""Right classes of files: a column of `labels.csv`, or the names of sub-folders."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from burnish_optimizer.errors import InvalidData

NAME = "labels.csv"
HEADER = ["file", "label"]
Labels = Mapping[str, int]


def labels_of(folder: Path, files: Sequence[str], classes: Sequence[str] = ()) -> Labels:
    """Class numbers by file, `files` being relative to the folder; none where nothing tells them.

    From `labels.csv` where there is one; else from the first sub-folder of each file, where those are the
    declared classes, or all are numbers.
    Raises: InvalidData: a row or folder of no class, or a file without one.
    """
    if (folder / NAME).is_file():
        return _of_table(folder / NAME, files, classes)
    above = {file: PurePosixPath(file).parts[0] if "/" in file else "" for file in files}
    if classes:
        return {file: _number(f"{folder}/{file}", name, classes) for file, name in above.items()}
    if above and all(name.isdecimal() for name in above.values()):
        return {file: int(name) for file, name in above.items()}
    return {}


def _of_table(path: Path, files: Sequence[str], classes: Sequence[str]) -> Labels:
    with path.open(encoding="utf-8-sig", newline="") as opened:
        try:
            rows = list(csv.reader(opened))
        except (csv.Error, UnicodeDecodeError) as error:
            raise InvalidData(str(path), found=str(error), expected="comma-separated text") from error
    if not rows or [name.strip() for name in rows[0]] != HEADER:
        found = f"the first row {','.join(rows[0])[:80]!r}" if rows else "an empty file"
        raise InvalidData(str(path), found=found, expected=",".join(HEADER))
    told: dict[str, int] = {}
    for number, row in enumerate(rows[1:], start=2):
        if row:
            file, label = _row(f"{path}, row {number}", row)
            told[file] = _number(f"{path}, row {number}", label, classes)
    missing = [file for file in files if file not in told]
    if missing:
        raise InvalidData(
            str(path),
            found=f"no row for {missing[0]!r} ({len(missing)} such files)",
            expected="a row for each",
        )
    return told


def _row(where: str, row: Sequence[str]) -> tuple[str, str]:
    if len(row) != len(HEADER):
        raise InvalidData(where, found=f"{len(row)} columns", expected=",".join(HEADER))
    return PurePosixPath(row[0].strip()).as_posix(), row[1].strip()


def _number(where: str, name: str, classes: Sequence[str]) -> int:
    if name in classes:
        return classes.index(name)
    if not classes and name.isdecimal():
        return int(name)
    raise InvalidData(
        where,
        found=f"class {name!r}" if name else "a file outside of every class",
        expected=f"one of {', '.join(classes)}" if classes else "a class number, 0 or more",
        remedy="Name it in `classes` of the preprocess file, or correct it here." if name else "",
    )
