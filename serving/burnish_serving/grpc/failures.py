"""What an error looks like over gRPC: a status code and its details. HTTP's table: `http.failures`."""

from collections.abc import Mapping
from types import MappingProxyType

from grpc import StatusCode

from burnish_engine.errors import (
    BurnishError,
    IntegrityError,
    InvalidEngine,
    InvalidReference,
    NotFound,
    RegistryUnavailable,
    UntrustedEngine,
    WaitingError,
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

CODES: Mapping[type[BurnishError], StatusCode] = MappingProxyType(
    {
        InvalidRequest: StatusCode.INVALID_ARGUMENT,
        InvalidInput: StatusCode.INVALID_ARGUMENT,
        UnknownModel: StatusCode.NOT_FOUND,
        SlowBody: StatusCode.DEADLINE_EXCEEDED,
        BodyTooLarge: StatusCode.RESOURCE_EXHAUSTED,
        UnsupportedEncoding: StatusCode.UNIMPLEMENTED,
        UnsupportedCall: StatusCode.UNIMPLEMENTED,
        RepositoryClosed: StatusCode.PERMISSION_DENIED,
        ForbiddenEngine: StatusCode.PERMISSION_DENIED,
        UntrustedEngine: StatusCode.PERMISSION_DENIED,
        InvalidReference: StatusCode.INVALID_ARGUMENT,
        NotFound: StatusCode.NOT_FOUND,
        IntegrityError: StatusCode.FAILED_PRECONDITION,
        InvalidEngine: StatusCode.FAILED_PRECONDITION,
        InvalidModel: StatusCode.FAILED_PRECONDITION,
        GoldenMismatch: StatusCode.FAILED_PRECONDITION,
        NotEnoughMemory: StatusCode.RESOURCE_EXHAUSTED,
        RegistryUnavailable: StatusCode.UNAVAILABLE,
        SwapRefused: StatusCode.UNAVAILABLE,
        NotReady: StatusCode.UNAVAILABLE,
        Overloaded: StatusCode.RESOURCE_EXHAUSTED,
        DeadlineExceeded: StatusCode.DEADLINE_EXCEEDED,
    }
)
# Details travel in a header, percent-encoded: clients take 8 KiB of those, three bytes a byte at worst.
MAX_DETAILS_BYTES = 2000
# Read by gRPC's own retries: https://github.com/grpc/proposal/blob/master/A6-client-retries.md
PUSHBACK = "grpc-retry-pushback-ms"


def code_of(error: BurnishError) -> StatusCode:
    """The code for an error: INTERNAL for what is not the caller's fault or the moment's."""
    return CODES.get(type(error), StatusCode.INTERNAL)


def details_of(error: BurnishError) -> str:
    """The message, fit for a header."""
    return str(error).encode("utf-8", "replace")[:MAX_DETAILS_BYTES].decode("utf-8", "ignore")


def pushback_of(error: BurnishError) -> tuple[tuple[str, str], ...]:
    """Trailing metadata: when to come back, where that may help."""
    if not isinstance(error, WaitingError):
        return ()
    return ((PUSHBACK, str(round(retry_after_seconds(error) * 1000))),)
