"""When each watch last heard from the API server: the pure part of liveness, readiness and a metric.

A watch that works hears at least a bookmark a minute; one that hears nothing is opened anew by kopf after
`settings.watching.inactivity_timeout`. What is silent for much longer than that is not mended by anyone.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

STALE_SECONDS = 300.0


@dataclass(frozen=True)
class Stream:
    """One watch: the path that it asks for, when it last heard anything, and whether it ever ran."""

    path: str
    heard: float
    began: bool

    @property
    def plural(self) -> str:
        """What is watched."""
        return self.path.rsplit("/", 1)[-1]


class Pulse:
    """The watches without which this process is of no use; others are not looked at."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._expected: frozenset[str] = frozenset()
        self._monotonic = monotonic
        self._streams: dict[str, Stream] = {}
        self._lock = threading.Lock()

    def expect(self, plurals: Collection[str]) -> None:
        """What will be watched."""
        self._expected = frozenset(plurals)

    def asked(self, path: str) -> None:
        """A watch of this path is asked for: from now on it is expected to be heard."""
        self._note(Stream(path, self._monotonic(), began=False), anew=False)

    def heard(self, path: str) -> None:
        """A watch was answered, or brought something."""
        self._note(Stream(path, self._monotonic(), began=True), anew=True)

    def ages(self) -> Mapping[str, float]:
        """Seconds of silence by plural: of the most silent watch of each."""
        now, found = self._monotonic(), self._all()
        return {
            plural: max(now - stream.heard for stream in found if stream.plural == plural)
            for plural in sorted({stream.plural for stream in found})
        }

    def stale(self) -> list[str]:
        """Paths that have been silent for too long, and for how long."""
        now = self._monotonic()
        return [
            f"{stream.path} has heard nothing for {now - stream.heard:.0f} s"
            for stream in self._all()
            if now - stream.heard > STALE_SECONDS
        ]

    def waited_for(self) -> list[str]:
        """What is not watched yet; nothing where all that exists was listed once."""
        found = self._all()
        if not self._expected:
            return ["what may be watched is not known"]
        unknown = self._expected - {stream.plural for stream in found}
        return sorted(unknown | {stream.path for stream in found if not stream.began})

    def _note(self, stream: Stream, *, anew: bool) -> None:
        if stream.plural not in self._expected:
            return
        with self._lock:
            if anew or stream.path not in self._streams:
                self._streams[stream.path] = stream

    def _all(self) -> list[Stream]:
        with self._lock:
            return sorted(self._streams.values(), key=lambda stream: stream.path)
