"""`burnish rewrite`: exact and rounding passes alone, each of them proved."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from burnish_cli.output import OUTPUT_OPTION, console, emit, show_error
from burnish_cli.scratch import THREADS_OPTION, WORK_DIR_OPTION, progress, scratch
from burnish_engine.errors import BurnishError, StalledError
from burnish_engine.faults import diagnosed
from burnish_engine.outcome import ExitCode
from burnish_engine.report import RewriteReport
from burnish_optimizer.passes.selection import select
from burnish_optimizer.progress import Numbered, Progress
from burnish_optimizer.report.console import size
from burnish_optimizer.report.rewriting import render_rewrite, write_reports
from burnish_optimizer.rewriting_files import REPORT_SUFFIXES, Planned, new_file, plan
from burnish_optimizer.targets.kernels import TARGETS

PATH = click.Path(path_type=Path)
LIST = "list"


@dataclass(frozen=True)
class Settings:
    """What all models of one command have in common."""

    target: str
    passes: tuple[str, ...] | None
    data: Path | None
    threads: int | None
    force: bool


@click.command()
@click.argument("model", type=PATH, required=False)
@click.option("-o", "destination", type=PATH, help="Where the result goes: a new file, or a new folder.")
@click.option(
    "--target",
    type=click.Choice(list(TARGETS)),
    default="portable",
    show_default=True,
    help="Where it will run.",
)
@click.option(
    "--passes", metavar="NAMES", help="These alone (a,b), or all but some (-a,-b); `list` shows all."
)
@click.option("--data", type=PATH, metavar="P", help="Samples to try it on, beside generated inputs.")
@click.option(
    "--report", type=PATH, metavar="R", help="Report to write: .html or .json; a folder for a folder."
)
@THREADS_OPTION
@WORK_DIR_OPTION
@click.option("--force", is_flag=True, help="Replace what lies at -o and --report.")
@OUTPUT_OPTION
def rewrite(
    model: Path | None, destination: Path | None, report: Path | None, output: str, **options: Any
) -> None:
    """Rewrite MODEL (an ONNX file, or a folder of them) without changing its answers, and prove it.

    Every pass works on a copy, and every region that it changed is compared with what it was; what does
    not hold is undone. A model that does not run cannot be proved, and is copied unchanged. In a folder
    a failure is told, and the rest go on (exit code 1).
    """
    if options["passes"] == LIST:
        _list_passes(output)
        return
    if model is None or destination is None:
        missing = "MODEL" if model is None else "-o"
        raise click.UsageError(f"found no {missing}, expected: burnish rewrite MODEL -o OUT")
    settings = _settings(options)
    planned = _planned(model, destination, report, settings)
    with scratch(options["work_dir"] or _existing(destination)) as work_dir, progress() as told:
        done, failed = _run(planned, settings, work_dir, told, is_folder=model.is_dir())
    if model.is_dir():
        _show_all(done, failed, output)
    else:
        _show(planned[0], done[planned[0].name], output)
    if failed:
        click.get_current_context().exit(ExitCode.FAILED)


def _settings(options: dict[str, Any]) -> Settings:
    names = None if options["passes"] is None else _passes(options["passes"])
    return Settings(options["target"], names, options["data"], options["threads"], options["force"])


def _planned(model: Path, destination: Path, report: Path | None, settings: Settings) -> list[Planned]:
    if report and not model.is_dir() and report.suffix not in REPORT_SUFFIXES:
        raise click.UsageError(f"--report {report}: found suffix {report.suffix!r}, expected .html or .json")
    return plan(model, destination, report, force=settings.force)


def _existing(place: Path) -> Path:
    """The nearest folder above that exists: scratch takes a model's room, which /tmp may lack."""
    return next(folder for folder in place.resolve().parents if folder.is_dir())


def _passes(text: str) -> tuple[str, ...] | None:
    from burnish_optimizer.passes.catalogue import PASSES  # noqa: PLC0415 - it takes a second to import

    try:
        return select(text, [each.name for each in PASSES])
    except ValueError as error:
        raise click.UsageError(f"--passes: {error}") from error


