"""Engines in a registry: pack, push, pull, verify.

An engine is an OCI *image* so that a cluster can mount it as a volume, with an `artifactType` so
that nobody runs it by mistake. Two layers: `metadata` (small, read alone by an operator) and `model`.
"""

import tempfile
from pathlib import Path

from pydantic import ValidationError

from burnish_engine import descriptor as descriptors
from burnish_engine import digest as digests
from burnish_engine.descriptor import ENGINE_FILE, REPORT_FILE, REPORT_PAGE, EngineDescriptor
from burnish_engine.errors import InvalidEngine
from burnish_engine.oci import media
from burnish_engine.oci.artifact import pull_files, read_manifest
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.files import read_tar, tar_digest, write_tar
from burnish_engine.oci.media import Descriptor, Index, Manifest
from burnish_engine.oci.reference import Reference
from burnish_engine.report import SCHEMA_VERSION as REPORT_SCHEMA
from burnish_engine.report import Report

PREFIX = "dev.burnish.engine."
_METADATA = (ENGINE_FILE, REPORT_FILE, REPORT_PAGE)
_LAYERS = ("metadata", "model")


def read_engine(folder: Path) -> EngineDescriptor:
    """The descriptor of an engine folder.

    Raises: InvalidEngine: no `engine.json`, an unknown schema, or a model file that is not there.
    """
    path, engine = folder / ENGINE_FILE, read_descriptor(folder)
    if "\0" in engine.model:
        raise _invalid(str(path), f"no model file {engine.model!r}", "the model beside engine.json")
    model = (folder / engine.model).resolve()
    if not model.is_relative_to(folder.resolve()) or not model.is_file():
        raise _invalid(str(path), f"no model file {engine.model!r}", "the model beside engine.json")
    return engine


def read_descriptor(folder: Path) -> EngineDescriptor:
    """`engine.json` of a folder, whether its model is there or not. Raises: InvalidEngine."""
    path = folder / ENGINE_FILE
    if not path.is_file():
        raise _invalid(str(folder), f"no {ENGINE_FILE}", "an engine folder")
    try:
        engine = EngineDescriptor.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise _invalid(
            str(path), f"{error.error_count()} errors, first: {_first(error)}", "engine.json"
        ) from error
    if engine.schema_version != descriptors.SCHEMA_VERSION:
        raise _invalid(str(path), f"schema {engine.schema_version}", f"schema {descriptors.SCHEMA_VERSION}")
    return engine


def verify_folder(folder: Path) -> EngineDescriptor:
    """Compare every model file of an engine folder with the digest that `engine.json` tells.

    Raises: InvalidEngine: no digests, a file that is missing or was added. IntegrityError: other bytes.
    """
    engine = read_engine(folder)
    found = {name for name in _names(folder) if name not in _METADATA}
    wrong = sorted(found ^ set(engine.files))
    if wrong:
        found_wrong = f"files missing or not told of: {', '.join(wrong)}"
        raise _invalid(str(folder), found_wrong, "the files that were built")
    check_files(folder, engine)
    load_report(folder)
    return engine


def check_files(folder: Path, engine: EngineDescriptor) -> None:
    """Compare the files that `engine.json` tells of; engines of before tell of none.

    Raises: InvalidEngine: a file that is missing. IntegrityError: other bytes.
    """
    missing = sorted(name for name in engine.files if not (folder / name).is_file())
    if missing:
        raise _invalid(str(folder), f"no {', '.join(missing)}", "the files that were built")
    for name, expected in engine.files.items():
        digests.check(f"{folder}, {name}", found=digests.of_file(folder / name), expected=expected)


def push_engine(client: RegistryClient, reference: Reference, folder: Path) -> Descriptor:
    """Pack and push an engine folder. Blobs first, the manifest last: nobody sees half an engine.

    Returns: the manifest's descriptor; its digest is the engine's identity.
    """
    engine = read_engine(folder)
    with tempfile.TemporaryDirectory(prefix=".pack-", dir=folder.parent) as scratch:
        layers = pack_engine(folder, Path(scratch))
        for layer in layers:
            client.upload_blob(reference, Path(scratch) / f"{layer.annotations[media.TITLE]}.tar", layer)
    # An uncompressed layer's diff id is its digest.
    config_data = digests.canonical_json(media.image_config([layer.digest for layer in layers]))
    config = Descriptor(media_type=media.CONFIG, digest=digests.of_bytes(config_data), size=len(config_data))
    client.upload_blob(reference, config_data, config)
    manifest = Manifest(
        artifact_type=media.ENGINE_TYPE, config=config, layers=tuple(layers), annotations=_annotations(engine)
    )
    data = media.encode(manifest)
    digest = client.put_manifest(reference, data, media.MANIFEST)
    return Descriptor(
        media_type=media.MANIFEST, digest=digest, size=len(data), artifact_type=media.ENGINE_TYPE
    )


def pack_engine(folder: Path, scratch: Path) -> list[Descriptor]:
    """An engine folder's layers, as `<title>.tar` in `scratch`."""
    return [_pack(folder, scratch, name) for name in _LAYERS]


def pull_engine(client: RegistryClient, reference: Reference, folder: Path) -> EngineDescriptor:
    """Fetch an engine into `folder`, verified by digest, and read its descriptor."""
    manifest, _ = read_manifest(client, reference)
    check_type(reference, manifest)
    folder.mkdir(parents=True, exist_ok=True)
    pull_files(client, reference, folder)
    return read_engine(folder)


