"""A path, `https://…` or `oci://…` becomes local files with a digest, or is refused."""

from dataclasses import dataclass
from pathlib import Path

from burnish_engine import digest as digests
from burnish_engine import report
from burnish_engine.errors import NotFound
from burnish_engine.oci.artifact import pull_files, read_manifest
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import SCHEME, Reference
from burnish_optimizer.errors import TooLarge
from burnish_optimizer.ingest.download import download
from burnish_optimizer.ingest.files import size_bytes
from burnish_optimizer.job import Input


@dataclass(frozen=True)
class LocalMaterial:
    """Files that lie on this machine. `digest` is the manifest's (oci), or the content's."""

    uri: str
    path: Path
    digest: str

    def record(self, samples: int | None = None) -> report.Material:
        """What the report says about it."""
        return report.Material(
            uri=self.uri, digest=self.digest, size_bytes=size_bytes(self.path), samples=samples
        )


def fetch(given: Input, folder: Path, *, limit_bytes: int) -> LocalMaterial:
    """Bring it to `folder` (a path stays where it is) and compare digests.

    Raises: NotFound, IntegrityError (another digest), TooLarge, DownloadFailed, and the registry's errors.
    """
    if given.uri.startswith(SCHEME):
        return _pull(given, folder, limit_bytes)
    if given.uri.startswith(("https://", "http://")):
        path, digest = download(given.uri, folder, limit_bytes=limit_bytes)
    else:
        path = Path(given.uri)
        if not path.exists():
            raise NotFound(
                given.shown,
                found="nothing",
                expected="a file, a folder, https://… or oci://…",
                remedy="Check the spelling; paths are relative to where the command runs.",
            )
        digest = digests.of_path(path)
    if given.digest:
        digests.check(given.shown, found=digest, expected=given.digest)
    return LocalMaterial(given.shown, path, digest)


def _pull(given: Input, folder: Path, limit_bytes: int) -> LocalMaterial:
    reference = Reference.parse(given.uri)
    folder.mkdir(parents=True, exist_ok=True)
    with RegistryClient.from_environment() as client:
        # Resolved first: a moved tag is refused before its bytes are downloaded.
        digest = client.resolve(reference).digest
        if given.digest:
            digests.check(given.shown, found=digest, expected=given.digest)
        manifest, _ = read_manifest(client, reference.at(digest))
        size = sum(layer.size for layer in manifest.layers)
        if size > limit_bytes:
            raise TooLarge(given.shown, found=f"{size} bytes", expected=f"at most {limit_bytes} bytes")
        pull_files(client, reference.at(digest), folder)
    return LocalMaterial(given.shown, folder, digest)
