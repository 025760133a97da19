"""`burnish verify | pull | push | report`: engines in folders and registries."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from burnish_cli.output import OUTPUT_OPTION, console, emit
from burnish_cli.sign import SIGN_OPTION, read_key
from burnish_engine import digest, signature, store
from burnish_engine.descriptor import ENGINE_FILE, REPORT_PAGE, EngineDescriptor
from burnish_engine.errors import NotFound
from burnish_engine.keys import read_public_key
from burnish_engine.oci.artifact import pull_files, push_files, read_manifest
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.media import ENGINE_TYPE
from burnish_engine.oci.reference import SCHEME, Reference
from burnish_engine.report import Report
from burnish_optimizer.report.console import render_report, size

ENGINE_ARGUMENT = click.argument("engine")


@contextmanager
def _client() -> Iterator[RegistryClient]:
    with RegistryClient.from_environment() as client:
        yield client


def _is_remote(engine: str) -> bool:
    return engine.startswith(SCHEME)


def _facts(engine: EngineDescriptor, digest_text: str | None) -> dict[str, Any]:
    return {
        "name": engine.name,
        "digest": digest_text,
        "key": engine.key,
        "backend": engine.backend.value,
        "precision": engine.precision.value,
        "recipe": engine.recipe,
        "source": engine.source_digest,
        "inputs": [f"{t.name} {t.dtype} {_shape(t.shape)}" for t in engine.inputs],
        "outputs": [f"{t.name} {t.dtype} {_shape(t.shape)}" for t in engine.outputs],
        "target": engine.target,
        "toolchain": engine.toolchain,
        "created": engine.created.isoformat(),
    }


def _shape(shape: tuple[int | None, ...]) -> str:
    return "[" + ", ".join("?" if d is None else str(d) for d in shape) + "]"


def engine_facts(engine: str) -> dict[str, Any]:
    """What an engine (a folder or oci://…) is, by name.

    Raises: InvalidEngine, NotFound, IntegrityError and what the registry says.
    """
    if _is_remote(engine):
        with _client() as client:
            descriptor, manifest = store.verify_engine(client, Reference.parse(engine))
        return _facts(descriptor, manifest.digest)
    return _facts(store.read_engine(Path(engine)), None)


@click.command()
@ENGINE_ARGUMENT
@OUTPUT_OPTION
@click.option(
    "--key", "keys", multiple=True, type=click.Path(path_type=Path), help="Public key of the signer."
)
def verify(engine: str, output: str, keys: tuple[Path, ...]) -> None:
    """Check every byte of ENGINE against its digests, and its records against their schemas.

    A folder is checked against what its own engine.json tells; only oci://…@sha256:… pins that, too.
    With --key, one of the keys must have signed it.
    """
    trusted = [read_public_key(key) for key in keys]
    if _is_remote(engine):
        with _client() as client:
            reference = Reference.parse(engine)
            descriptor, manifest = store.verify_engine(client, reference)
            if trusted:
                signed = signature.fetch_signatures(client, reference.at(manifest.digest))
                signature.verify(engine, manifest.digest, signed, trusted)
        told = {"verified": True, "digest": manifest.digest, "key": descriptor.key, "signed": bool(trusted)}
        emit(told, output)
        return
    if trusted:
        raise click.UsageError("--key: found a folder, expected oci://…: signatures lie in the registry")
    descriptor = store.verify_folder(Path(engine))
    emit({"verified": True, "digest": digest.of_path(Path(engine)), "key": descriptor.key}, output)


@click.command()
@click.argument("reference")
@click.option(
    "-o", "folder", type=click.Path(path_type=Path), required=True, help="Folder to write to; must not exist."
)
def pull(reference: str, folder: Path) -> None:
    """Fetch the engine or files at REFERENCE (oci://…), verified by digest."""
    _refuse_existing(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _client() as client, tempfile.TemporaryDirectory(dir=folder.parent, prefix=".pull-") as scratch:
        target = Reference.parse(reference)
        manifest, descriptor = read_manifest(client, target)
        fetch = store.pull_engine if manifest.artifact_type == ENGINE_TYPE else pull_files
        fetch(client, target.at(descriptor.digest), Path(scratch) / "content")
        shutil.move(Path(scratch) / "content", folder)
    click.echo(f"{folder}  {descriptor.digest}")


def _refuse_existing(folder: Path) -> None:
    if folder.exists():
        raise click.UsageError(f"-o {folder}: found something there, expected a path that does not exist")


@click.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.argument("reference")
@SIGN_OPTION
def push(path: Path, reference: str, sign_key: Path | None) -> None:
    """Put PATH into a registry at REFERENCE (oci://host/repository:tag).

    A folder with an engine.json becomes an engine; any other file or folder (a model, a data set)
    becomes an artifact with one layer a file, as `oras push` makes them.
    """
    target = Reference.parse(reference)
    key = read_key(sign_key) if sign_key else None
    with _client() as client:
        if (path / ENGINE_FILE).is_file():
            pushed = store.push_engine(client, target, path)
        elif path.is_file():
            pushed = push_files(client, target, path.parent, [path.name])
        else:
            names = [p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()]
            if not names:
                raise NotFound(str(path), found="an empty folder", expected="files to push")
            pushed = push_files(client, target, path, names)
        if key:
            signature.sign(client, target.at(pushed.digest), key)
    click.echo(f"{target.at(pushed.digest)}")


@click.command()
@ENGINE_ARGUMENT
@OUTPUT_OPTION
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write the HTML page to this file.",
)
def report(engine: str, output: str, page: Path | None) -> None:
    """Print the report of ENGINE (a folder or oci://…): what was tried, and why it won or lost."""
    content = report_of(engine, page)
    if output == "table":
        console().print(render_report(content))
        if page:
            console().print(f"page: {page} ({size(page.stat().st_size)})", markup=False)
    else:
        emit(content.model_dump(mode="json"), output)


def report_of(engine: str, page: Path | None = None) -> Report:
    """The report of an engine (a folder or oci://…); its page is copied where one is asked for.

    Raises: InvalidEngine, NotFound, IntegrityError and what the registry says.
    """
    if not _is_remote(engine):
        store.read_engine(Path(engine))
        return _read(Path(engine), page)
    with _client() as client, tempfile.TemporaryDirectory(prefix="burnish-report-") as scratch:
        store.pull_metadata(client, Reference.parse(engine), Path(scratch))
        return _read(Path(scratch), page)


def _read(folder: Path, page: Path | None) -> Report:
    content, source = store.load_report(folder), folder / REPORT_PAGE
    if page and not source.is_file():
        raise NotFound(str(source), found="nothing", expected="the report's page")
    if page:
        shutil.copyfile(source, page)
    return content