def verify_engine(client: RegistryClient, reference: Reference) -> tuple[EngineDescriptor, Descriptor]:
    """Pull everything into a scratch folder, check every digest and the descriptor, keep nothing."""
    with tempfile.TemporaryDirectory(prefix="burnish-verify-") as scratch:
        descriptor = client.resolve(reference)
        return pull_engine(client, reference.at(descriptor.digest), Path(scratch)), descriptor


def read_records(client: RegistryClient, reference: Reference) -> tuple[Report, EngineDescriptor, Descriptor]:
    """The report and `engine.json` of a pushed engine, and its manifest's; the model is not downloaded."""
    with tempfile.TemporaryDirectory(prefix="burnish-report-") as scratch:
        manifest = pull_metadata(client, reference, Path(scratch))
        return load_report(Path(scratch)), read_descriptor(Path(scratch)), manifest


def read_report(client: RegistryClient, reference: Reference) -> tuple[Report, Descriptor]:
    """The report of a pushed engine, and its manifest's descriptor."""
    report, _, manifest = read_records(client, reference)
    return report, manifest


def pull_metadata(client: RegistryClient, reference: Reference, folder: Path) -> Descriptor:
    """The records of a pushed engine (`engine.json`, `report.json`, `report.html`), without the model."""
    manifest, descriptor = read_manifest(client, reference)
    check_type(reference, manifest)
    layer = next((item for item in manifest.layers if item.annotations.get(media.TITLE) == "metadata"), None)
    if layer is None:
        raise _invalid(str(reference), "no metadata layer", "one")
    archive = folder / ".metadata.tar"
    client.download_blob(reference, layer, archive)
    read_tar(archive, folder, str(reference))
    archive.unlink()
    return descriptor


def load_report(folder: Path) -> Report:
    """`report.json` of an engine folder. Raises: InvalidEngine."""
    return read_report_file(folder / REPORT_FILE)


def read_report_file(path: Path) -> Report:
    """A `report.json`, wherever it lies. Raises: InvalidEngine."""
    try:
        report = Report.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise _invalid(str(path), f"a report that cannot be read ({error})", "report.json") from error
    if report.schema_version != REPORT_SCHEMA:
        raise _invalid(str(path), f"schema {report.schema_version}", f"schema {REPORT_SCHEMA}")
    return report


def push_index(client: RegistryClient, reference: Reference, engines: dict[str, Descriptor]) -> Descriptor:
    """Push an index of one revision: one engine (already in the same repository) a target."""
    manifests = tuple(
        engine.model_copy(update={"annotations": {f"{PREFIX}target": target}})
        for target, engine in sorted(engines.items())
    )
    data = media.encode(Index(artifact_type=media.REVISION_TYPE, manifests=manifests))
    digest = client.put_manifest(reference, data, media.INDEX)
    return Descriptor(
        media_type=media.INDEX, digest=digest, size=len(data), artifact_type=media.REVISION_TYPE
    )


def is_unpacked(folder: Path, manifest: Manifest) -> bool:
    """Whether a folder holds what this manifest says, and nothing else: packing it gives the same layers.

    Nothing but the manifest is believed. Layers that other tools packed in another way are never the same.
    """
    titles = [layer.annotations.get(media.TITLE) for layer in manifest.layers]
    return titles == list(_LAYERS) and all(
        tar_digest(folder, _chosen(folder, title)) == layer.digest
        for layer, title in zip(manifest.layers, _LAYERS, strict=True)
    )


def _chosen(folder: Path, layer: str) -> list[str]:
    return [name for name in _names(folder) if (name in _METADATA) == (layer == "metadata")]


def _pack(folder: Path, scratch: Path, name: str) -> Descriptor:
    archive = scratch / f"{name}.tar"
    write_tar(archive, folder, _chosen(folder, name))
    return Descriptor(
        media_type=media.LAYER_TAR,
        digest=digests.of_file(archive),
        size=archive.stat().st_size,
        annotations={media.TITLE: name},
    )


def _names(folder: Path) -> list[str]:
    return [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]


def _annotations(engine: EngineDescriptor) -> dict[str, str]:
    facts = {
        "key": engine.key,
        "backend": engine.backend.value,
        "precision": engine.precision.value,
        "recipe": engine.recipe,
        "target": engine.target.get("name", ""),
        "source-digest": engine.source_digest,
    }
    return {media.CREATED: engine.created.isoformat()} | {PREFIX + k: v for k, v in facts.items()}


def check_type(reference: Reference, manifest: Manifest) -> None:
    """Raises: InvalidEngine: a manifest of something else."""
    if manifest.artifact_type != media.ENGINE_TYPE:
        kind = manifest.artifact_type or manifest.config.media_type
        raise _invalid(str(reference), f"an artifact of type {kind}", media.ENGINE_TYPE)


def _first(error: ValidationError) -> str:
    detail = error.errors()[0]
    return f"{'.'.join(str(part) for part in detail['loc'])}: {detail['msg']}"


def _invalid(subject: str, found: str, expected: str) -> InvalidEngine:
    return InvalidEngine(
        subject,
        found=found,
        expected=expected,
        remedy="Build the engine with this version of Burnish, or name another one.",
    )
