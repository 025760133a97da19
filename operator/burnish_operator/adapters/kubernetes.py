"""`ports.Cluster` over the official Kubernetes client: plain JSON in, plain JSON out."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import urllib3.exceptions
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException

from burnish_engine.errors import BurnishError, TransientError
from burnish_engine.redact import sanitized
from burnish_operator.errors import ClusterBusy, ClusterConflict, ClusterUnavailable, Forbidden, Rejected
from burnish_operator.names import MANAGER
from burnish_operator.ports import KINDS, NODE, Kind, Object

TIMEOUT_SECONDS = 30.0
_APPLY = "application/apply-patch+yaml"
_JSON = "application/json"


class KubernetesCluster:
    """The API server that a kubeconfig or the pod's own account points at.

    watch_namespaces: where namespaced objects are listed; empty means everywhere.
    may_write: asked just before each write is sent: the seconds that it may take, or NotLeading.
    """

    def __init__(
        self,
        configuration: Configuration,
        watch_namespaces: tuple[str, ...] = (),
        connections: int = 8,
        *,
        may_write: Callable[[], float] = lambda: math.inf,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        configuration.connection_pool_maxsize = connections
        # urllib3 would sleep on Retry-After, holding a worker, and send a write again when the right to it is
        # gone. The queue waits, and decides again.
        configuration.retries = False
        self._api = ApiClient(configuration)
        self._namespaces, self._may_write, self._timeout = watch_namespaces, may_write, timeout_seconds

    def answers(self) -> bool:
        """Whether the API server answers at all."""
        try:
            self._request("GET", "/version")
        except (ClusterUnavailable, ClusterBusy):
            return False
        except BurnishError:
            # It has answered, though with a refusal.
            return True
        return True

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One object, or None."""
        return self._request("GET", path_of(kind, namespace, name), missing_is_none=True)

    def find(
        self,
        kind: Kind,
        namespace: str = "",
        labels: Mapping[str, str] | None = None,
        *,
        fresh: bool = False,
    ) -> list[Object]:
        """Objects of one namespace, or of every watched one."""
        spaces = [namespace] if namespace or not kind.namespaced else list(self._namespaces or ("",))
        query = {"labelSelector": ",".join(f"{k}={v}" for k, v in sorted((labels or {}).items()))}
        if kind is NODE and not fresh:
            # Nodes are many and their heartbeat is of no interest: the server's cache will do.
            query["resourceVersion"] = "0"
        return [item for space in spaces for item in self._items(kind, space, query)]

    def create(self, obj: Object) -> Object:
        """POST; ClusterConflict if the name is taken."""
        kind, namespace, _ = _identity(obj)
        body = self._request("POST", path_of(kind, namespace), query={"fieldManager": MANAGER}, body=obj)
        return body or {}

    def apply(self, obj: Object, *, force: bool = True) -> Object:
        """Server-side apply as field manager `burnish`."""
        return self._apply(obj, "", force=force)

    def apply_status(self, obj: Object) -> Object:
        """Server-side apply of the status subresource."""
        return self._apply(obj, "/status")

    def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Delete in the background, on condition that it is still the same object."""
        options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        self._request("DELETE", path_of(kind, namespace, name), body=options, missing_is_none=True)

    def patch(self, kind: Kind, namespace: str, name: str, body: Object) -> Object | None:
        """JSON merge patch; None if there is no such object."""
        path = path_of(kind, namespace, name)
        return self._request(
            "PATCH", path, body=body, content_type="application/merge-patch+json", missing_is_none=True
        )

    def _items(self, kind: Kind, namespace: str, query: Mapping[str, str]) -> list[Object]:
        body = self._request("GET", path_of(kind, namespace), query=query) or {}
        # Items of a list come without their kind; the rest of the code wants whole objects.
        return [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in body.get("items", [])]

    def _apply(self, obj: Object, subresource: str, *, force: bool = True) -> Object:
        kind, namespace, name = _identity(obj)
        query = {"fieldManager": MANAGER, "force": "true" if force else ""}
        path = path_of(kind, namespace, name) + subresource
        return self._request("PATCH", path, query=query, body=obj, content_type=_APPLY) or {}

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content_type: str = _JSON,
        missing_is_none: bool = False,
    ) -> Object | None:
        sent = {name: value for name, value in (query or {}).items() if value}
        url = self._api.configuration.host + path + (f"?{urlencode(sent, quote_via=quote)}" if sent else "")
        try:
            # Not `param_serialize`: it copies the whole body in search of what is no JSON.
            headers = self._headers(method, path, content_type if body is not None else "")
            seconds = self._timeout if method == "GET" else min(self._timeout, self._may_write())
            response = self._api.call_api(method, url, headers, body, _request_timeout=seconds)
            if response.status >= 400 and not (response.status == 404 and missing_is_none):
                raise error_of(path, response.status, response.read(), response.headers.get("Retry-After"))
            return _answer(response.status, response.read())
        except (ApiException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _unavailable(path, sanitized(str(error))) from error

    def _headers(self, method: str, path: str, content_type: str) -> dict[str, str]:
        told = {"Accept": _JSON, **({"Content-Type": content_type} if content_type else {})}
        headers = {**self._api.default_headers, **told}
        # The token as it is now: a pod's is renewed while it runs.
        self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, None)
        return headers


def _identity(obj: Object) -> tuple[Kind, str, str]:
    metadata = obj["metadata"]
    return KINDS[obj["kind"]], metadata.get("namespace", ""), metadata.get("name", "")


def path_of(kind: Kind, namespace: str = "", name: str = "") -> str:
    """Where an object is, or without a name all of them. "": everywhere."""
    root = "/api" if "/" not in kind.api_version else "/apis"
    space = f"/namespaces/{quote(namespace, safe='')}" if kind.namespaced and namespace else ""
    return f"{root}/{kind.api_version}{space}/{kind.plural}" + (f"/{quote(name, safe='')}" if name else "")


def _answer(status: int, data: bytes | None) -> Object | None:
    if status == 404:
        return None
    answer: Any = json.loads(data or b"{}")
    return dict(answer)


def error_of(path: str, status: int, data: bytes | None, retry_after: str | None = None) -> BurnishError:
    """What an answer of the API server that is no success means to the loop."""
    message = sanitized(_message(data or b""))
    if status == 409:
        return ClusterConflict(
            path, found=message, expected="an object as we read it", remedy="Reading it again."
        )
    if status == 403:
        remedy = "Grant the operator's ServiceAccount this right, or lift the policy or quota that refuses."
        return Forbidden(path, found=message, expected="to be allowed", remedy=remedy)
    if status in (400, 404, 405, 415, 422):
        remedy = "Check that the CRDs have the operator's version (they ship with the chart)."
        return Rejected(path, found=message, expected="an object that the API server accepts", remedy=remedy)
    return _not_now(path, status, message, retry_after)


def _not_now(path: str, status: int, message: str, retry_after: str | None) -> TransientError:
    kind = ClusterBusy if status == 429 else ClusterUnavailable
    error = kind(path, found=f"HTTP status {status}: {message}", expected="an answer", remedy="Trying again.")
    error.retry_after_seconds = _seconds(retry_after)
    return error


def _seconds(retry_after: str | None) -> float | None:
    """The API server sends whole seconds; a proxy's date is not understood and counts as nothing said."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else None


def _message(data: bytes) -> str:
    try:
        return str(json.loads(data).get("message") or data.decode())
    except (ValueError, AttributeError):
        return data.decode(errors="replace")[:500]


def _unavailable(path: str, found: str) -> ClusterUnavailable:
    return ClusterUnavailable(
        path, found=found, expected="an answer of the API server", remedy="Trying again."
    )
