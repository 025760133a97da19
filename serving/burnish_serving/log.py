"""Logs as JSON lines on standard error."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}

_LEVELS = {
    "burnish": logging.INFO,
    **dict.fromkeys(("uvicorn", "grpc", "asyncio", "opentelemetry"), logging.ERROR),
}


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time, level, logger, message, and whatever was passed as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        document: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        document |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, default=str)


def configure(stream: TextIO | None = None) -> None:
    """Send this server's logs, and the libraries' errors, to `stream` (default: standard error).

    uvicorn warns of every malformed request; anybody could fill a disk with that.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    for name, level in _LEVELS.items():
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = [handler], False
        logger.setLevel(level)
