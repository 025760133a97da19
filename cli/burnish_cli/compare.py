"""`burnish compare A B`: do two models give the same answers?"""

from pathlib import Path
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from burnish_cli.output import OUTPUT_OPTION, console, emit
from burnish_cli.scratch import THREADS_OPTION, WORK_DIR_OPTION, scratch
from burnish_engine.outcome import ExitCode
from burnish_optimizer.comparison.records import CompareTask, Comparison, Verdict
from burnish_optimizer.ingest.model import read_source
from burnish_optimizer.ingest.samples import DataSpec, open_samples
from burnish_optimizer.isolated import isolated
from burnish_optimizer.report.console import size

PATH = click.Path(path_type=Path)
STYLES = {Verdict.IDENTICAL: "bold green", Verdict.ROUNDING: "green", Verdict.DIFFERENT: "bold red"}


@click.command()
@click.argument("a", type=PATH)
@click.argument("b", type=PATH)
@click.option("--data", type=PATH, metavar="P", help="Samples to compare on, beside generated inputs.")
@THREADS_OPTION
@WORK_DIR_OPTION
@OUTPUT_OPTION
def compare(a: Path, b: Path, output: str, **options: Any) -> None:
    """Judge model B against model A: same signature, same inputs, ONNX Runtime without optimizations.

    Exit code 0: the bytes are identical, or equal within rounding (the bound is told); 1: different.
    """
    # In this process first: an error about a file is then told in full.
    sources = [read_source(model, served=False) for model in (a, b)]
    data = DataSpec(path=str(options["data"].resolve())) if options["data"] else None
    if data:
        open_samples(data, sources[0].inputs)
    paths = [str(source.path.resolve()) for source in sources]
    with scratch(options["work_dir"]) as folder:
        task = CompareTask(a=paths[0], b=paths[1], data=data, threads=options["threads"])
        found = isolated(task, Comparison, folder)
    if output == "table":
        console().print(render(found))
    else:
        emit(found.model_dump(mode="json"), output)
    if found.verdict is Verdict.DIFFERENT:
        click.get_current_context().exit(ExitCode.FAILED)


def render(found: Comparison) -> RenderableType:
    """The verdict and its reason, one row an output, and how the graphs differ."""
    verdict = Text.assemble((found.verdict.value, STYLES[found.verdict]), f": {found.reason}")
    parts: list[RenderableType] = [verdict]
    if found.outputs:
        parts += [Text(), outputs(found), Text(f"bound: {found.bound}", style="dim")]
        parts += [Text(f"tried on: {'; '.join(found.probes)}", style="dim")]
    return Group(*parts, Text(), graphs(found))


def outputs(found: Comparison) -> Table:
    """One row an output."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("output", overflow="fold")
    for name in ("max abs", "max rel", "of bound", "cosine", "same bytes", "arg-max", "NaN/Inf"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for each in found.outputs:
        figures = (f"{each.max_absolute:.3g}", f"{each.max_relative:.3g}", f"{each.of_bound:.2g}")
        shares = (f"{each.cosine:.6f}", f"{each.same_bytes:.1%}", _share(each.agreement))
        cells = [Text(cell) for cell in (each.name, *figures, *shares, str(each.non_finite))]
        table.add_row(*cells, Text(each.verdict.value, style=STYLES[each.verdict]))
    return table


def graphs(found: Comparison) -> Table:
    """Sizes, and the op types whose counts differ."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold")
    for side in ("A", "B"):
        table.add_column(side, justify="right", no_wrap=True)
    a, b = found.a, found.b
    table.add_row("size", size(a.size_bytes), size(b.size_bytes))
    table.add_row("opset", str(a.opset), str(b.opset))
    table.add_row("nodes", str(a.nodes), str(b.nodes))
    for op in dict.fromkeys((*a.ops, *b.ops)):
        left, right = a.ops.get(op, 0), b.ops.get(op, 0)
        if left != right:
            table.add_row(Text(f"  {op}"), str(left), str(right))
    return table


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
