"""`burnish targets`: what this machine is, and what follows from it."""

from collections.abc import Mapping, Sequence

import click
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from burnish_cli.output import OUTPUT_OPTION, console, emit
from burnish_optimizer.backends.recipes import RECIPES
from burnish_optimizer.report.console import size
from burnish_optimizer.search.plan import machine_refusal
from burnish_optimizer.targets import nvidia
from burnish_optimizer.targets.fingerprint import fingerprint
from burnish_optimizer.targets.meaning import Meaning, meanings
from burnish_optimizer.targets.toolchain import is_installed


@click.command()
@OUTPUT_OPTION
def targets(output: str) -> None:
    """Tell what this machine is, as the fingerprint that goes into engine keys, and what follows from it.

    Recipes that cannot be tried here are named with the reason.
    """
    gpus = nvidia.find()
    facts = fingerprint(gpus)
    found = meanings(facts)
    refused = {recipe.name: machine_refusal(recipe, facts, is_installed) for recipe in RECIPES}
    if output == "table":
        console().print(render(facts, found, refused, gpus.note))
        return
    told = {"facts": facts, "meanings": [one.model_dump() for one in found], "recipes": _recipes(refused)}
    emit(told | ({"note": gpus.note} if gpus.note else {}), output)


def render(
    facts: Mapping[str, str], found: Sequence[Meaning], refused: Mapping[str, str], note: str
) -> RenderableType:
    """Three tables: the facts, what they mean, the recipes. note: what went wrong in asking for devices."""
    parts: list[RenderableType] = [_table([(name, _readable(name, value)) for name, value in facts.items()])]
    if note:
        parts += [Text(f"GPUs: {note}", style="yellow")]
    parts += [Text(), Text("What follows", style="bold")]
    parts += [_table([(one.name, ("yes" if one.value else "no"), one.text) for one in found])]
    parts += [Text(), Text("Recipes", style="bold")]
    parts += [_table([(name, f"not tried: {why}" if why else "tried") for name, why in refused.items()])]
    return Group(*parts)


def _table(rows: Sequence[Sequence[str]]) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    for row in rows:
        table.add_row(Text(row[0], style="bold"), *map(Text, row[1:]))
    return table


def _readable(name: str, value: str) -> str:
    return size(int(value)) if name.endswith("_bytes") else value


def _recipes(refused: Mapping[str, str]) -> list[dict[str, object]]:
    return [{"recipe": name, "tried": not why, "reason": why or None} for name, why in refused.items()]
