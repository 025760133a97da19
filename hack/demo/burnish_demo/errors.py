"""The demo's errors: what failed, the tail of its log, what to do."""

from burnish_engine.errors import BurnishError, StalledError, WaitingError


class DemoError(StalledError):
    """A step failed; `detail` is the evidence (the tail of a log) that is shown under the message."""

    def __init__(
        self, subject: str, *, found: str, expected: str, remedy: str = "", detail: str = ""
    ) -> None:
        super().__init__(subject, found=found, expected=expected, remedy=remedy)
        self.detail = detail


class DemoTimeout(WaitingError):
    """Something did not happen in time; `detail` says what was seen instead."""

    def __init__(
        self, subject: str, *, found: str, expected: str, remedy: str = "", detail: str = ""
    ) -> None:
        super().__init__(subject, found=found, expected=expected, remedy=remedy)
        self.detail = detail


def detail_of(error: BurnishError) -> str:
    """The evidence that an error carries, or nothing."""
    return error.detail if isinstance(error, (DemoError, DemoTimeout)) else ""
