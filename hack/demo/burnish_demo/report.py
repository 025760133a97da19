"""Fetch the engines' HTML reports: the metadata layer alone, the model is not downloaded."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from burnish_demo.errors import DemoError
from burnish_engine.descriptor import REPORT_PAGE
from burnish_engine.oci import media
from burnish_engine.oci.artifact import read_manifest
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.files import atomic_file, read_tar
from burnish_engine.oci.reference import Reference


def save_pages(client: RegistryClient, engines: Mapping[str, str], folder: Path) -> dict[str, Path]:
    """`<folder>/<target>.html` for each target's engine reference; returns their paths by target."""
    return {
        target: save_page(client, engines[target], folder / f"{target}.html") for target in sorted(engines)
    }


def save_page(client: RegistryClient, reference: str, path: Path) -> Path:
    """The report's page of one engine.   Raises: DemoError: the engine has none."""
    parsed = Reference.parse(reference)
    manifest, _ = read_manifest(client, parsed)
    layer = next((each for each in manifest.layers if each.annotations.get(media.TITLE) == "metadata"), None)
    if layer is None:
        raise _no_page(reference)
    with tempfile.TemporaryDirectory(prefix="burnish-report-") as scratch:
        archive = Path(scratch) / "metadata.tar"
        client.download_blob(parsed, layer, archive)
        if REPORT_PAGE not in read_tar(archive, Path(scratch), reference):
            raise _no_page(reference)
        with atomic_file(path) as file:
            file.write((Path(scratch) / REPORT_PAGE).read_bytes())
    return path


def _no_page(reference: str) -> DemoError:
    return DemoError(reference, found="an engine without a report page", expected=REPORT_PAGE)
