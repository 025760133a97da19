"""What an error looks like over HTTP: a status and `{"error": …}`."""

import math
from collections.abc import Mapping
from types import MappingProxyType

from burnish_engine.errors import (
    BurnishError,
    IntegrityError,
    InvalidEngine,
    InvalidReference,
    NotFound,
    RegistryUnavailable,
    UntrustedEngine,
)
from burnish_runtime.errors import GoldenMismatch, InvalidInput, InvalidModel
from burnish_serving.errors import (
    BodyTooLarge,
    DeadlineExceeded,
    ForbiddenEngine,
    InvalidRequest,
    NotEnoughMemory,
    NotReady,
    Overloaded,
    RepositoryClosed,
    SlowBody,
    SwapRefused,
    UnknownModel,
    UnsupportedCall,
    UnsupportedEncoding,
    retry_after_seconds,
)
from burnish_serving.http.reply import Reply, error_content

STATUSES: Mapping[type[BurnishError], int] = MappingProxyType(
    {
        InvalidRequest: 400,
        InvalidInput: 400,
        UnknownModel: 404,
        SlowBody: 408,
        BodyTooLarge: 413,
        UnsupportedEncoding: 415,
        RepositoryClosed: 403,
        ForbiddenEngine: 403,
        UntrustedEngine: 403,
        InvalidReference: 400,
        NotFound: 404,
        IntegrityError: 422,
        InvalidEngine: 422,
        InvalidModel: 422,
        GoldenMismatch: 422,
        NotEnoughMemory: 507,
        RegistryUnavailable: 502,
        SwapRefused: 503,
        UnsupportedCall: 501,
        NotReady: 503,
        Overloaded: 429,
        DeadlineExceeded: 504,
    }
)
# An error may quote what was sent, and a request may name a million inputs.
MAX_CHARACTERS = 2000
CLIENT_CLOSED_REQUEST = 499  # nginx's: nobody reads the answer any more, only metrics see it


def status_of(error: BurnishError) -> int:
    """The status for an error: 500 for what is not the caller's fault or the moment's."""
    return STATUSES.get(type(error), 500)


def failure(message: str, status: int, retry_seconds: float = 1.0) -> Reply:
    """An error as the protocol wants it; told when to come back where that may help."""
    # RFC 9110, 10.2.3: whole seconds.
    headers = {"Retry-After": str(max(1, math.ceil(retry_seconds)))} if status in (429, 503) else None
    return Reply([error_content(message[:MAX_CHARACTERS])], status, headers)


def refusal(error: BurnishError) -> Reply:
    """The answer to a request that ended with this error."""
    return failure(str(error), status_of(error), retry_after_seconds(error))
