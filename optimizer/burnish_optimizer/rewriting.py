"""A model file in, a rewritten one out: each run in a process of its own, a pass that kills it left out."""

import shutil
import time
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from burnish_engine import digest
from burnish_engine.report import RewriteReport
from burnish_optimizer.errors import WorkerFailed
from burnish_optimizer.ingest.fitting import check_fits
from burnish_optimizer.ingest.model import SourceModel, read_source
from burnish_optimizer.ingest.samples import TRIED_SAMPLES, DataSpec, open_samples
from burnish_optimizer.isolated import isolated
from burnish_optimizer.job import Limits
from burnish_optimizer.progress import Progress, SilentProgress
from burnish_optimizer.tasks import RewriteTask, RewriteWorkerResult

MAX_CRASHES = 5


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
        # Here first: a worker's complaint loses what to do about it.
        check_fits(islice(open_samples(data, source.inputs), TRIED_SAMPLES), source.inputs)
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
    task = task_of(job, source, folder, skip)
    follow = _Journal(Path(task.journal), told).follow
    return isolated(task, RewriteWorkerResult, folder, job.limits, follow)


def task_of(
    job: RewriteJob, source: SourceModel, folder: Path, skip: dict[str, str] | None = None
) -> RewriteTask:
    """What the worker is told, which works in `folder`. Args: source: as `read_source` gave it."""
    return RewriteTask(
        model=str(source.path.resolve()),
        name=source.path.name,
        digest=digest.of_file(source.path),
        inputs=source.inputs,
        opset=source.opset,
        external=bool(source.files),
        output=str(job.output.resolve()),
        target=job.target,
        folder=str((folder / "weights").resolve()),
        journal=str((folder / "journal").resolve()),
        passes=job.passes,
        skip=skip or {},
        data=_data(job),
        threads=job.threads,
        uncarried=source.uncarried,
    )


@dataclass
class _Journal:
    """The worker's word on the pass in hand, told on when it changes."""

    path: Path
    told: Progress
    last: str = ""

    def follow(self) -> None:
        """Tell the pass in hand, once."""
        parts = _entry(self.path)
        if len(parts) == 3 and parts[2] != self.last:
            self.told.update("rewrite", parts[2], int(parts[0]), int(parts[1]))
            self.last = parts[2]


def _entry(journal: Path) -> list[str]:
    """Position, count and name of the pass in hand; fewer before the first one, or of half a line."""
    return journal.read_text(encoding="utf-8").strip().split(" ", 2) if journal.is_file() else []


def _in_hand(folder: Path) -> str:
    parts = _entry(folder / "journal")
    return parts[2] if len(parts) == 3 else ""


def _copy(source: SourceModel, output: Path) -> None:
    shutil.copyfile(source.path, output)
    for path in source.files:
        place = output.parent / path.relative_to(source.path.parent)
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            shutil.copyfile(path, place)
