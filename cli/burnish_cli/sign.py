"""`burnish sign`, and signing where an engine is pushed. Keys are PEM, passwords come by the environment."""

import os
from pathlib import Path

import click

from burnish_engine import signature
from burnish_engine.keys import PrivateKey, read_private_key
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import Reference

PASSWORD = "BURNISH_SIGN_PASSWORD"  # noqa: S105 - the name of the variable
SIGN_OPTION = click.option(
    "--sign",
    "sign_key",
    type=click.Path(path_type=Path),
    help=f"Sign what is pushed with this private key (PEM; password: {PASSWORD}).",
)


def read_key(path: Path) -> PrivateKey:
    """A private key, with the password of the environment. Raises: InvalidKey."""
    return read_private_key(path, os.environ.get(PASSWORD))


@click.command()
@click.argument("reference")
@click.option(
    "--key", type=click.Path(path_type=Path), required=True, help=f"Private key (PEM; password: {PASSWORD})."
)
def sign(reference: str, key: Path) -> None:
    """Sign the engine at REFERENCE (oci://…), so that `burnish serve --verify-key` takes it.

    The signature lies beside it in the registry, as `cosign sign --key` would write it.
    """
    private = read_key(key)
    with RegistryClient.from_environment() as client:
        target = Reference.parse(reference)
        pinned = target if target.digest else target.at(client.resolve(target).digest)
        signature.sign(client, pinned, private)
    click.echo(f"{pinned}")
