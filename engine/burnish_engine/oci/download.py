"""Blobs that arrive however often the line is cut: resumed by range, tried again with a back-off.

A blob grows as `<path>.part`. Whoever is killed leaves that, and the next one goes on from there. Only one
process may fetch to one path at a time: callers hold a lock.
"""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from burnish_engine import digest as digests
from burnish_engine.errors import IntegrityError, RegistryUnavailable, TransientError
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.faults import CheckedStream
from burnish_engine.oci.media import Descriptor
from burnish_engine.oci.reference import Reference

# A registry that is restarting is back within this; a pod that gives up is restarted with a delay anyway.
RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0)
# A try that brought so much was no failure: the count of tries begins anew.
PROGRESS_BYTES, PROGRESS_SHARE = 64 << 10, 0.01
PARALLEL_BLOBS = 4
MAX_WAIT_SECONDS = 30.0

Sleep = Callable[[float], None]


def fetch_blobs(
    client: RegistryClient,
    reference: Reference,
    blobs: Sequence[tuple[Descriptor, Path]],
    sleep: Sleep = time.sleep,
) -> None:
    """Fetch blobs side by side, each to its path. The first failure is raised once all have ended."""
    with ThreadPoolExecutor(PARALLEL_BLOBS, "pull") as threads:
        started = [threads.submit(fetch_blob, client, reference, *blob, sleep) for blob in blobs]
    for future in started:
        future.result()


def fetch_blob(
    client: RegistryClient,
    reference: Reference,
    descriptor: Descriptor,
    path: Path,
    sleep: Sleep = time.sleep,
) -> None:
    """Bring a blob to `path`, which appears only when whole and right; go on where an earlier try stopped.

    Raises: IntegrityError: other bytes, also when fetched from the beginning. RegistryUnavailable: it stays
        away, or cuts the line again and again without sending more. NotFound, Unauthorized.
    """
    part = path.with_name(f"{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)

    def attempt() -> None:
        resumed = part.exists()
        try:
            _continue(client, reference, descriptor, part)
        except IntegrityError:
            part.unlink(missing_ok=True)
            if not resumed:
                raise
            _continue(client, reference, descriptor, part)  # what lay there was damaged

    enough = max(PROGRESS_BYTES, int(descriptor.size * PROGRESS_SHARE))
    with_retries(attempt, sleep, lambda: _size(part) // enough)
    part.replace(path)


def with_retries(attempt: Callable[[], None], sleep: Sleep, progress: Callable[[], int] = lambda: 0) -> None:
    """Try until it works, or until it failed once more than there are waits without any progress.

    A registry that says when to come back is listened to.
    Raises: the last TransientError; any other error at once.
    """
    waits, reached = list(RETRY_SECONDS), progress()
    while True:
        try:
            return attempt()
        except TransientError as error:
            if progress() > reached:
                waits, reached = list(RETRY_SECONDS), progress()
            if not waits:
                raise
            sleep(min(max(waits.pop(0), error.retry_after_seconds or 0.0), MAX_WAIT_SECONDS))


def _continue(client: RegistryClient, reference: Reference, descriptor: Descriptor, part: Path) -> None:
    """Append what is missing to `part`, and judge the whole."""
    stream = CheckedStream(str(reference), descriptor)
    with part.open("ab+") as file:
        file.seek(0)
        while chunk := file.read(digests.CHUNK_BYTES):
            stream.update(chunk)
        if stream.size < descriptor.size:
            with client.open_blob(reference, descriptor.digest, stream.size) as (begin, chunks):
                if begin == 0 and stream.size:  # this registry does not resume
                    file.truncate(0)
                    stream = CheckedStream(str(reference), descriptor)
                for chunk in chunks:
                    stream.update(chunk)
                    file.write(chunk)
        file.flush()
        if stream.size < descriptor.size:
            raise _cut(reference, descriptor, stream.size)
        stream.check()
        os.fsync(file.fileno())


def _cut(reference: Reference, descriptor: Descriptor, size: int) -> RegistryUnavailable:
    return RegistryUnavailable(
        f"{reference}, blob {descriptor.digest}",
        found=f"an answer that ended after {size} bytes",
        expected=f"{descriptor.size} bytes",
        remedy="The next start goes on from there.",
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
