"""Content digests (`sha256:<hex>`) of bytes, files and folders."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from burnish_engine.errors import IntegrityError

CHUNK_BYTES = 1 << 20


def of_bytes(data: bytes) -> str:
    """Digest of a byte string."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def of_chunks(chunks: Iterable[bytes]) -> str:
    """Digest of a stream, never holding more than one chunk."""
    hasher = hashlib.sha256()
    for chunk in chunks:
        hasher.update(chunk)
    return f"sha256:{hasher.hexdigest()}"


def of_file(path: Path) -> str:
    """Digest of a file, streamed."""
    with path.open("rb") as file:
        return of_chunks(iter(lambda: file.read(CHUNK_BYTES), b""))


def of_path(path: Path) -> str:
    """Digest of a file, or of a folder as the sorted list of its files' names and digests.

    Time stamps and permissions do not count: the same content gives the same digest everywhere.
    """
    if path.is_file():
        return of_file(path)
    files = sorted(p for p in path.rglob("*") if p.is_file())
    return of_json([[p.relative_to(path).as_posix(), of_file(p)] for p in files])


def canonical_json(value: Any) -> bytes:
    """One spelling for one value: sorted keys, no spaces, UTF-8, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def of_json(value: Any) -> str:
    """Digest of a value's canonical JSON."""
    return of_bytes(canonical_json(value))


def check(subject: str, *, found: str, expected: str) -> None:
    """Raise `IntegrityError` unless both digests are the same."""
    if found != expected:
        raise IntegrityError(
            subject,
            found=found,
            expected=expected,
            remedy="The content changed or was damaged on its way. Pin the digest that you trust.",
        )
