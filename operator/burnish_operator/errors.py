"""What can go wrong between the operator and the API server, or Prometheus.

BurnishError
├── Forbidden (stalled)             RBAC or an admission plugin refuses
├── Rejected (stalled)              the API server finds the object invalid
├── ClusterConflict (transient)     someone else was first; look again
├── ClusterUnavailable (transient)  no answer, 429 or 5xx
├── PrometheusRefused (stalled)     it answers that the question is wrong, or not allowed
└── PrometheusUnavailable (transient)  no answer, or none that can be read
"""

from burnish_engine.errors import StalledError, TransientError


class Forbidden(StalledError):
    """RBAC, a quota or an admission plugin refuses."""


class Rejected(StalledError):
    """The API server answers that the object is invalid."""


class ClusterConflict(TransientError):
    """The object changed or exists already: read again, decide again."""


class ClusterUnavailable(TransientError):
    """The API server does not answer, or not now."""


class PrometheusRefused(StalledError):
    """Prometheus answers, and not with figures."""


class PrometheusUnavailable(TransientError):
    """Prometheus does not answer, or not in a way that can be read."""
