"""Where the engine comes from: a folder (a mounted image volume, say), or a registry through the cache.

Digests and, where keys are given, a signature are verified before anything of the engine is parsed.
"""

import logging
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from burnish_engine import digest as digests
from burnish_engine import signature
from burnish_engine.errors import IntegrityError, UntrustedEngine
from burnish_engine.oci import media
from burnish_engine.oci.artifact import read_manifest
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.download import RETRY_SECONDS, fetch_blobs, with_retries
from burnish_engine.oci.files import read_tar
from burnish_engine.oci.media import Descriptor, Manifest
from burnish_engine.oci.reference import SCHEME, Reference
from burnish_engine.signature import Signed
from burnish_engine.store import check_files, check_type, read_engine
from burnish_serving.cache import CONTENT, MANIFEST, EngineCache, Entry, keep_signatures

__all__ = ["RETRY_SECONDS", "EngineFolder", "Place", "default_cache", "locate"]
if TYPE_CHECKING:
    from burnish_engine.keys import PublicKey

LOG = logging.getLogger("burnish.serving")
Sleep = Callable[[float], None]


@dataclass(frozen=True)
class Place:
    """Where engines are kept and whose are trusted. keys: none: any engine with the right digest."""

    cache: Path | None = None
    max_bytes: int | None = None
    keys: "tuple[PublicKey, ...]" = ()


@dataclass(frozen=True)
class EngineFolder:
    """An engine on this machine. `digest`: the manifest's, or the content's for a plain folder."""

    path: Path
    digest: str
    entry: Entry | None = None

    def release(self) -> None:
        """Not used any more: the cache may remove it."""
        if self.entry:
            self.entry.release()


def default_cache() -> Path:
    """The user's cache folder for engines; where the user has no home, one below the temporary folder."""
    try:
        return Path.home() / ".cache/burnish/engines"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"burnish-engines-{os.getuid()}"


def locate(engine: str, place: Place | None = None, sleep: Sleep = time.sleep) -> EngineFolder:
    """The engine's folder, pulled into the cache (None: the user's) and verified where it is in a registry.

    Raises: burnish_engine.errors: a reference that is wrong, gone or unauthorized, a digest that does
    not match, no signature by a key of `place`, a registry that stays unavailable.
    """
    place = place or Place()
    if not engine.startswith(SCHEME):
        return _folder(Path(engine), place)
    reference = Reference.parse(engine)
    with RegistryClient.from_environment() as client:
        entry = _Pull(client, sleep, place).entry(reference)
    return EngineFolder(entry.content, entry.digest, entry)


def _folder(path: Path, place: Place) -> EngineFolder:
    if place.keys:
        raise UntrustedEngine(
            str(path),
            found="a folder, which has no signature",
            expected="oci://…@sha256:…, whose signature lies beside it in the registry",
            remedy="Name the engine by its reference. (Give no keys where who mounts it is trusted.)",
        )
    found = EngineFolder(path, digests.of_path(path))
    engine = read_engine(path)
    check_files(path, engine)
    if not engine.files:
        LOG.warning(
            "an engine without digests of its files: nothing to verify it by", extra={"engine": str(path)}
        )
    return found


class _Pull:
    """One pull. `entry` is the only thing to call."""

    def __init__(self, client: RegistryClient, sleep: Sleep, place: Place) -> None:
        self._client, self._sleep, self._keys = client, sleep, place.keys
        self._cache = EngineCache(place.cache or default_cache(), place.max_bytes)

    def entry(self, reference: Reference) -> Entry:
        """From the cache where the digest is told and there, else by way of the registry."""
        kept = self._cache.find(reference.digest) if reference.digest else None
        entry = kept or self._pulled(reference)
        try:
            self._check_kept(reference.at(entry.digest), entry)
        except BaseException:
            entry.release()
            raise
        return entry

    def _pulled(self, reference: Reference) -> Entry:
        pinned, data, manifest = self._manifest(reference)
        # Archives and what they hold are there together for a moment.
        needed = 2 * sum(layer.size for layer in manifest.layers)

        def fetch(folder: Path, partial: Path) -> None:
            LOG.info("pulling", extra={"engine": str(pinned), "size_bytes": needed // 2})
            (folder / MANIFEST).write_bytes(data)
            if self._keys:  # before anything of the engine is here
                keep_signatures(folder, self._trusted(pinned))
            self._layers(pinned, manifest, folder / CONTENT, partial)

        return self._cache.acquire(str(pinned.digest), fetch, needed)

    def _manifest(self, reference: Reference) -> tuple[Reference, bytes, Manifest]:
        found: list[tuple[Reference, bytes, Manifest]] = []

        def attempt() -> None:
            manifest, descriptor = read_manifest(self._client, reference)
            check_type(reference, manifest)
            pinned = reference.at(descriptor.digest)
            found.append((pinned, self._client.get_manifest(pinned)[0], manifest))

        with_retries(attempt, self._sleep)
        return found[-1]

    def _layers(self, pinned: Reference, manifest: Manifest, content: Path, partial: Path) -> None:
        """All layers side by side, each verified as a whole before any is unpacked."""
        archives = [(layer, partial / layer.digest.replace(":", "-")) for layer in manifest.layers]
        fetch_blobs(self._client, pinned, [a for a in archives if not _is_there(*a)], self._sleep)
        content.mkdir()
        for layer, path in archives:
            subject = f"{pinned}, layer {layer.digest}"
            if "tar" not in layer.media_type:
                raise IntegrityError(subject, found=layer.media_type, expected=media.LAYER_TAR)
            read_tar(path, content, subject)

    def _check_kept(self, pinned: Reference, entry: Entry) -> None:
        """Kept signatures are as good as those in the registry: it is the key that is trusted."""
        if not self._keys:
            LOG.info("signature not checked: no key is given", extra={"digest": entry.digest})
            return
        try:
            signature.verify(str(pinned), entry.digest, entry.signatures, self._keys)
        except UntrustedEngine:
            keep_signatures(entry.folder, self._trusted(pinned))

    def _trusted(self, pinned: Reference) -> tuple[Signed, ...]:
        found: list[tuple[Signed, ...]] = []
        with_retries(lambda: found.append(signature.fetch_signatures(self._client, pinned)), self._sleep)
        signature.verify(str(pinned), str(pinned.digest), found[-1], self._keys)
        return found[-1]


def _is_there(layer: Descriptor, path: Path) -> bool:
    """Whether an archive of a pull that was cut short is whole; a disk may have damaged it since."""
    return path.is_file() and digests.of_file(path) == layer.digest
