"""What can go wrong between the operator and the API server, or Prometheus.

BurnishError
├── Forbidden (stalled)             RBAC or an admission plugin refuses
├── Rejected (stalled)              the API server finds the object invalid
├── ClusterConflict (transient)     someone else was first; look again
├── ClusterUnavailable (transient)  no answer, or 5xx
├── PutOff (transient)              the turn ends here, and no status tells of it
│   ├── ClusterBusy                 429: the API server asks for patience
│   ├── JobsFull                    as many Jobs build as may: another turn was first
│   └── NotLeading                  another operator leads, or may soon
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
    """The API server does not answer."""


class PutOff(TransientError):
    """Nothing is wrong with any object: the turn is taken later, by whoever leads then."""


class ClusterBusy(PutOff):
    """The API server has too many requests (429). `retry_after_seconds`: when to come back."""


class JobsFull(PutOff):
    """As many Jobs build as may: since this turn looked, another one made theirs."""


class NotLeading(PutOff):
    """This process may not write: it does not lead, or can no longer be sure that it does."""


class PrometheusRefused(StalledError):
    """Prometheus answers, and not with figures."""


class PrometheusUnavailable(TransientError):
    """Prometheus does not answer, or not in a way that can be read."""
