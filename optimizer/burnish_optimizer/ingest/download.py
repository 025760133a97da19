"""One file over HTTPS: streamed to disk, limited, hashed on its way."""

import hashlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath

import httpx

from burnish_engine.errors import InvalidReference, NotFound, Unauthorized
from burnish_engine.oci.client import plain_http_hosts
from burnish_engine.oci.files import atomic_file
from burnish_engine.redact import sanitized
from burnish_optimizer.errors import DownloadFailed, TooLarge

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 60.0
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def download(
    url: str, folder: Path, *, limit_bytes: int, plain_http: Collection[str] | None = None
) -> tuple[Path, str]:
    """Fetch `url` into `folder`. Returns the file and the SHA-256 of its bytes.

    Raises: InvalidReference (no TLS), NotFound, Unauthorized, TooLarge, DownloadFailed (try again).
    """
    allowed = plain_http_hosts() if plain_http is None else plain_http
    shown = sanitized(url)
    try:
        path = folder / (PurePosixPath(httpx.URL(url).path).name.strip(".") or "download")
        with (
            httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=True) as client,
            client.stream("GET", url) as response,
        ):
            for hop in (*response.history, response):
                _check_transport(shown, hop.url, allowed)
            _check_status(shown, response)
            return path, _save(shown, response, path, limit_bytes)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise InvalidReference(shown, found=sanitized(str(error)), expected="https://host/path") from error
    except httpx.HTTPError as error:
        found = sanitized(f"{type(error).__name__}: {error}")
        raise DownloadFailed(shown, found=found, expected="an answer", remedy="Try again later.") from error


def _save(url: str, response: httpx.Response, path: Path, limit_bytes: int) -> str:
    hasher, size = hashlib.sha256(), 0
    with atomic_file(path) as file:
        for chunk in response.iter_bytes(CHUNK_BYTES):
            size += len(chunk)
            if size > limit_bytes:
                raise TooLarge(url, found=f"more than {limit_bytes} bytes", expected="a smaller file")
            hasher.update(chunk)
            file.write(chunk)
    return f"sha256:{hasher.hexdigest()}"


def _check_transport(asked: str, hop: httpx.URL, allowed: Collection[str]) -> None:
    authority = f"{hop.host}:{hop.port}" if hop.port else hop.host
    if hop.scheme != "https" and hop.host not in LOOPBACK and authority not in allowed:
        raise InvalidReference(
            asked,
            found=f"plain HTTP to {authority}",
            expected="https://",
            remedy="Use HTTPS, or name the host in BURNISH_PLAIN_HTTP.",
        )


def _check_status(url: str, response: httpx.Response) -> None:
    status = response.status_code
    if status in (401, 403):
        raise Unauthorized(url, found=f"HTTP {status}", expected="200", remedy="Check the credentials.")
    if status in (404, 410):
        raise NotFound(url, found=f"HTTP {status}", expected="200", remedy="Check the address.")
    if not response.is_success:
        raise DownloadFailed(url, found=f"HTTP {status}", expected="200", remedy="Try again later.")
