"""The few registry requests that tell whether an image is there already.

Source: OCI Distribution Specification 1.1. A registry that asks for credentials is left to the builder, which
has them: then every image is built, from the builder's cache of layers.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass

MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class Registry:
    """`HOST/PATH`, under which every image has a repository of its own."""

    prefix: str
    plain_http: bool = False

    def repository(self, target: str) -> str:
        """`HOST/PATH/target`."""
        return f"{self.prefix.rstrip('/')}/{target}"

    def retag(self, target: str, known: str, tag: str) -> str | None:
        """Let `tag` name what `known` names. Returns the digest; None where `known` is not there."""
        found = self._get(target, known)
        if found is None:
            return None
        body, media_type, digest = found
        request = urllib.request.Request(
            self._url(target, tag), data=body, method="PUT", headers={"Content-Type": media_type}
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):
                return digest
        except (urllib.error.URLError, TimeoutError):
            return None

    @staticmethod
    def pinned(reference: str, *, plain_http: bool) -> str:
        """`repository@digest` of a reference, where its registry tells; else the reference itself."""
        repository, _, tag = reference.rpartition(":")
        host, _, path = repository.partition("/")
        names_a_registry = path and ("." in host or ":" in host)
        if "@" in reference or "/" in tag or not names_a_registry:
            return reference
        prefix, _, name = repository.rpartition("/")
        found = Registry(prefix, plain_http=plain_http)._get(name, tag)
        return f"{repository}@{found[2]}" if found and found[2] else reference

    def _get(self, target: str, tag: str) -> tuple[bytes, str, str] | None:
        request = urllib.request.Request(self._url(target, tag), headers={"Accept": ", ".join(MANIFESTS)})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                headers = answer.headers
                digest = headers.get("Docker-Content-Digest", "")
                return answer.read(), headers.get("Content-Type", MANIFESTS[0]), digest
        except (urllib.error.URLError, TimeoutError):
            return None

    def _url(self, target: str, tag: str) -> str:
        host, _, path = self.repository(target).partition("/")
        return f"{'http' if self.plain_http else 'https'}://{host}/v2/{path}/manifests/{tag}"
