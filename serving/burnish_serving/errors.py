"""Errors of answering requests. Their codes: `http.failures` and `grpc.failures`.

BurnishError
├── StalledError
│   ├── InvalidRequest        not a request of the protocol, or not one for this model
│   ├── UnknownModel          no such model or version here
│   ├── BodyTooLarge          more bytes than the server takes
│   ├── UnsupportedEncoding   a body compressed in a way the server does not read
│   ├── UnsupportedCall       a call of an extension that is not served
│   ├── SlowBody              the client stopped sending
│   ├── InvalidSettings       the server cannot be started like that
│   ├── RepositoryClosed      engines may not be changed by request here
│   ├── ForbiddenEngine       an engine that may not be loaded by request
│   └── NotEnoughMemory       no room for one more engine beside the one that serves
└── WaitingError
    ├── NotReady              still loading
    ├── SwapRefused           the server is draining, or too many changes wait already
    ├── PeerFailed            the stable peer gives no answer to compare with
    ├── Overloaded            full, or the answer would come too late: refused at once
    └── DeadlineExceeded      the caller's time was over before the engine was free
"""

from burnish_engine.errors import BurnishError, StalledError, WaitingError


class InvalidRequest(StalledError):
    """Bytes that are no inference request, or tensors that are not what they say."""


class UnknownModel(StalledError):
    """A model name or version that is not served here."""


class BodyTooLarge(StalledError):
    """A body above the limit, as sent or once it is decompressed."""


class UnsupportedEncoding(StalledError):
    """A Content-Encoding that the server does not read."""


class UnsupportedCall(StalledError):
    """A call of the protocol's extensions that this server does not answer."""


class SlowBody(StalledError):
    """A body that stopped arriving."""


class InvalidSettings(StalledError):
    """Settings with which no server can be started."""


class RepositoryClosed(StalledError):
    """Loading and unloading by request is switched off."""


class ForbiddenEngine(StalledError):
    """An engine that may not be loaded by request: no digest, another repository, other inputs or outputs."""


class NotEnoughMemory(StalledError):
    """Two engines do not fit into the memory limit together."""


class SwapRefused(WaitingError):
    """A change of engines that cannot be made now."""


class PeerFailed(WaitingError):
    """A peer without an answer that ours could be compared with."""


class NotReady(WaitingError):
    """The engine is still being fetched, loaded or warmed up."""


class Overloaded(WaitingError):
    """The server answers as many requests as it may, or would answer this one too late.

    retry_after_seconds: when another try is worth it.
    """

    def __init__(
        self, subject: str, *, found: str, expected: str, remedy: str = "", retry_after_seconds: float = 1.0
    ) -> None:
        super().__init__(subject, found=found, expected=expected, remedy=remedy)
        self.retry_after_seconds = retry_after_seconds


class DeadlineExceeded(WaitingError):
    """The deadline of a request was over before its turn came. It was not computed."""


def retry_after_seconds(error: BurnishError) -> float:
    """When another try is worth it: as the error says, or in a second."""
    return error.retry_after_seconds if isinstance(error, Overloaded) else 1.0
