"""`burnish targets`: what this machine is."""

import click

from burnish_cli.output import OUTPUT_OPTION, emit
from burnish_optimizer.targets.fingerprint import fingerprint


@click.command()
@OUTPUT_OPTION
def targets(output: str) -> None:
    """Tell what this machine is, as the fingerprint that goes into engine keys."""
    emit(dict(fingerprint()), output)
