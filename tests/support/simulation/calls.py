"""Faults on the way: every call of the operator to the API server or a registry goes through here.

One turn of the operator has a list of `Fault`s, each for one of its calls by number. Between two calls the
rest of the world may move as well (`Meanwhile`): a user's edit, a controller, another worker's whole turn.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from burnish_engine.errors import BurnishError, RegistryUnavailable, Unauthorized
from burnish_operator.errors import (
    ClusterBusy,
    ClusterConflict,
    ClusterUnavailable,
    Forbidden,
    PrometheusRefused,
    PrometheusUnavailable,
)
from burnish_operator.ports import (
    Comparison,
    Engine,
    Kind,
    Object,
    Prometheus,
    Registry,
    Samples,
)
from fakes.cluster import FakeCluster, Killed

T = TypeVar("T")
FAULTS = ("crash", "crash after", "409", "429", "500", "403", "timeout")


@dataclass(frozen=True)
class Fault:
    """What happens at the n-th call of a turn. "crash after" and "timeout": the server has done it."""

    call: int
    kind: str


@dataclass
class Calls:
    """The calls of one process. `meanwhile`: by number of the call before which the world moves."""

    trace: list[str]
    number: int = 0
    faults: dict[int, str] = field(default_factory=dict)
    meanwhile: dict[int, Callable[[], None]] = field(default_factory=dict)
    hit: list[str] = field(default_factory=list)

    def begin(self, faults: tuple[Fault, ...], meanwhile: Mapping[int, Callable[[], None]]) -> None:
        """A turn starts."""
        self.number, self.hit = 0, []
        self.faults = {fault.call: fault.kind for fault in faults}
        self.meanwhile = dict(meanwhile)

    def do(self, what: str, call: Callable[[], T], error: Callable[[str, str], BurnishError]) -> T:
        """One call, with what was planned for it."""
        number, self.number = self.number, self.number + 1
        moves = self.meanwhile.pop(number, None)
        if moves is not None:
            moves()
        fault = self.faults.get(number, "")
        self.trace.append(f"    {what}{f'  <- {fault}' if fault else ''}")
        self._before(fault, what, error)
        answer = call()
        if fault in ("timeout", "crash after"):
            self.hit.append(fault)
            raise error(fault, what) if fault == "timeout" else Killed(what)
        return answer

    def _before(self, fault: str, what: str, error: Callable[[str, str], BurnishError]) -> None:
        if fault in ("409", "429", "500", "403", "crash"):
            self.hit.append(fault)
            raise Killed(what) if fault == "crash" else error(fault, what)


def cluster_error(fault: str, what: str) -> BurnishError:
    """A status of the API server as the adapter tells it."""
    kinds: dict[str, type[BurnishError]] = {"409": ClusterConflict, "403": Forbidden, "429": ClusterBusy}
    # A read is never a conflict.
    kind = kinds.get(fault, ClusterUnavailable)
    kind = ClusterUnavailable if kind is ClusterConflict and what.startswith(("get", "find")) else kind
    return kind(what, found=fault, expected="an answer")


def registry_error(fault: str, what: str) -> BurnishError:
    """A status of a registry as the client tells it."""
    return (Unauthorized if fault == "403" else RegistryUnavailable)(what, found=fault, expected="an answer")


class FaultyCluster:
    """Implements `ports.Cluster` over another one. `wrote`: told after each write that was done."""

    def __init__(self, inner: FakeCluster, calls: Calls, wrote: Callable[[str, Object], None]) -> None:
        self._inner, self._calls, self._wrote = inner, calls, wrote

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        return self._do(f"get {kind.kind} {namespace}/{name}", lambda: self._inner.get(kind, namespace, name))

    def find(
        self,
        kind: Kind,
        namespace: str = "",
        labels: Mapping[str, str] | None = None,
        *,
        fresh: bool = False,
    ) -> list[Object]:
        return self._do(f"find {kind.kind}", lambda: self._inner.find(kind, namespace, labels, fresh=fresh))

    def create(self, obj: Object) -> Object:
        return self._write("create", obj, lambda: self._inner.create(obj))

    def apply(self, obj: Object, *, force: bool = True) -> Object:
        return self._write("apply", obj, lambda: self._inner.apply(obj, force=force))

    def apply_status(self, obj: Object) -> Object:
        return self._write("status", obj, lambda: self._inner.apply_status(obj))

    def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        stored = self._inner.get(kind, namespace, name)
        gone = stored is not None and stored["metadata"]["uid"] == uid

        def delete() -> None:
            self._inner.delete(kind, namespace, name, uid)
            if stored is not None and gone:
                self._wrote("delete", stored)

        self._do(f"delete {kind.kind} {namespace}/{name}", delete)

    def _write(self, verb: str, obj: Object, call: Callable[[], Object]) -> Object:
        def write() -> Object:
            stored = call()
            self._wrote(verb, stored)
            return stored

        where = f"{obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"
        return self._do(f"{verb} {obj['kind']} {where}", write)

    def _do(self, what: str, call: Callable[[], T]) -> T:
        return self._calls.do(what, call, cluster_error)


class FaultyRegistry:
    """Implements `ports.Registry` over the operator's own adapter."""

    def __init__(self, inner: Registry, calls: Calls) -> None:
        self._inner, self._calls = inner, calls

    def resolve(self, uri: str) -> str:
        return self._do(f"resolve {uri}", lambda: self._inner.resolve(uri))

    def find_engine(self, repository: str, key: str, *, fresh: bool = False) -> Engine | None:
        what = f"find engine {key[:8]}{' fresh' if fresh else ''}"
        return self._do(what, lambda: self._inner.find_engine(repository, key, fresh=fresh))

    def put_index(self, repository: str, tag: str, engines: Mapping[str, str]) -> str:
        return self._do(f"put index {tag}", lambda: self._inner.put_index(repository, tag, engines))

    def _do(self, what: str, call: Callable[[], T]) -> T:
        return self._calls.do(what, call, registry_error)


def prometheus_error(fault: str, what: str) -> BurnishError:
    """A status of Prometheus as the adapter tells it."""
    return (PrometheusRefused if fault == "403" else PrometheusUnavailable)(
        what, found=fault, expected="an answer"
    )


class FaultyPrometheus:
    """Implements `ports.Prometheus` over the world's. That it does not answer is no failure of a turn."""

    def __init__(self, inner: Prometheus, calls: Calls) -> None:
        self._inner, self._calls = inner, calls

    def compare(self, question: Comparison) -> Samples:
        hit = len(self._calls.hit)
        try:
            what = f"ask Prometheus about {question.canary[7:15]}"
            return self._calls.do(what, lambda: self._inner.compare(question), prometheus_error)
        except BurnishError:
            self._calls.hit[hit:] = ["Prometheus"]
            raise
