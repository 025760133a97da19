"""Push a one-layer image to a registry by hand: four HTTP requests and no image store.

Good enough for the pause container and the base image, whose single layer is a file that we
have anyway. buildah would unpack it, commit it and compress it again.

Source: OCI distribution specification 1.1, "Pushing blobs" and "Pushing manifests".
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import json
import platform
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from layout import ClusterError

TIMEOUT_SECONDS = 120.0
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture() -> str:
    """This machine's architecture in Go's and the registries' naming."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


@dataclass(frozen=True)
class Layer:
    """A gzipped tarball with the digests that a manifest needs."""

    path: Path
    digest: str
    size: int
    diff_id: str  # digest of the tarball before compression

    @classmethod
    def of(cls, path: Path) -> Layer:
        with path.open("rb") as packed:
            digest = hashlib.file_digest(packed, "sha256").hexdigest()
        with gzip.open(path) as unpacked:
            diff_id = hashlib.file_digest(unpacked, "sha256").hexdigest()
        return cls(path, f"sha256:{digest}", path.stat().st_size, f"sha256:{diff_id}")


def pack_program(program: Path, target: Path) -> Layer:
    """A layer that holds one static program, byte-equal for equal input."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        member = tarfile.TarInfo(program.name)
        member.size, member.mode = program.stat().st_size, 0o755
        with program.open("rb") as content:
            archive.addfile(member, content)
    target.write_bytes(gzip.compress(plain.getvalue(), compresslevel=1, mtime=0))
    return Layer.of(target)


def image_config(layer: Layer, settings: Mapping[str, Any]) -> bytes:
    """The image configuration; without dates, so that equal content has an equal digest."""
    content = {
        "architecture": architecture(),
        "os": "linux",
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
        "history": [{"created_by": "hack/cluster"}],  # optional in OCI; buildah counts it against the layers
    }
    return json.dumps(content, sort_keys=True).encode()


def manifest(layer: Layer, config: bytes) -> bytes:
    content = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": sha256(config), "size": len(config)},
        "layers": [{"mediaType": LAYER, "digest": layer.digest, "size": layer.size}],
    }
    return json.dumps(content, sort_keys=True).encode()


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def push(registry: str, repository: str, tag: str, layer: Layer, settings: Mapping[str, Any]) -> str:
    """Push what the registry lacks; returns `registry/repository:tag`.

    Raises: ClusterError with the registry's own words.
    """
    remote = Remote(registry, repository)
    config = image_config(layer, settings)
    with layer.path.open("rb") as content:
        remote.upload(content, layer.digest, layer.size)
    remote.upload(io.BytesIO(config), sha256(config), len(config))
    remote.tag(tag, manifest(layer, config))
    return f"{registry}/{repository}:{tag}"


class Remote:
    """One repository of a registry that speaks plain HTTP."""

    def __init__(self, registry: str, repository: str) -> None:
        self._registry = registry
        self._path = f"/v2/{repository}"

    def upload(self, content: IO[bytes], digest: str, size: int) -> None:
        if self._request("HEAD", f"{self._path}/blobs/{digest}")[0] == http.HTTPStatus.OK:
            return
        location = self._expect("POST", f"{self._path}/blobs/uploads/", http.HTTPStatus.ACCEPTED)
        parts = urlsplit(location)
        target = f"{parts.path}?{parts.query}{'&' if parts.query else ''}digest={digest}"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        self._expect("PUT", target, http.HTTPStatus.CREATED, content, headers)

    def tag(self, tag: str, content: bytes) -> None:
        where = f"{self._path}/manifests/{tag}"
        self._expect("PUT", where, http.HTTPStatus.CREATED, io.BytesIO(content), {"Content-Type": MANIFEST})

    def _expect(
        self,
        method: str,
        path: str,
        status: int,
        body: IO[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        found, location, said = self._request(method, path, body, headers)
        if found != status:
            raise ClusterError(f"{method} {self._registry}{path}: {found}, expected {status}: {said[:300]}")
        return location

    def _request(
        self,
        method: str,
        path: str,
        body: IO[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, str, str]:
        connection = http.client.HTTPConnection(self._registry, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            said = answer.read().decode(errors="replace")
            return answer.status, answer.getheader("Location") or "", said
        except (OSError, http.client.HTTPException) as error:
            raise ClusterError(f"{method} {self._registry}{path}: {error}") from error
        finally:
            connection.close()
