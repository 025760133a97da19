"""Printing: tables for people, JSON and YAML for programs, errors that diagnose."""

import json
import sys
from typing import Any

import click
import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from burnish_engine.errors import BurnishError

OUTPUT_OPTION = click.option(
    "--output",
    "-O",
    type=click.Choice(["table", "json", "yaml"]),
    default="table",
    show_default=True,
    help="How to print the result.",
)


def console(*, stderr: bool = False) -> Console:
    """A console that wraps nothing off a terminal, so that pipes get whole lines."""
    wide = None if (sys.stderr if stderr else sys.stdout).isatty() else 200
    return Console(stderr=stderr, width=wide, highlight=False)


def emit(value: dict[str, Any], output: str) -> None:
    """Print a result: JSON and YAML as they are, a table as name and value."""
    if output == "json":
        click.echo(json.dumps(value, indent=2, sort_keys=False, default=str))
    elif output == "yaml":
        text = yaml.safe_dump(json.loads(json.dumps(value, default=str)), sort_keys=False, allow_unicode=True)
        click.echo(text, nl=False)
    else:
        table = Table(show_header=False, box=None, pad_edge=False)
        for name, item in value.items():
            table.add_row(f"[bold]{name}[/]", _cell(item))
        console().print(table)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return escape("\n".join(f"{key}: {item}" for key, item in value.items())) or "–"
    if isinstance(value, list | tuple):
        return escape("\n".join(str(item) for item in value)) or "–"
    return "–" if value is None else escape(str(value))


def show_error(error: BurnishError) -> None:
    """The four parts of an error, each on a line of its own."""
    click.echo(f"error: {error.subject} ({error.reason})", err=True)
    click.echo(f"  found:    {error.found}", err=True)
    click.echo(f"  expected: {error.expected}", err=True)
    if error.remedy:
        click.echo(f"  do:       {error.remedy}", err=True)
