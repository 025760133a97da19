"""Events, kept in a list."""

from burnish_operator.ports import Event, Object


class FakeEvents:
    """Implements `ports.Events`."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Event]] = []

    def publish(self, about: Object, event: Event) -> None:
        self.published.append((about["metadata"]["name"], event))

    def reasons(self) -> list[str]:
        """The reasons, in order."""
        return [event.reason for _, event in self.published]
