"""`ports.Registry` over `burnish_engine`'s OCI client, with a short memory.

A tag's digest is remembered for a minute and a found engine for ten: a reconcile that a pod's
heartbeat woke must not become a request to the registry. That nothing was found is never remembered,
and of what pods do not serve yet the tag is asked for anew: an engine that is gone must not be rolled out.
"""

import math
import threading
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from burnish_engine import outcome as outcomes
from burnish_engine import store
from burnish_engine.errors import NotFound
from burnish_engine.oci.client import RegistryClient
from burnish_engine.oci.media import Descriptor
from burnish_engine.oci.reference import Reference
from burnish_operator.names import engine_place
from burnish_operator.ports import Engine

TAG_SECONDS = 60.0
ENGINE_SECONDS = 600.0
Value = TypeVar("Value")


class Memory(Generic[Value]):
    """Values that are good for a while; safe between threads."""

    def __init__(self, lifetime_seconds: float, monotonic: Callable[[], float]) -> None:
        self._lifetime, self._monotonic = lifetime_seconds, monotonic
        self._values: dict[str, tuple[float, Value]] = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> Value | None:
        """The value, unless it is too old."""
        with self._lock:
            known = self._values.get(key)
            return known[1] if known and known[0] > self._monotonic() else None

    def put(self, key: str, value: Value) -> Value:
        """Remember a value and forget those that are too old: they are the first ones."""
        now = self._monotonic()
        with self._lock:
            self._values.pop(key, None)
            self._values[key] = (now + self._lifetime, value)
            while self._values[oldest := next(iter(self._values))][0] <= now:
                del self._values[oldest]
        return value

    def forget(self, key: str) -> None:
        """Drop a value that is known to be untrue."""
        with self._lock:
            self._values.pop(key, None)


class OciRegistry:
    """Registries that `client` may speak to. `may_write` raises NotLeading where it may not push."""

    def __init__(
        self,
        client: RegistryClient,
        monotonic: Callable[[], float],
        may_write: Callable[[], float] = lambda: math.inf,
    ) -> None:
        self._client, self._may_write = client, may_write
        self._tags: Memory[str] = Memory(TAG_SECONDS, monotonic)
        self._engines: Memory[Engine] = Memory(ENGINE_SECONDS, monotonic)
        self._indexes: Memory[str] = Memory(ENGINE_SECONDS, monotonic)
        self._descriptors: Memory[Descriptor] = Memory(ENGINE_SECONDS, monotonic)

    def resolve(self, uri: str) -> str:
        """The manifest digest of an `oci://` URI."""
        reference = Reference.parse(uri)
        if reference.digest:
            return reference.digest
        return self._tags.get(uri) or self._tags.put(uri, self._client.resolve(reference).digest)

    def find_engine(self, repository: str, key: str, *, fresh: bool = False) -> Engine | None:
        """The engine of this key with its report's figures, or None; `fresh` trusts no memory."""
        where = engine_place(repository, key)
        known = self._engines.get(where)
        reference = Reference.parse(where)
        if known is not None and (not fresh or self._is_still(known, reference)):
            return known
        try:
            report, descriptor, manifest = store.read_records(self._client, reference)
        except NotFound:
            self._engines.forget(where)
            return None
        outcome = outcomes.of_report(report, manifest.digest, "Found in the registry.")
        pinned = str(reference.at(manifest.digest))
        return self._engines.put(where, Engine(pinned, manifest.digest, outcome, descriptor))

    def put_index(self, repository: str, tag: str, engines: Mapping[str, str]) -> str:
        """Push the index, unless this process pushed the very same one a moment ago."""
        reference = Reference.parse(f"{repository}:{tag}")
        memory = f"{reference} {sorted(engines.items())}"
        known = self._indexes.get(memory)
        if known is not None:
            return known
        descriptors = {name: self._descriptor(reference.at(digest)) for name, digest in engines.items()}
        self._may_write()
        return self._indexes.put(memory, store.push_index(self._client, reference, descriptors).digest)

    def _is_still(self, known: Engine, reference: Reference) -> bool:
        """Whether the tag has the very engine that is remembered: its records need not be read anew."""
        try:
            return self._client.resolve(reference).digest == known.digest
        except NotFound:
            return False

    def _descriptor(self, reference: Reference) -> Descriptor:
        # What has a digest never changes; whether it is there, a registry checks when an index names it.
        known = self._descriptors.get(str(reference))
        return known or self._descriptors.put(str(reference), self._client.resolve(reference))
