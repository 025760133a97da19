"""Who leads, told by one Lease of the API server. Pure: records and times come in as arguments.

Clocks of two machines are never compared. A candidate counts by its own from when it first saw a record, and
a leader by its own from before it sent one: the leader's term is over first, whatever the clocks say.
"""

from dataclasses import dataclass, replace

# What Kubernetes' own components take for their 15 s: 10 s, and 2 s.
_DEADLINE_SHARE = 2 / 3
_RENEW_SHARE = 1 / 3
_RETRY_SHARE = 2 / 15


@dataclass(frozen=True)
class Terms:
    """How long a lease lasts after each renewal; all else follows from it.

    deadline_seconds: a leader that renewed nothing for so long begins no write any more.
    """

    lease_seconds: int

    @property
    def deadline_seconds(self) -> float:
        """How long after a renewal was sent a leader may still begin to write."""
        return self.lease_seconds * _DEADLINE_SHARE

    @property
    def renew_seconds(self) -> float:
        """How often a leader renews."""
        return self.lease_seconds * _RENEW_SHARE

    @property
    def retry_seconds(self) -> float:
        """How often a candidate looks, and a leader tries again that could not renew."""
        return self.lease_seconds * _RETRY_SHARE


@dataclass(frozen=True)
class Record:
    """What a Lease says. `holder` is "" where it was given back; times are only compared for change."""

    holder: str
    lease_seconds: int
    acquired: str
    renewed: str
    transitions: int


@dataclass(frozen=True)
class Stored:
    """A record as it lies there, and its version."""

    record: Record
    version: str


@dataclass(frozen=True)
class Sighting:
    """A record, and when this process saw it first (seconds of its own clock)."""

    record: Record
    since: float


def sight(last: Sighting | None, record: Record, now: float) -> Sighting:
    """The same record goes on ageing; another one is new."""
    return last if last is not None and last.record == record else Sighting(record, now)


def is_free(seen: Sighting, me: str, now: float) -> bool:
    """Whether `me` may take the lease: given back, ours, or not renewed for as long as it lasts."""
    record = seen.record
    return record.holder in ("", me) or now - seen.since > record.lease_seconds


def claimed(record: Record | None, me: str, terms: Terms, now: str) -> Record:
    """The record by which `me` takes or renews the lease."""
    if record is not None and record.holder == me:
        return replace(record, lease_seconds=terms.lease_seconds, renewed=now)
    return Record(me, terms.lease_seconds, now, now, 0 if record is None else record.transitions + 1)


def given_back(record: Record, now: str) -> Record:
    """The record that lets the next candidate lead at once; a Lease cannot last for 0 s."""
    return replace(record, holder="", lease_seconds=1, renewed=now)
