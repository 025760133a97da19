"""The operator's requests, as the API server's audit log tells them: who, what, when."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

WRITES = ("create", "update", "patch", "delete", "deletecollection")


@dataclass(frozen=True)
class Request:
    """One request. `at`: seconds of the epoch; `what`: verb and resource; a watch counts when it begins."""

    at: float
    verb: str
    resource: str
    code: int

    @property
    def is_write(self) -> bool:
        """Whether it was to change something."""
        return self.verb in WRITES

    @property
    def is_watch(self) -> bool:
        """A watch is one request that stays."""
        return self.verb == "watch"


class AuditLog:
    """Reads what was added since the last time."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, 0
        self.requests: list[Request] = []

    def read(self) -> list[Request]:
        """All requests until now."""
        if self._path.exists():
            with self._path.open("rb") as log:
                log.seek(self._offset)
                data = log.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._offset += len(whole)
            self.requests += [r for line in whole.splitlines() if (r := _request(json.loads(line)))]
        return self.requests

    def between(self, since: float, until: float) -> list[Request]:
        """Requests that began in this time."""
        return [request for request in self.read() if since <= request.at <= until]


def _request(told: dict[str, Any]) -> Request | None:
    is_watch = told["verb"] == "watch"
    if (told["stage"] == "ResponseStarted") != is_watch:
        return None
    ref = told.get("objectRef") or {}
    resource = "/".join(part for part in (ref.get("resource", ""), ref.get("subresource", "")) if part)
    return Request(
        at=datetime.fromisoformat(told["requestReceivedTimestamp"]).timestamp(),
        verb=told["verb"],
        resource=resource or told["requestURI"],
        code=told.get("responseStatus", {}).get("code", 0),
    )


def by_kind(requests: Iterable[Request]) -> dict[str, int]:
    """How many of each verb and resource, the most frequent first."""
    counted = Counter(f"{request.verb} {request.resource}" for request in requests)
    return dict(counted.most_common())
