"""One Lease of `coordination.k8s.io/v1`: read, and changed only in the version that was read."""

from datetime import UTC, datetime

from burnish_operator.adapters.kubernetes import KubernetesCluster
from burnish_operator.errors import ClusterConflict
from burnish_operator.lease import Record, Stored
from burnish_operator.ports import LEASE, Object


class KubernetesLease:
    """The Lease `namespace/name`. Every method may raise the cluster's errors."""

    def __init__(self, cluster: KubernetesCluster, namespace: str, name: str) -> None:
        self._cluster, self._namespace, self._name = cluster, namespace, name

    def read(self) -> Stored | None:
        """What is there now; None where nobody ever led."""
        found = self._cluster.get(LEASE, self._namespace, self._name)
        return None if found is None else _stored(found)

    def write(self, record: Record, version: str | None) -> Stored:
        """Change that version, or with None create the Lease.

        Raises: ClusterConflict: someone else was first.
        """
        body = self._body(record)
        if version is None:
            return _stored(self._cluster.create(body))
        change = {"metadata": {"resourceVersion": version}, "spec": body["spec"]}
        found = self._cluster.patch(LEASE, self._namespace, self._name, change)
        if found is None:
            raise ClusterConflict(
                f"Lease {self._namespace}/{self._name}", found="none", expected=f"version {version}"
            )
        return _stored(found)

    def _body(self, record: Record) -> Object:
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {
                "holderIdentity": record.holder,
                "leaseDurationSeconds": record.lease_seconds,
                "acquireTime": record.acquired,
                "renewTime": record.renewed,
                "leaseTransitions": record.transitions,
            },
        }


def micro_time(now: datetime) -> str:
    """A time as the API server keeps it in a Lease: UTC, to the microsecond."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _stored(raw: Object) -> Stored:
    spec = raw.get("spec", {})
    record = Record(
        holder=spec.get("holderIdentity") or "",
        lease_seconds=spec.get("leaseDurationSeconds") or 0,
        acquired=spec.get("acquireTime") or "",
        renewed=spec.get("renewTime") or "",
        transitions=spec.get("leaseTransitions") or 0,
    )
    return Stored(record, raw["metadata"]["resourceVersion"])
