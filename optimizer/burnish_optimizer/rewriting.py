"""A model file in, a rewritten one out: each run in a process of its own, a pass that kills it left out."""

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from burnish_engine import digest
from burnish_engine.report import RewriteReport
from burnish_optimizer.errors import WorkerFailed
from burnish_optimizer.ingest.model import SourceModel, read_source
from burnish_optimizer.ingest.samples import DataSpec, open_samples
from burnish_optimizer.job import Limits
from burnish_optimizer.measure.process import Watched, read_answer
from burnish_optimizer.progress import Progress, SilentProgress
from burnish_optimizer.targets.fingerprint import available_memory_bytes
from burnish_optimizer.tasks import RewriteTask, RewriteWorkerResult

MAX_CRASHES = 5
POLL_SECONDS = 0.1
MEMORY_SHARE = 0.8


@dataclass(frozen=True)
class RewriteJob:
    """One model.

    Args:
        source: a file, or a folder with one model.   output: where the result goes (its folder exists).
        target: a name of `targets.kernels.TARGETS`.   passes: by name; None: all.
        data: real samples to try.   work_dir: scratch; large models want it on the output's file system.
    """

    source: Path
    output: Path
    work_dir: Path
    target: str = "portable"
    passes: tuple[str, ...] | None = None
    data: Path | DataSpec | None = None
    threads: int | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class RewriteResult:
    """`output` is whole: a copy of the source where nothing was kept (`changed` is false)."""

    output: Path
    report: RewriteReport
    changed: bool


def rewrite_file(job: RewriteJob, progress: Progress | None = None) -> RewriteResult:
    """Rewrite one model with proof.

    Raises:
        InvalidSource, UnsafeSource, UnsupportedOpset, InvalidData: the user must change something.
        WorkerFailed: rewriting died, and not in a pass that could be left out.
    """
    source = read_source(job.source, served=False)
    data = _data(job)
    if data is not None:
        open_samples(data, source.inputs)  # here first: a worker's complaint loses what to do about it
    told = progress or SilentProgress()
    skip: dict[str, str] = {}
    started = time.perf_counter()
    while True:
        folder = job.work_dir / f"rewrite-{len(skip)}"
        try:
            done = _attempt(job, source, folder, skip, told)
            break
        except WorkerFailed as error:
            name = _in_hand(folder)
            if not name or name in skip or len(skip) >= MAX_CRASHES:
                raise
            skip[name] = f"rolled back: its process died: {error.found}"
        finally:
            shutil.rmtree(folder / "weights", ignore_errors=True)
    if not done.changed:
        _copy(source, job.output)
    report = done.report.model_copy(update={"seconds": time.perf_counter() - started})
    return RewriteResult(job.output, report, done.changed)


def _data(job: RewriteJob) -> DataSpec | None:
    return DataSpec(path=str(job.data.resolve())) if isinstance(job.data, Path) else job.data


def _attempt(
    job: RewriteJob, source: SourceModel, folder: Path, skip: dict[str, str], told: Progress
) -> RewriteWorkerResult:
    task = RewriteTask(
        model=str(source.path.resolve()),
        name=source.path.name,
        digest=digest.of_file(source.path),
        output=str(job.output.resolve()),
        target=job.target,
        folder=str((folder / "weights").resolve()),
        journal=str((folder / "journal").resolve()),
        passes=job.passes,
        skip=skip,
        data=_data(job),
        threads=job.threads,
    )
    limit = job.limits.memory_bytes or int(MEMORY_SHARE * available_memory_bytes())
    child = Watched(task, folder, memory_bytes=limit)
    child.allow(job.limits.seconds)
    try:
        _follow(child, Path(task.journal), told)
    finally:
        child.kill()
        child.close()
    if not child.result.is_file():
        raise child.failure()
    return read_answer(child.result.read_bytes(), RewriteWorkerResult, task.run)


def _follow(child: Watched, journal: Path, told: Progress) -> None:
    last = ""
    while child.process.poll() is None:
        line = journal.read_text(encoding="utf-8") if journal.is_file() else ""
        parts = line.split(" ", 2)
        if line != last and len(parts) == 3:
            told.update("rewrite", parts[2], int(parts[0]), int(parts[1]))
            last = line
        time.sleep(POLL_SECONDS)


def _in_hand(folder: Path) -> str:
    journal = folder / "journal"
    parts = journal.read_text(encoding="utf-8").split(" ", 2) if journal.is_file() else []
    return parts[2] if len(parts) == 3 else ""


def _copy(source: SourceModel, output: Path) -> None:
    shutil.copyfile(source.path, output)
    for path in source.files:
        place = output.parent / path.relative_to(source.path.parent)
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            shutil.copyfile(path, place)
