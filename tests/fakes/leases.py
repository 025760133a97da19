"""A Lease in memory: versions and conflicts as the API server has them, and faults on demand."""

from collections.abc import Callable
from dataclasses import dataclass, field

from burnish_operator.errors import ClusterConflict, ClusterUnavailable
from burnish_operator.lease import Record, Stored


@dataclass
class FakeLease:
    """Implements `leader.LeaseStore`. `before` and `after` run around each call: faults, or delay."""

    stored: Stored | None = None
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None
    wrote: list[Record] = field(default_factory=list)

    def read(self) -> Stored | None:
        self.before()
        found = self.stored
        self.after()
        return found

    def write(self, record: Record, version: str | None) -> Stored:
        self.before()
        if version != (self.stored.version if self.stored else None):
            raise ClusterConflict("lease", found="another version", expected=str(version))
        self.stored = Stored(record, str(len(self.wrote)))
        self.wrote.append(record)
        stored = self.stored
        self.after()
        return stored


def unavailable() -> None:
    """A fault for `before` (nothing was done) or `after` (it was done, and the answer is lost)."""
    raise ClusterUnavailable("lease", found="no answer", expected="an answer")
