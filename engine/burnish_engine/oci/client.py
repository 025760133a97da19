"""A registry client that checks every byte: what comes in has the digest that was asked for.

Transport is httpx; nothing here knows what an engine is. Synchronous: callers that live in an event
loop run it in a thread.
"""

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import httpx

from burnish_engine import digest as digests
from burnish_engine.errors import IntegrityError, NotFound
from burnish_engine.oci import media
from burnish_engine.oci.auth import Login, fetch_token, logins_from_environment, parse_challenge
from burnish_engine.oci.faults import CheckedStream, raise_for_status, unavailable
from burnish_engine.oci.files import atomic_file
from burnish_engine.oci.media import Descriptor
from burnish_engine.oci.reference import Reference

# A manifest is small by specification ("Pushing manifests": registries may refuse above 4 MiB).
MAX_MANIFEST_BYTES = 4 << 20
ACCEPT = ", ".join((media.MANIFEST, media.INDEX, media.DOCKER_MANIFEST, media.DOCKER_INDEX))
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def plain_http_hosts(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Hosts of `BURNISH_PLAIN_HTTP`, that are spoken to without TLS."""
    return tuple(h.strip() for h in environment.get("BURNISH_PLAIN_HTTP", "").split(",") if h.strip())


class RegistryClient:
    """Manifests and blobs of any registry that keeps the distribution specification."""

    def __init__(
        self,
        *,
        plain_http: Collection[str] = (),
        logins: Mapping[str, Login] | None = None,
        timeout_seconds: float = 30.0,
    ) -> None:
        self._plain_http = frozenset(plain_http)
        self._logins = dict(logins or {})
        self._tokens: dict[tuple[str, str], str] = {}
        self._http = httpx.Client(timeout=timeout_seconds, follow_redirects=True)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """A client set up by `BURNISH_PLAIN_HTTP` and `DOCKER_CONFIG`."""
        return cls(plain_http=plain_http_hosts(environment), logins=logins_from_environment(environment))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def resolve(self, reference: Reference) -> Descriptor:
        """Digest, size and type of a manifest, without its content.

        Raises: NotFound, Unauthorized (the user must act), RegistryUnavailable (try again).
        """
        return self.get_manifest(reference)[1]

    def exists(self, reference: Reference) -> Descriptor | None:
        """Like `resolve`, with None in place of NotFound."""
        try:
            return self.resolve(reference)
        except NotFound:
            return None

    def get_manifest(self, reference: Reference) -> tuple[bytes, Descriptor]:
        """A manifest's bytes, checked against the reference's digest where it has one."""
        url = self._url(reference, f"manifests/{reference.identifier}")
        with self._send(reference, "GET", url, headers={"Accept": ACCEPT}) as response:
            data = b""
            for chunk in response.iter_bytes():
                data += chunk
                if len(data) > MAX_MANIFEST_BYTES:
                    raise IntegrityError(
                        str(reference), found="a manifest above 4 MiB", expected="an OCI manifest"
                    )
            kind = response.headers.get("Content-Type", media.MANIFEST).split(";")[0]
        found = digests.of_bytes(data)
        if reference.digest:
            digests.check(str(reference), found=found, expected=reference.digest)
        return data, Descriptor(media_type=kind, digest=found, size=len(data))

    def put_manifest(self, reference: Reference, data: bytes, media_type: str) -> str:
        """Push a manifest under the reference's tag, or under its digest; return the digest."""
        digest = digests.of_bytes(data)
        url = self._url(reference, f"manifests/{reference.tag or digest}")
        with self._send(
            reference, "PUT", url, content=lambda: data, headers={"Content-Type": media_type}, push=True
        ):
            return digest

    def tags(self, reference: Reference) -> list[str]:
        """All tags of the reference's repository; none where the repository does not exist."""
        found: list[str] = []
        url = self._url(reference, "tags/list")
        while url:
            try:
                with self._send(reference, "GET", url) as response:
                    found += json.loads(response.read()).get("tags") or []
                    following = response.links.get("next", {}).get("url")
                    url = str(response.request.url.join(following)) if following else ""
            except NotFound:
                return []
        return found

    def delete_manifest(self, reference: Reference) -> None:
        """Delete a manifest by its digest, and with it every tag that points to it; gone already is fine.

        Raises: Unauthorized, or RegistryUnavailable where the registry does not allow to delete (405).
        """
        with suppress(NotFound):
            pinned = reference if reference.digest else reference.at(self.resolve(reference).digest)
            url = self._url(pinned, f"manifests/{pinned.digest}")
            with self._send(pinned, "DELETE", url, actions="pull,push,delete"):
                return

    def has_blob(self, reference: Reference, digest: str) -> bool:
        """Whether the repository holds this blob."""
        try:
            with self._send(reference, "HEAD", self._url(reference, f"blobs/{digest}")):
                return True
        except NotFound:
            return False

    def download_blob(self, reference: Reference, descriptor: Descriptor, path: Path) -> None:
        """Stream a blob into `path`, which appears only when whole and right.

        Raises: IntegrityError: too short, too long, or of another digest.
        """
        url = self._url(reference, f"blobs/{descriptor.digest}")
        with self._send(reference, "GET", url) as response, atomic_file(path) as file:
            hasher = CheckedStream(str(reference), descriptor)
            for chunk in response.iter_bytes(digests.CHUNK_BYTES):
                hasher.update(chunk)
                file.write(chunk)
            hasher.check()

    @contextmanager
    def open_blob(
        self, reference: Reference, digest: str, offset: int = 0
    ) -> Iterator[tuple[int, Iterator[bytes]]]:
        """A blob's bytes, unchecked, from `offset` on; from 0 where the registry does not resume.

        Yields: where the bytes begin, and the bytes.
        Source: distribution specification, "Pulling blobs"; RFC 9110, 14.2 (Range), 14.4 (Content-Range).
        """
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
        with self._send(
            reference, "GET", self._url(reference, f"blobs/{digest}"), headers=headers
        ) as response:
            begin = 0
            if response.status_code == 206:
                begin = offset
                if not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
                    raise unavailable(reference, ValueError("another range than was asked for"))
            # As it comes: pieces of a fixed size would lose what arrived before the line was cut.
            yield begin, response.iter_raw()

    def upload_blob(self, reference: Reference, source: Path | bytes, descriptor: Descriptor) -> None:
        """Push a blob in one piece, unless the repository has it already.

        Source: distribution specification, "POST then PUT".
        """
        if self.has_blob(reference, descriptor.digest):
            return
        start = self._url(reference, "blobs/uploads/")
        with self._send(reference, "POST", start, push=True) as response:
            if "Location" not in response.headers:
                raise unavailable(reference, ValueError("an upload without a Location"))
            location = response.request.url.join(response.headers["Location"])
        url = location.copy_merge_params({"digest": descriptor.digest})
        headers = {"Content-Type": media.OCTETS, "Content-Length": str(descriptor.size)}
        content: Callable[[], Any] = lambda: source if isinstance(source, bytes) else _chunks(source)  # noqa: E731
        with self._send(reference, "PUT", str(url), content=content, headers=headers, push=True):
            return

    def _url(self, reference: Reference, rest: str) -> str:
        host = reference.host
        plain = host in self._plain_http or host.rsplit(":", 1)[0] in _LOOPBACK or host in _LOOPBACK
        return f"{'http' if plain else 'https'}://{host}/v2/{reference.repository}/{rest}"

    @contextmanager
    def _send(
        self,
        reference: Reference,
        method: str,
        url: str,
        *,
        content: Callable[[], Any] | None = None,
        headers: Mapping[str, str] | None = None,
        push: bool = False,
        actions: str = "",
    ) -> Iterator[httpx.Response]:
        """One request, with one more try after an authentication challenge."""
        scope = f"repository:{reference.repository}:{actions or ('pull,push' if push else 'pull')}"
        for attempt in (1, 2):
            sent = {**(headers or {}), **self._authorization(reference.host, scope)}
            try:
                with self._http.stream(
                    method, url, content=content() if content else None, headers=sent
                ) as response:
                    if (
                        response.status_code == 401
                        and attempt == 1
                        and self._challenged(reference, response, scope)
                    ):
                        continue
                    raise_for_status(reference, response)
                    yield response
                    return
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise unavailable(reference, error) from error

    def _authorization(self, host: str, scope: str) -> dict[str, str]:
        token = self._tokens.get((host, scope))
        return {"Authorization": token} if token else {}

    def _challenged(self, reference: Reference, response: httpx.Response, scope: str) -> bool:
        """Answer a 401: remember a header for this host and scope, or tell that there is none."""
        scheme, parameters = parse_challenge(response.headers.get("WWW-Authenticate", ""))
        login = self._logins.get(reference.host)
        if scheme == "basic" and login:
            self._tokens[reference.host, scope] = login.header
            return True
        if scheme == "bearer" and "realm" in parameters:
            token = fetch_token(self._http, parameters, scope, login)
            if token:
                self._tokens[reference.host, scope] = f"Bearer {token}"
            return token is not None
        return False


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(digests.CHUNK_BYTES), b"")