def _rewrite_one(one: Planned, settings: Settings, work_dir: Path, told: Progress) -> RewriteReport:
    from burnish_optimizer.rewriting import RewriteJob, rewrite_file  # noqa: PLC0415 - it takes a second

    with new_file(one, force=settings.force) as place:
        job = RewriteJob(
            source=one.source,
            output=place,
            target=settings.target,
            passes=settings.passes,
            data=settings.data,
            threads=settings.threads,
            work_dir=work_dir,
        )
        found = rewrite_file(job, told).report
    write_reports(one.reports, found, one.source, one.output)
    return found


def _run(
    planned: Sequence[Planned], settings: Settings, work_dir: Path, told: Progress, *, is_folder: bool
) -> tuple[dict[str, RewriteReport], dict[str, BurnishError]]:
    """Every model, in the order of names; in a folder what fails is told at once, and the rest go on."""
    if not is_folder:
        return {planned[0].name: _rewrite_one(planned[0], settings, work_dir, told)}, {}
    done: dict[str, RewriteReport] = {}
    failed: dict[str, BurnishError] = {}
    for position, one in enumerate(planned):
        scratch_folder = work_dir / str(position)
        scratch_folder.mkdir()
        try:
            told_of_one = Numbered(told, one.name, position, len(planned))
            done[one.name] = _rewrite_one(one, settings, scratch_folder, told_of_one)
        except Exception as error:  # noqa: BLE001 - one model's end, and told; never the folder's
            failed[one.name] = diagnosed(error) or _defect(one.name, error)
            show_error(failed[one.name])
    return done, failed


def _defect(name: str, error: Exception) -> StalledError:
    return StalledError(
        name,
        found=f"{type(error).__name__}: {error}",
        expected="a rewritten model",
        remedy="This is a defect of Burnish: please report it.",
    )


def _show(one: Planned, found: RewriteReport, output: str) -> None:
    if output != "table":
        emit(found.model_dump(mode="json"), output)
        return
    console().print(render_rewrite(found))
    console().print(f"model: {one.output} ({size(one.output.stat().st_size)})", markup=False)
    for path in one.reports:
        console().print(f"report: {path}", markup=False)


def _show_all(done: dict[str, RewriteReport], failed: dict[str, BurnishError], output: str) -> None:
    if output != "table":
        models = {name: found.model_dump(mode="json") for name, found in done.items()}
        emit({"models": models, "failed": {name: str(error) for name, error in failed.items()}}, output)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("model", "nodes", "size", "rolled back", "seconds", "result"):
        table.add_column(column, justify="left" if column in ("model", "result") else "right")
    for name, found in done.items():
        table.add_row(*map(Text, _row(name, found)))
    for name, error in failed.items():
        table.add_row(Text(name), "", "", "", "", Text(f"failed: {error}", style="red"))
    console().print(table)


def _row(name: str, found: RewriteReport) -> tuple[str, ...]:
    before, after = found.before, found.after
    undone = sum(len(each.rolled_back) for each in found.passes)
    result = f"unchanged: {found.unproven}" if found.unproven else "proved"
    sizes = f"{size(before.size_bytes)} → {size(after.size_bytes)}"
    return name, f"{before.nodes} → {after.nodes}", sizes, str(undone or ""), f"{found.seconds:.1f}", result


def _list_passes(output: str) -> None:
    from burnish_optimizer.passes.catalogue import PASSES  # noqa: PLC0415 - it takes a second to import

    if output != "table":
        emit({p.name: {"guarantee": p.guarantee.value, "equation": p.equation} for p in PASSES}, output)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("pass", "guarantee", "equation"):
        table.add_column(column, no_wrap=column != "equation", overflow="fold")
    for each in PASSES:
        table.add_row(Text(each.name), Text(each.guarantee.value), Text(each.equation))
    console().print(table)
