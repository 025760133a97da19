"""Engines on a node, by digest, shared by all servers that see the folder.

    <root>/sha256-<hex>/            manifest.json, signatures.json, engine/: appears by one rename
    <root>/sha256-<hex>.lock        shared while it is verified, alone while it is fetched or removed
    <root>/sha256-<hex>.use         shared for as long as a server uses it; its time is the last use
    <root>/sha256-<hex>.partial/    what a fetch has so far; the next one goes on from there

Nothing in the folder is believed: an entry counts if its manifest has the digest that was asked for and its
files, packed again, have the digests of the manifest. Anything else is fetched anew.
"""

import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from burnish_engine import digest as digests
from burnish_engine.oci.files import atomic_file
from burnish_engine.oci.media import Manifest
from burnish_engine.signature import Signed
from burnish_engine.store import is_unpacked
from burnish_serving.locks import FileLock, shared, taken

LOG = logging.getLogger("burnish.serving")
MANIFEST, SIGNATURES, CONTENT = "manifest.json", "signatures.json", "engine"
_REMOVED = ".removed-"
_SIGNED = TypeAdapter(tuple[Signed, ...])

# Fills a folder with an entry, and keeps what it needs to go on after a kill in another.
Fetch = Callable[[Path, Path], None]


@dataclass(frozen=True)
class Entry:
    """A verified engine in the cache. It is not removed until `release`."""

    digest: str
    folder: Path
    use: FileLock

    @property
    def content(self) -> Path:
        """The engine folder."""
        return self.folder / CONTENT

    @property
    def signatures(self) -> tuple[Signed, ...]:
        """Signatures as they were kept, unverified; none where there is nothing that can be read."""
        try:
            return _SIGNED.validate_json((self.folder / SIGNATURES).read_bytes())
        except (OSError, ValidationError):
            return ()

    def release(self) -> None:
        """Not used any more."""
        self.use.release()


class EngineCache:
    """The folder. `max_bytes`: what engines may take together; those in use stay, whatever they take."""

    def __init__(self, root: Path, max_bytes: int | None = None) -> None:
        self._root, self._max_bytes = root, max_bytes

    def acquire(self, digest: str, fetch: Fetch, size_bytes: int = 0) -> Entry:
        """The entry of a manifest's digest, fetched where it is not there or not intact.

        Of several servers that want one engine, one fetches and the others wait.
        Args: fetch: called with a folder to fill (manifest.json and engine/) and one for what is half done.
            size_bytes: what is told to be needed for it.
        Raises: whatever `fetch` raises. IntegrityError: what was fetched is not intact.
        """
        if entry := self._find(digest):
            return entry
        with taken(self._path(digest, ".lock")):
            entry = self._open(digest)
            if entry is None:
                self._make_room(digest, size_bytes)
                self._fetch(digest, fetch)
                entry = self._open(digest)
        if entry is None:
            digests.check(f"{self._path(digest)}", found="other files", expected=digest)
            raise AssertionError  # the line above raises
        return entry

    def find(self, digest: str) -> Entry | None:
        """The entry, if it is there and intact; waits while it is being fetched."""
        return self._find(digest)

    def _find(self, digest: str) -> Entry | None:
        with shared(self._path(digest, ".lock")):
            return self._open(digest)

    def _open(self, digest: str) -> Entry | None:
        use = FileLock(self._path(digest, ".use"))
        use.share()
        entry = Entry(digest, self._path(digest), use)
        if entry.folder.is_dir():
            if is_intact(entry.folder, digest):
                use.touch()
                return entry
            LOG.warning("a cached engine is damaged, and fetched again", extra={"digest": digest})
        use.release()
        return None

    def _fetch(self, digest: str, fetch: Fetch) -> None:
        for left in self._root.glob(f"{_REMOVED}*"):  # by somebody who was killed
            shutil.rmtree(left, ignore_errors=True)
        partial = self._path(digest, ".partial")
        made = partial / "entry"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        fetch(made, partial)
        self._discard(self._path(digest))  # damaged; who still uses it has its files open
        made.rename(self._path(digest))
        _sync(self._root)
        shutil.rmtree(partial, ignore_errors=True)

    def _make_room(self, digest: str, size_bytes: int) -> None:
        """Remove what was not used for longest, until `size_bytes` more fit."""
        if self._max_bytes is None:
            return
        sizes = {path: _size(path) for path in self._entries() if not path.name.startswith(_name(digest))}
        excess = sum(sizes.values()) + size_bytes - self._max_bytes
        for path in sorted(sizes, key=self._last_use):
            if excess <= 0:
                return
            if self._evict(path):
                LOG.info("removed from the cache", extra={"entry": path.name, "size_bytes": sizes[path]})
                excess -= sizes[path]
        if excess > 0:
            LOG.warning("the cache is larger than it may be", extra={"excess_bytes": excess})

    def _evict(self, path: Path) -> bool:
        """Remove an entry, or what is left of a fetch, unless somebody uses it or is at it."""
        lock, use = (FileLock(self._beside(path, suffix)) for suffix in (".lock", ".use"))
        with lock, use:
            if not (lock.try_take() and use.try_take()):
                return False
            self._discard(path)
            return True

    def _entries(self) -> list[Path]:
        return [path for path in self._root.glob("sha256-*") if path.is_dir()]

    def _last_use(self, path: Path) -> float:
        use = self._beside(path, ".use")
        return use.stat().st_mtime if use.exists() else 0.0

    def _beside(self, path: Path, suffix: str) -> Path:
        return path.with_name(f"{path.name.removesuffix('.partial')}{suffix}")

    def _discard(self, path: Path) -> None:
        """Away in one rename: nobody sees half an entry, also if this process is killed on the way."""
        if path.exists():
            gone = Path(tempfile.mkdtemp(prefix=_REMOVED, dir=self._root))
            path.rename(gone / path.name)
            shutil.rmtree(gone, ignore_errors=True)

    def _path(self, digest: str, suffix: str = "") -> Path:
        return self._root / f"{_name(digest)}{suffix}"


def is_intact(folder: Path, digest: str) -> bool:
    """Whether an entry is what its digest says: by the manifest's digest, and the layers' in the manifest."""
    try:
        data = (folder / MANIFEST).read_bytes()
        if digests.of_bytes(data) != digest:
            return False
        return is_unpacked(folder / CONTENT, Manifest.model_validate_json(data))
    except (OSError, ValidationError):
        return False


def keep_signatures(folder: Path, signatures: tuple[Signed, ...]) -> None:
    """Remember an entry's signatures that were verified, for a start without a registry."""
    with atomic_file(folder / SIGNATURES) as file:
        file.write(_SIGNED.dump_json(signatures))


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _name(digest: str) -> str:
    return digest.replace(":", "-")
