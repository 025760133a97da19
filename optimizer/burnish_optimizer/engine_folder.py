"""The engine folder: the model's files, `engine.json`, `report.json`, `report.html`."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from burnish_engine.descriptor import ENGINE_FILE, REPORT_FILE, REPORT_PAGE, EngineDescriptor
from burnish_engine.faults import DiskFull, written_to
from burnish_engine.report import Report
from burnish_optimizer.errors import InvalidJob


def write_engine(
    folder: Path, files: dict[str, Path], descriptor: EngineDescriptor, report: Report, page: str
) -> None:
    """Copy the model's files and write the records beside them. `engine.json` comes last.

    Raises: InvalidJob: the folder is not empty and holds no engine that could be replaced.   DiskFull.
    """
    check_output(folder)
    _empty(folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with written_to(folder):
            for name, source in files.items():
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
            (folder / REPORT_FILE).write_text(report.model_dump_json(indent=2), encoding="utf-8")
            (folder / REPORT_PAGE).write_text(page, encoding="utf-8")
            (folder / ENGINE_FILE).write_text(descriptor.model_dump_json(indent=2), encoding="utf-8")
    except BaseException:
        _empty(folder)
        with suppress(OSError):  # a mount point stays
            folder.rmdir()
        raise


def check_output(folder: Path) -> None:
    """Refuse, before any work, a folder whose content is not ours to replace, or that cannot be written.

    Raises: InvalidJob.
    """
    is_foreign = folder.is_dir() and any(folder.iterdir()) and not (folder / ENGINE_FILE).is_file()
    if folder.is_file() or is_foreign:
        raise InvalidJob(
            str(folder),
            found="files that are no engine",
            expected="an empty folder, an earlier engine, or nothing",
            remedy="Name another output folder.",
        )
    nearest = _nearest(folder)
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise InvalidJob(
            str(folder),
            found=f"{nearest}, which cannot be written to",
            expected="a place for the engine",
            remedy="Name another output folder, or change the permissions.",
        )


def check_room(folder: Path, needed_bytes: int) -> None:
    """Refuse, before any work, a disk without room for the source: it is the engine where nothing beats it.

    Raises: DiskFull.
    """
    free = shutil.disk_usage(_nearest(folder)).free
    if free < needed_bytes:
        raise DiskFull(
            str(folder),
            found=f"{free} bytes free",
            expected=f"{needed_bytes} at least: the source is the engine where nothing beats it",
            remedy="Free space, or name another output folder.",
        )


def _nearest(folder: Path) -> Path:
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def _empty(folder: Path) -> None:
    if folder.is_dir():
        for entry in folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()
