"""What the operator needs from the world: five small protocols, each with an in-memory twin in the tests.

Everything behind them may block (the adapters talk to servers) and is called from worker threads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from burnish_engine.descriptor import EngineDescriptor
from burnish_engine.outcome import Outcome

Object = dict[str, Any]
"""A Kubernetes object as JSON: read only by `api` and `observe`, written only by `render`."""


@dataclass(frozen=True)
class Kind:
    """One kind of object and where the API serves it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True


OPTIMIZED_MODEL = Kind("burnish.dev/v1alpha1", "OptimizedModel", "optimizedmodels")
ACCELERATOR_CLASS = Kind("burnish.dev/v1alpha1", "AcceleratorClass", "acceleratorclasses", namespaced=False)
NODE = Kind("v1", "Node", "nodes", namespaced=False)
POD = Kind("v1", "Pod", "pods")
SERVICE = Kind("v1", "Service", "services")
EVENT = Kind("v1", "Event", "events")
JOB = Kind("batch/v1", "Job", "jobs")
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
KINDS = {
    kind.kind: kind
    for kind in (OPTIMIZED_MODEL, ACCELERATOR_CLASS, NODE, POD, SERVICE, EVENT, JOB, DEPLOYMENT, LEASE)
}


class Cluster(Protocol):
    """The API server. Every method may raise Forbidden, Rejected or ClusterUnavailable."""

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One object, or None. `namespace` is "" for cluster-scoped kinds."""

    def find(
        self,
        kind: Kind,
        namespace: str = "",
        labels: Mapping[str, str] | None = None,
        *,
        fresh: bool = False,
    ) -> list[Object]:
        """Objects with all these labels; namespace "" means every watched namespace.

        fresh: as they are at this moment; else what the watches told last. They must not be changed.
        """

    def create(self, obj: Object) -> Object:
        """Raises: ClusterConflict: the name is taken."""

    def apply(self, obj: Object, *, force: bool = True) -> Object:
        """Server-side apply of our fields, forced: they are ours; other fields stay their owners'.

        Raises: ClusterConflict: someone else owns a field of ours, and it is not forced.
        """

    def apply_status(self, obj: Object) -> Object:
        """Server-side apply of the status subresource."""

    def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Delete this very object with its dependents; it may be gone already."""


@dataclass(frozen=True)
class Engine:
    """An engine that lies in a registry: its pinned reference, and what its records say."""

    reference: str
    digest: str
    outcome: Outcome
    descriptor: EngineDescriptor


class Registry(Protocol):
    """OCI registries. Methods raise the errors of `burnish_engine.errors`."""

    def resolve(self, uri: str) -> str:
        """The manifest digest that `oci://…` points at now."""

    def find_engine(self, repository: str, key: str, *, fresh: bool = False) -> Engine | None:
        """The engine at `<repository>:<key>`, if it was built already; `fresh` allows no memory of it."""

    def put_index(self, repository: str, tag: str, engines: Mapping[str, str]) -> str:
        """Push the index of one revision (target name to engine digest); return its digest."""


@dataclass(frozen=True)
class Comparison:
    """What Prometheus is asked: how two engines of one model did lately.

    canary, stable: digests.   window_seconds: how far it looks back.
    """

    namespace: str
    model: str
    canary: str
    stable: str
    window_seconds: int


@dataclass(frozen=True)
class Samples:
    """What Prometheus says; a figure that it does not have is None, and one may be NaN.

    p99: seconds of answered requests.   agreement: mean over `compared` answers of the canary.
    """

    canary_requests: float | None = None
    canary_failed: float | None = None
    canary_p99: float | None = None
    stable_requests: float | None = None
    stable_p99: float | None = None
    compared: float | None = None
    agreement: float | None = None


class Prometheus(Protocol):
    """The Prometheus that scrapes the serving pods."""

    def compare(self, question: Comparison) -> Samples:
        """Raises: PrometheusUnavailable, PrometheusRefused."""


class Clock(Protocol):
    """Time, so that tests own it."""

    def now(self) -> datetime:
        """The present, with time zone UTC."""


@dataclass(frozen=True)
class Event:
    """Something that happened, for `kubectl describe`."""

    reason: str
    message: str
    warning: bool = False


class Events(Protocol):
    """Where events go. Losing one is no error: status is the truth."""

    def publish(self, about: Object, event: Event) -> None:
        """Tell `event` about an object (its apiVersion, kind and metadata are read)."""
