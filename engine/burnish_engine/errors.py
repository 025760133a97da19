"""Errors that diagnose: which object, what was found, what was expected, what to do now.

Every package of Burnish hangs its own tree under `BurnishError`. The split is by what the caller
must do, because that is all that a loop, a Job or a person can act upon:

    BurnishError
    ├── StalledError       the user must change something; trying again is useless
    │   ├── InvalidReference, NotFound, Unauthorized, IntegrityError, InvalidEngine
    │   ├── UntrustedEngine, InvalidKey
    ├── WaitingError       something else must happen first; look again later
    └── TransientError     nobody is at fault; back off and try again
        └── RegistryUnavailable
"""

from enum import StrEnum
from typing import ClassVar


class Action(StrEnum):
    """What a caller does about an error."""

    STALLED = "Stalled"
    WAITING = "Waiting"
    TRANSIENT = "Transient"


class BurnishError(Exception):
    """The root of all errors that Burnish raises on purpose.

    Args:
        subject: the object at fault, as the user knows it (a path, a URI, `namespace/name`).
        found: what was there.   expected: what should have been.   remedy: what to do now.
    """

    action: ClassVar[Action] = Action.STALLED

    def __init__(self, subject: str, *, found: str, expected: str, remedy: str = "") -> None:
        self.subject, self.found, self.expected, self.remedy = subject, found, expected, remedy
        super().__init__(f"{subject}: found {found}, expected {expected}.{' ' + remedy if remedy else ''}")

    @property
    def reason(self) -> str:
        """CamelCase and machine-readable: what becomes the reason of a condition."""
        return type(self).__name__.removesuffix("Error") or "Failed"


def one_line(error: BaseException, characters: int = 300) -> str:
    """What an error of somebody else's says, fit for a record or a sentence of ours."""
    return " ".join(str(error).split())[:characters]


class StalledError(BurnishError):
    """The user must act: the same input fails again."""


class WaitingError(BurnishError):
    """Something else must happen first."""

    action = Action.WAITING


class TransientError(BurnishError):
    """Worth trying again with a back-off. `retry_after_seconds`: when, where the other side said so."""

    action = Action.TRANSIENT
    retry_after_seconds: float | None = None


class InvalidReference(StalledError):
    """A URI or image reference that cannot be parsed."""


class NotFound(StalledError):
    """The registry or server answers, and has no such object."""


class Unauthorized(StalledError):
    """Credentials are missing, wrong, or do not cover this object."""


class IntegrityError(StalledError):
    """Bytes are not what their digest says: never used, never cached."""


class InvalidEngine(StalledError):
    """An artifact that is no Burnish engine, or one of an unknown schema."""


class UntrustedEngine(StalledError):
    """An engine without a signature by a key that is trusted here."""


class InvalidKey(StalledError):
    """A file that holds no key for signatures, or one that cannot be read."""


class RegistryUnavailable(TransientError):
    """No answer, a broken answer, or a 5xx."""
