"""What TensorRT says while it builds or loads: kept, since its functions give None and no reason."""

from functools import cache
from typing import Any

MOST_LINES = 200


def log_of(library: Any) -> Any:
    """A new logger for the library's objects. It must live as long as they do."""
    return _kind(library)()


@cache
def _kind(library: Any) -> Any:
    """The library's logger has to be a base class, and the library is not always there."""

    class Log(library.ILogger):  # type: ignore[misc]
        """Errors and warnings, in order; further ones are counted."""

        def __init__(self) -> None:
            library.ILogger.__init__(self)
            self.errors: list[str] = []
            self.warnings: list[str] = []
            self.left_out = 0

        def log(self, severity: Any, message: str) -> None:
            """Called by the library, on any thread."""
            if severity in (library.ILogger.ERROR, library.ILogger.INTERNAL_ERROR):
                self._keep(self.errors, message)
            elif severity == library.ILogger.WARNING:
                self._keep(self.warnings, message)

        def last_error(self) -> str:
            """The last error in one line; empty where there was none."""
            return " ".join(self.errors[-1].split())[:500] if self.errors else ""

        def _keep(self, lines: list[str], message: str) -> None:
            if len(lines) < MOST_LINES:
                lines.append(message)
            else:
                self.left_out += 1

    return Log
