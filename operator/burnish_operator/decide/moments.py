"""Times that people write into annotations."""

from datetime import UTC, datetime


def moment(annotation: str) -> datetime | None:
    """RFC 3339, in UTC where it names no zone; None where it is no time."""
    try:
        asked = datetime.fromisoformat(annotation)
    except ValueError:
        return None
    return asked if asked.tzinfo else asked.replace(tzinfo=UTC)
