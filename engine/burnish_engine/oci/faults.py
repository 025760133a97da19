"""What can go wrong between us and a registry: bytes that are not what they should be, and HTTP errors."""

import hashlib

import httpx

from burnish_engine import digest as digests
from burnish_engine.errors import BurnishError, IntegrityError, NotFound, RegistryUnavailable, Unauthorized
from burnish_engine.oci.media import Descriptor
from burnish_engine.oci.reference import Reference


class CheckedStream:
    """Length and digest of a stream, refused as soon as it grows too long."""

    def __init__(self, subject: str, descriptor: Descriptor) -> None:
        self._subject, self._descriptor = f"{subject}, blob {descriptor.digest}", descriptor
        self._hasher, self._size = hashlib.sha256(), 0

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._size

    def update(self, chunk: bytes) -> None:
        """Take one more chunk."""
        self._size += len(chunk)
        self._hasher.update(chunk)
        if self._size > self._descriptor.size:
            self._refuse()

    def check(self) -> None:
        """Judge the whole, at its end."""
        if self._size != self._descriptor.size:
            self._refuse()
        digests.check(
            self._subject, found=f"sha256:{self._hasher.hexdigest()}", expected=self._descriptor.digest
        )

    def _refuse(self) -> None:
        raise IntegrityError(
            self._subject,
            found=f"{self._size} bytes{' or more' if self._size > self._descriptor.size else ''}",
            expected=f"{self._descriptor.size} bytes",
            remedy="The registry holds a truncated or damaged blob. Push the artifact again.",
        )


def raise_for_status(reference: Reference, response: httpx.Response) -> None:
    """Turn an HTTP error of a registry into what the caller must do."""
    status, subject = response.status_code, str(reference)
    if status < 400:
        return
    if status == 404:
        raise NotFound(
            subject,
            found="nothing (404)",
            expected="an artifact in the registry",
            remedy="Check repository and tag, or push it.",
        )
    if status in (401, 403):
        raise Unauthorized(
            subject,
            found=f"access refused ({status})",
            expected="a registry that lets us in",
            remedy="Give credentials that cover this repository (secretRef, or `docker login`).",
        )
    error = RegistryUnavailable(
        subject,
        found=f"HTTP status {status}",
        expected="an answer of the registry",
        remedy="Try again later.",
    )
    told = response.headers.get("Retry-After", "")
    error.retry_after_seconds = float(told[:6]) if told.isdecimal() else None
    raise error


def unavailable(reference: Reference, error: Exception) -> BurnishError:
    """Turn a transport error (no answer, a broken answer) into one that is worth a retry."""
    return RegistryUnavailable(
        str(reference),
        found=f"{type(error).__name__}: {error}" if str(error) else type(error).__name__,
        expected=f"an answer from {reference.host}",
        remedy="Check the host, the network, and BURNISH_PLAIN_HTTP if this registry has no TLS.",
    )
