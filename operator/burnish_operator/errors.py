"""What can go wrong between the operator and the API server.

BurnishError
├── Forbidden (stalled)             RBAC or an admission plugin refuses
├── Rejected (stalled)              the API server finds the object invalid
├── NameConflict (stalled)          the name is taken by an object that is not ours
├── ClusterConflict (transient)     someone else was first; look again
└── ClusterUnavailable (transient)  no answer, 429 or 5xx
"""

import re

from burnish_engine.errors import StalledError, TransientError


class Forbidden(StalledError):
    """RBAC, a quota or an admission plugin refuses."""


class Rejected(StalledError):
    """The API server answers that the object is invalid."""


class NameConflict(StalledError):
    """An object of this name exists and belongs to someone else."""


class ClusterConflict(TransientError):
    """The object changed or exists already: read again, decide again."""


class ClusterUnavailable(TransientError):
    """The API server does not answer, or not now."""


_USER_INFO = re.compile(r"(?<=://)[^/\s@]+@")
_QUERY = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s?'\"]+)\?[^\s'\"]+")
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}")


def sanitized(text: str) -> str:
    """The text without what may be a secret: user information and queries of URLs, Authorization values.

    >>> sanitized("https://me:pw@host/a?token=x failed")
    'https://host/a?… failed'
    """
    text = _USER_INFO.sub("", text)
    return _BEARER.sub(r"\1 …", _QUERY.sub(r"\1?…", text))
