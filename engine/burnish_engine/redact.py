"""Secrets that users write into addresses: they go into no log, report, status or error."""

import re

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
