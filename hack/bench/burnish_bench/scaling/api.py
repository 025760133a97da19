"""The API server, asked as fast as one process can: plain JSON over kept connections."""

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import urllib3

Object = dict[str, Any]
CONNECTIONS = 8
WATCH_SECONDS = 3600


class Api:
    """As the administrator of a control plane whose folder is `root`."""

    def __init__(self, server: str, root: Path) -> None:
        pki = root / "pki"
        self._server = server
        self._pool = urllib3.PoolManager(
            maxsize=2 * CONNECTIONS,
            ca_certs=str(pki / "ca.crt"),
            cert_file=str(pki / "admin.crt"),
            key_file=str(pki / "admin.key"),
        )

    def get(self, path: str) -> Object:
        """One object or list. Raises: RuntimeError: it was refused."""
        return self._answer(self._pool.request("GET", self._server + path), path)

    def text(self, path: str) -> str:
        """An answer that is no JSON."""
        return self._pool.request("GET", self._server + path).data.decode()

    def create(self, path: str, objects: Iterable[Object]) -> None:
        """POST them all, several at a time, in their order. Raises: RuntimeError: one was refused."""
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            for _ in pool.map(lambda obj: self._create(path, obj), objects):
                pass

    def delete(self, path: str) -> None:
        """DELETE one object, or all of a collection."""
        self._answer(self._pool.request("DELETE", self._server + path), path)

    def watch(self, path: str, version: str) -> Iterator[Object]:
        """Objects as they change, from this version on, until the connection ends."""
        query = f"?watch=1&timeoutSeconds={WATCH_SECONDS}&resourceVersion={version}"
        answer = self._pool.request("GET", self._server + path + query, preload_content=False)
        rest = b""
        # The control plane is stopped while the watch still stands.
        with suppress(urllib3.exceptions.HTTPError):
            for chunk in answer.stream(1 << 16):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield json.loads(line)["object"]

    def _create(self, path: str, obj: Object) -> None:
        answer = self._pool.request(
            "POST", self._server + path, body=json.dumps(obj), headers={"Content-Type": "application/json"}
        )
        self._answer(answer, path)

    def _answer(self, answer: urllib3.BaseHTTPResponse, path: str) -> Object:
        if answer.status >= 300:
            raise RuntimeError(f"{path}: HTTP status {answer.status}: {answer.data.decode()[:500]}")
        found: Object = json.loads(answer.data)
        return found
