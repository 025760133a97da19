"""Where the engine comes from: a folder, or a registry through a cache that is checked again."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from burnish_engine import digest as digests
from burnish_engine.errors import IntegrityError, TransientError
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import SCHEME, Reference
from burnish_engine.store import pull_engine

# A registry that is restarting is back within this; a pod that gives up is restarted with a delay anyway.
RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class EngineFolder:
    """An engine on this machine. `digest`: the manifest's, or the content's for a plain folder."""

    path: Path
    digest: str


def default_cache() -> Path:
    """The user's cache folder for engines; where the user has no home, one below the temporary folder."""
    try:
        return Path.home() / ".cache/burnish/engines"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"burnish-engines-{os.getuid()}"


def locate(
    engine: str, cache: Path | None = None, sleep: Callable[[float], None] = time.sleep
) -> EngineFolder:
    """The engine's folder, pulled into the cache (None: the user's) and verified where it is in a registry.

    Raises: burnish_engine.errors: a reference that is wrong, gone or unauthorized, a digest that does
    not match, a registry that stays unavailable.
    """
    if not engine.startswith(SCHEME):
        return EngineFolder(Path(engine), digests.of_path(Path(engine)))
    reference = Reference.parse(engine)
    kept = cache or default_cache()
    with RegistryClient.from_environment() as client:
        return _with_retries(lambda: _pull(client, reference, kept), sleep)


def _with_retries(attempt: Callable[[], EngineFolder], sleep: Callable[[float], None]) -> EngineFolder:
    for seconds in RETRY_SECONDS:
        try:
            return attempt()
        except TransientError:
            sleep(seconds)
    return attempt()


def _pull(client: RegistryClient, reference: Reference, cache: Path) -> EngineFolder:
    digest = reference.digest or client.resolve(reference).digest
    folder = cache / digest.replace(":", "-")
    if not _is_cached(folder):
        _fetch(client, reference.at(digest), folder)
    return EngineFolder(folder, digest)


def _seal(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.content")


def _is_cached(folder: Path) -> bool:
    """Whether the folder is there and still holds what was pulled: a disk may damage it."""
    if not (folder.is_dir() and _seal(folder).is_file()):
        return False
    try:
        digests.check(str(folder), found=digests.of_path(folder), expected=_seal(folder).read_text("utf-8"))
    except IntegrityError:
        return False
    return True


def _fetch(client: RegistryClient, reference: Reference, folder: Path) -> None:
    """Pull beside the cache and move in when whole: a killed pull leaves nothing that looks right."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pull-", dir=folder.parent) as scratch:
        pulled = Path(scratch) / "engine"
        pull_engine(client, reference, pulled)
        if _is_cached(folder):  # another server was first, and may be reading it
            return
        _seal(folder).write_text(digests.of_path(pulled), "utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        pulled.rename(folder)
