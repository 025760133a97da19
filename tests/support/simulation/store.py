"""The registries' contents. The operator's own adapter, with its memory, is in between.

`Store` stands where the adapter calls `burnish_engine.store` and the OCI client: tags, engines by tag,
indexes. What Jobs pushed after their gates passed is remembered for ever, for judging what gets traffic.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from burnish_engine import outcome as outcomes
from burnish_engine.descriptor import EngineDescriptor
from burnish_engine.digest import of_json
from burnish_engine.errors import BurnishError, NotFound
from burnish_engine.oci import media
from burnish_engine.oci.media import Descriptor
from burnish_engine.oci.reference import SCHEME, Reference
from burnish_engine.outcome import Outcome
from burnish_engine.report import Report
from support import engines as samples


@dataclass(frozen=True)
class Pushed:
    """An engine that passed its gates. hardware: labels of the node on which it was built and measured."""

    place: str
    key: str
    digest: str
    source: str
    precisions: str
    hardware: Mapping[str, str]
    loads: bool = True

    @property
    def outcome(self) -> Outcome:
        """What the Job says of it."""
        return outcomes.of_report(_report(self.key), self.digest, "Twice as fast.")


@dataclass
class Store:
    """`down`, when set, is what everyone gets, pods too."""

    tags: dict[str, str] = field(default_factory=dict)
    engines: dict[str, Pushed] = field(default_factory=dict)
    indexes: dict[str, dict[str, str]] = field(default_factory=dict)
    pushed: dict[str, Pushed] = field(default_factory=dict)
    down: BurnishError | None = None
    history: dict[str, set[str]] = field(default_factory=dict)

    def tag(self, tag: str, digest: str) -> None:
        """An artifact of a user's; what a tag pointed at before is remembered."""
        self.tags[tag] = digest
        self.history.setdefault(tag, set()).add(digest)

    def digests_of(self, uri: str) -> set[str]:
        """All that an `oci://` URI ever pointed at."""
        return self.history.get(uri.removeprefix(SCHEME), set())

    def push(self, engine: Pushed) -> None:
        """What an optimizer does in the end: another build is another digest."""
        self.engines[engine.place] = engine
        self.pushed[engine.digest] = engine

    def lose(self, engine: Pushed, *, passed: bool) -> None:
        """An engine that no one gets; passed: its gates, so that it may be rolled out before one can know."""
        if passed:
            self.pushed[engine.digest] = engine

    def next_digest(self, place: str) -> str:
        """Builds are not reproducible to the byte."""
        return of_json([place, sum(engine.place == place for engine in self.pushed.values())])

    def pulls(self, reference: str) -> Pushed | None:
        """What a pod gets for `oci://…@sha256:…`, if it gets anything."""
        digest = reference.rpartition("@")[2]
        held = any(engine.digest == digest for engine in self.engines.values())
        return self.pushed.get(digest) if held and self.down is None else None

    # From here on: what the adapter calls.

    def resolve(self, reference: Reference) -> Descriptor:
        """A tag's or a digest's descriptor."""
        self._ask()
        engine = self.engines.get(_place(reference))
        digest = reference.digest or (engine.digest if engine else self.tags.get(_place(reference)))
        if digest is None or (reference.digest and not self._holds(digest)):
            raise _missing(reference)
        return _descriptor(digest)

    def read_records(self, _: object, reference: Reference) -> tuple[Report, EngineDescriptor, Descriptor]:
        """The report and the descriptor of the engine at a tag."""
        self._ask()
        engine = self.engines.get(_place(reference))
        if engine is None:
            raise _missing(reference)
        return _report(engine.key), samples.descriptor(engine.key), _descriptor(engine.digest)

    def push_index(self, _: object, reference: Reference, engines: Mapping[str, Descriptor]) -> Descriptor:
        """Push the index of a revision."""
        self._ask()
        found = {name: descriptor.digest for name, descriptor in engines.items()}
        if not all(map(self._holds, found.values())):
            raise _missing(reference)
        self.indexes[_place(reference)] = found
        return _descriptor(of_json(sorted(found.items())))

    def _holds(self, digest: str) -> bool:
        return any(engine.digest == digest for engine in self.engines.values())

    def _ask(self) -> None:
        if self.down is not None:
            raise self.down


_REPORTS: dict[str, Report] = {}


def _report(key: str) -> Report:
    if key not in _REPORTS:
        _REPORTS[key] = samples.report(key)
    return _REPORTS[key]


def _place(reference: Reference) -> str:
    return str(reference).removeprefix(SCHEME)


def _descriptor(digest: str) -> Descriptor:
    return Descriptor(media_type=media.MANIFEST, digest=digest, size=2)


def _missing(reference: Reference) -> NotFound:
    return NotFound(str(reference), found="nothing (404)", expected="an artifact in the registry")
