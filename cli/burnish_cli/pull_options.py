"""Options of the commands that pull an engine before they use it."""

from collections.abc import Callable
from pathlib import Path

import click
from click.decorators import FC

CACHE_OPTION = click.option("--cache", type=click.Path(path_type=Path), help="Where pulled engines are kept.")


def verify_key_option(promise: str) -> Callable[[FC], FC]:
    """`--verify-key`, several times or by the environment. promise: what holds where it is given."""
    return click.option(
        "--verify-key",
        "verify_keys",
        multiple=True,
        type=click.Path(path_type=Path),
        envvar="BURNISH_VERIFY_KEYS",
        help=f"Public key in PEM; {promise}. Env: BURNISH_VERIFY_KEYS=A:B.",
    )
