"""Logs: one JSON object a line for machines, or plain lines for people."""

import json
import logging
import sys
from datetime import UTC, datetime

from burnish_engine.redact import sanitized


class JsonFormatter(logging.Formatter):
    """`{"time","level","logger","message"}`, and the traceback of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": sanitized(record.getMessage()),
        }
        if record.exc_info:
            entry["exception"] = sanitized(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """A readable line, as clean of secrets as the other form."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, or more with an exception."""
        return sanitized(super().format(record))


def configure(log_format: str, level: int = logging.INFO) -> None:
    """Send all logs to standard error in this format (`json` or `text`)."""
    handler = logging.StreamHandler(sys.stderr)
    text = TextFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if log_format == "json" else text)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # One line for each heartbeat, request and handled event helps nobody.
    for noisy in ("kopf.objects", "kopf.activities", "httpx", "urllib3", "asyncio", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
