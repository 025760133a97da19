"""Registries that answer, and answer nonsense: an error that says what to do, never a traceback."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from burnish_engine.errors import IntegrityError, RegistryUnavailable
from burnish_engine.oci.artifact import pull_files, push_files
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.reference import Reference


class Nonsense(BaseHTTPRequestHandler):
    """Gives the same answer to every question; `token` is what the token server says."""

    status, headers_sent, body, token = 200, {}, b"", b""

    def answer(self) -> None:
        is_token = self.path.startswith("/token")
        status, body = (200, self.token) if is_token else (self.status, self.body)
        if self.command == "POST":
            status, body = 202, b""
        self.send_response(status)
        for name, value in self.headers_sent.items():
            self.send_header(name, value.format(host=self.headers["Host"], path=self.path))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_POST = answer  # noqa: N815 - the standard library looks for these names

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def registry() -> Iterator[tuple[type[Nonsense], Reference]]:
    handler = type("Handler", (Nonsense,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield handler, Reference.parse(f"127.0.0.1:{server.server_port}/a:1")
        server.shutdown()


CHALLENGE = {"WWW-Authenticate": 'Bearer realm="http://{host}/token"'}
UNAVAILABLE = {
    "redirects without end": {"status": 302, "headers_sent": {"Location": "{path}"}},
    "a damaged encoding": {"headers_sent": {"Content-Encoding": "gzip"}, "body": b"no gzip"},
    "a token that is a page": {"status": 401, "headers_sent": CHALLENGE, "token": b"<html>"},
    "a token that is a list": {"status": 401, "headers_sent": CHALLENGE, "token": b"[]"},
}


@pytest.mark.parametrize("kind", UNAVAILABLE)
def test_a_registry_that_answers_nonsense_is_unavailable(registry: Any, kind: str, tmp_path: Path) -> None:
    handler, reference = registry
    for name, value in UNAVAILABLE[kind].items():
        setattr(handler, name, value)
    with RegistryClient() as client, pytest.raises(RegistryUnavailable, match="expected an answer from"):
        pull_files(client, reference, tmp_path)


@pytest.mark.parametrize("body", [b"<html>", b"5", b"[" * 100_000])
def test_a_manifest_that_is_none_is_refused(registry: Any, body: bytes, tmp_path: Path) -> None:
    handler, reference = registry
    handler.body = body
    with RegistryClient() as client, pytest.raises(IntegrityError, match="cannot be read"):
        pull_files(client, reference, tmp_path)


def test_an_upload_that_leads_nowhere_is_told(registry: Any, tmp_path: Path) -> None:
    handler, reference = registry
    handler.status = 404
    (tmp_path / "file").write_text("words")
    with RegistryClient() as client, pytest.raises(RegistryUnavailable, match="without a Location"):
        push_files(client, reference, tmp_path, ["file"])
