"""What can go wrong between the operator and the API server.

BurnishError
├── Forbidden (stalled)             RBAC or an admission plugin refuses
├── Rejected (stalled)              the API server finds the object invalid
├── ClusterConflict (transient)     someone else was first; look again
└── ClusterUnavailable (transient)  no answer, 429 or 5xx
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
