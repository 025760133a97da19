"""Ask a component whether it is up: small HTTP requests with a short patience."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from certificates import ADMIN, Authority
from layout import ClusterError

PATIENCE_SECONDS = 2.0
POLL_SECONDS = 0.05


class NotReadyError(ClusterError):
    """Something did not answer in time."""


class Api:
    """The API server, seen by the cluster's administrator."""

    def __init__(self, pki: Path, host: str, port: int) -> None:
        authority = Authority(pki)
        self._address = (host, port)
        self._context = ssl.create_default_context(cafile=str(authority.certificate("ca")))
        self._context.load_cert_chain(authority.certificate(ADMIN.file), authority.key(ADMIN.file))

    def request(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Status and body of one request.

        Raises: OSError if nothing answers.
        """
        connection = http.client.HTTPSConnection(
            *self._address, timeout=PATIENCE_SECONDS, context=self._context
        )
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:  # a server that dies while it answers
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """A decoded object, or None if it does not exist or nothing answers."""
        try:
            status, content = self.request("GET", path)
        except OSError:
            return None
        return json.loads(content) if status == http.HTTPStatus.OK else None

    def ready(self) -> bool:
        try:
            return self.request("GET", "/readyz")[0] == http.HTTPStatus.OK
        except OSError:
            return False

    def create(self, path: str, body: object) -> None:
        """Create an object; one that exists already is fine."""
        status, content = self.request("POST", path, body)
        if status not in {http.HTTPStatus.OK, http.HTTPStatus.CREATED, http.HTTPStatus.CONFLICT}:
            raise ClusterError(f"POST {path}: {status} {content.decode(errors='replace')}")

    def has_default_account(self) -> bool:
        """Pods are refused before the controller manager has made this ServiceAccount."""
        return self.get("/api/v1/namespaces/default/serviceaccounts/default") is not None

    def ready_nodes(self) -> set[str]:
        listed = self.get("/api/v1/nodes") or {"items": []}
        return {node["metadata"]["name"] for node in listed["items"] if node_is_ready(node)}


def node_is_ready(node: Any) -> bool:
    """Whether a Node object's Ready condition is true."""
    conditions = node.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def answers(host: str, port: int, path: str) -> bool:
    """Whether a plain HTTP GET returns 200."""
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_until(
    what: str, ready: Callable[[], bool], seconds: float, check: Callable[[], None] = lambda: None
) -> None:
    """Poll `ready`; `check` runs between polls and may raise, e.g. because the process has died.

    Raises: NotReadyError after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        check()
        if time.monotonic() > deadline:
            raise NotReadyError(f"{what} was not ready after {seconds:.0f} s")
        time.sleep(POLL_SECONDS)
