"""Plain files in a registry: models and data sets, one layer a file, as `oras push` makes them."""

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from burnish_engine import digest as digests
from burnish_engine.errors import IntegrityError, StalledError
from burnish_engine.oci import media
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.files import read_tar
from burnish_engine.oci.media import Descriptor, Manifest
from burnish_engine.oci.reference import Reference

_EMPTY_CONFIG = b"{}"


class UnsupportedArtifact(StalledError):
    """A manifest whose content Burnish cannot turn into files."""


def push_files(
    client: RegistryClient,
    reference: Reference,
    root: Path,
    names: Sequence[str],
    artifact_type: str = media.FILES_TYPE,
) -> Descriptor:
    """Push files of `root` under one tag. Blobs go first, the manifest last: nothing is half there."""
    layers = [_file_layer(root, name) for name in sorted(names)]
    for layer in layers:
        client.upload_blob(reference, root / layer.annotations[media.TITLE], layer)
    config = Descriptor(
        media_type=media.EMPTY, digest=digests.of_bytes(_EMPTY_CONFIG), size=len(_EMPTY_CONFIG)
    )
    client.upload_blob(reference, _EMPTY_CONFIG, config)
    data = media.encode(Manifest(artifact_type=artifact_type, config=config, layers=tuple(layers)))
    digest = client.put_manifest(reference, data, media.MANIFEST)
    return Descriptor(media_type=media.MANIFEST, digest=digest, size=len(data), artifact_type=artifact_type)


def _file_layer(root: Path, name: str) -> Descriptor:
    path = root / name
    return Descriptor(
        media_type=media.OCTETS,
        digest=digests.of_file(path),
        size=path.stat().st_size,
        annotations={media.TITLE: name},
    )


def pull_files(client: RegistryClient, reference: Reference, folder: Path) -> Descriptor:
    """Fetch an artifact's files into `folder`, every one checked. Image layers are unpacked.

    Returns: the manifest's descriptor (its digest pins what came).
    Raises: IntegrityError, UnsupportedArtifact, and the client's errors.
    """
    manifest, descriptor = read_manifest(client, reference)
    for layer in manifest.layers:
        _pull_layer(client, reference, layer, folder)
    return descriptor


def _pull_layer(client: RegistryClient, reference: Reference, layer: Descriptor, folder: Path) -> None:
    title = layer.annotations.get(media.TITLE)
    if title and "tar" not in layer.media_type:
        client.download_blob(reference, layer, folder / _safe(reference, title))
    elif "tar" in layer.media_type:
        archive = folder / f".{layer.digest.replace(':', '-')}.tar"
        client.download_blob(reference, layer, archive)
        try:
            read_tar(archive, folder, f"{reference}, layer {layer.digest}")
        finally:
            archive.unlink()
    else:
        raise UnsupportedArtifact(
            f"{reference}, layer {layer.digest}",
            found=f"{layer.media_type} without a title",
            expected=f"a tar layer, or a file with the annotation {media.TITLE}",
            remedy="Push the files with `burnish push` or `oras push`.",
        )


def read_manifest(client: RegistryClient, reference: Reference) -> tuple[Manifest, Descriptor]:
    """An image manifest; an index of one image is followed, one of several is refused."""
    data, descriptor = client.get_manifest(reference)
    try:
        if "manifests" in json.loads(data):
            index = media.Index.model_validate_json(data)
            if len(index.manifests) == 1:
                return read_manifest(client, reference.at(index.manifests[0].digest))
            raise UnsupportedArtifact(
                str(reference),
                found=f"an index of {len(index.manifests)} manifests",
                expected="one manifest",
                remedy="Name the manifest that you mean by its digest.",
            )
        return Manifest.model_validate_json(data), descriptor
    except (ValidationError, ValueError, TypeError, RecursionError) as error:
        raise IntegrityError(
            str(reference),
            found=f"a manifest that cannot be read ({error})",
            expected="an OCI image manifest",
        ) from error


def _safe(reference: Reference, title: str) -> PurePosixPath:
    path = PurePosixPath(title)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise IntegrityError(
            str(reference), found=f"a file titled {title!r}", expected="a path inside the artifact"
        )
    return path
