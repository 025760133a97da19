"""`burnish explain ENGINE|REPORT`: why this engine, and what it would take for another."""

from pathlib import Path

import click

from burnish_cli.engines import report_of
from burnish_cli.output import OUTPUT_OPTION, console, emit
from burnish_engine import store
from burnish_optimizer.report.explain import explain as explained
from burnish_optimizer.report.explain_console import render_explanation


@click.command()
@click.argument("engine")
@OUTPUT_OPTION
def explain(engine: str, output: str) -> None:
    """Tell why ENGINE (a folder, oci://…, or a report.json) won, and what the others lost by.

    Also: what the accuracy budget would have to be for the next faster one, and what was not tried.
    """
    path = Path(engine)
    report = store.read_report_file(path) if path.is_file() else report_of(engine)
    found = explained(report)
    if output == "table":
        console().print(render_explanation(found))
    else:
        emit(found.model_dump(mode="json"), output)
