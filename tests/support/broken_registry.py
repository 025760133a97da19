"""A small registry on loopback that serves what it is given, and misbehaves as it is told."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from burnish_engine import digest as digests
from burnish_engine.oci import media
from burnish_engine.oci.media import Descriptor, Manifest
from burnish_engine.oci.reference import Reference
from burnish_engine.store import pack_engine


@dataclass
class Misbehaviour:
    """What goes wrong with blobs. All of it can be changed while the registry runs.

    cut_after: bytes of an answer after which the line is cut; None: never.   cuts: how often, None: always.
    ignores_ranges: a range is answered with the whole.   wrong_bytes: answers have one bit flipped.
    refusals: statuses of the next answers.   retry_after: what a refusal says.
    hang_after: bytes after which an answer waits until `go_on` is set.
    """

    cut_after: int | None = None
    cuts: int | None = None
    ignores_ranges: bool = False
    wrong_bytes: bool = False
    refusals: list[int] = field(default_factory=list)
    retry_after: str = ""
    hang_after: int | None = None
    go_on: threading.Event = field(default_factory=threading.Event)


@dataclass
class BrokenRegistry:
    """Blobs and manifests by digest; every request for a blob is remembered with its range."""

    address: str
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    sent_bytes: int = 0
    does: Misbehaviour = field(default_factory=Misbehaviour)

    def add_engine(self, folder: Path, scratch: Path) -> Reference:
        """Take an engine folder; returns its pinned reference."""
        layers = pack_engine(folder, scratch)
        for layer in layers:
            title = layer.annotations[media.TITLE]
            self.blobs[layer.digest] = (scratch / f"{title}.tar").read_bytes()
        config = Descriptor(media_type=media.CONFIG, digest=digests.of_bytes(b"{}"), size=2)
        data = media.encode(Manifest(artifact_type=media.ENGINE_TYPE, config=config, layers=tuple(layers)))
        self.manifests[digests.of_bytes(data)] = data
        return Reference.parse(f"{self.address}/engines").at(digests.of_bytes(data))


@contextmanager
def broken_registry() -> Iterator[BrokenRegistry]:
    """Serve on a free loopback port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {})) as server:
        registry = BrokenRegistry(f"127.0.0.1:{server.server_port}")
        server.RequestHandlerClass.registry = registry  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield registry
        server.shutdown()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    registry: BrokenRegistry
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        kind, _, name = self.path.rpartition("/")
        if kind.endswith("/blobs") and name in self.registry.blobs:
            self._blob(name)
        elif kind.endswith("/manifests") and name in self.registry.manifests:
            self._send(200, self.registry.manifests[name], {"Content-Type": media.MANIFEST})
        else:
            self._send(404, json.dumps({"errors": []}).encode(), {})

    def _blob(self, name: str) -> None:
        does, asked = self.registry.does, self.headers.get("Range", "")
        self.registry.asked.append((name, asked))
        if does.refusals:
            headers = {"Retry-After": does.retry_after} if does.retry_after else {}
            self._send(does.refusals.pop(0), b"{}", headers)
            return
        data, offset = self.registry.blobs[name], 0
        if asked and not does.ignores_ranges:
            offset = int(asked.removeprefix("bytes=").removesuffix("-"))
        if does.wrong_bytes:
            data = bytes([data[0] ^ 1]) + data[1:] if not offset else data[:-1] + bytes([data[-1] ^ 1])
        headers = {"Content-Range": f"bytes {offset}-{len(data) - 1}/{len(data)}"} if offset else {}
        self._send(206 if offset else 200, data[offset:], headers, cut=self._cut())

    def _cut(self) -> int | None:
        does = self.registry.does
        if does.cut_after is None or does.cuts == 0:
            return None
        does.cuts = None if does.cuts is None else does.cuts - 1
        return does.cut_after

    def _send(self, status: int, data: bytes, headers: dict[str, str], *, cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        hang = self.registry.does.hang_after
        if hang is not None and hang < len(data):
            self.wfile.write(data[:hang])
            self.wfile.flush()
            self.registry.does.go_on.wait(60)
            data = data[hang:]
        self.wfile.write(data if cut is None else data[:cut])
        self.wfile.flush()
        self.registry.sent_bytes += len(data) if cut is None else min(cut, len(data))
        if cut is not None and cut < len(data):
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
