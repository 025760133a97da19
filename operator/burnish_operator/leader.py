"""Who may write: the process that holds the Lease, for as long as it can be sure of it. Rules are in `lease`.

A process leads once in its life. Whoever lost the lease ends, and starts again without memories of its reign.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from burnish_engine.errors import BurnishError
from burnish_operator.errors import ClusterConflict, NotLeading
from burnish_operator.lease import Record, Sighting, Stored, Terms, claimed, given_back, is_free, sight

_log = logging.getLogger(__name__)


class LeaseStore(Protocol):
    """Where the Lease lies. Methods block, and raise the cluster's errors."""

    def read(self) -> Stored | None:
        """What is there now; None where nobody ever led."""

    def write(self, record: Record, version: str | None) -> Stored:
        """Change that version, or with None create it. Raises: ClusterConflict: someone else was first."""


class LeaseLost(NotLeading):
    """Another one leads, or nothing could be renewed in time."""


class Alone:
    """The part of an elector where nobody else runs: it leads from the start."""

    leads = True

    async def campaign(self) -> None:
        """Lead at once."""

    async def hold(self) -> None:
        """For ever."""
        await asyncio.Event().wait()

    async def resign(self) -> None:
        """There is nobody to tell."""

    def seconds_left(self) -> float:
        """Any write may take as long as it likes."""
        return float("inf")


class Elector:
    """One candidate.

    elapsed: seconds of a clock that neither stops nor jumps. stamp: the time for people, as a Lease has it.
    """

    def __init__(
        self, store: LeaseStore, me: str, terms: Terms, elapsed: Callable[[], float], stamp: Callable[[], str]
    ) -> None:
        self._store, self._me, self._terms, self._elapsed, self._stamp = store, me, terms, elapsed, stamp
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lease")
        self._seen: Sighting | None = None
        self._mine: Stored | None = None
        self._renewed: float | None = None
        self._told = ""

    @property
    def leads(self) -> bool:
        """Whether this process may begin to write now."""
        renewed = self._renewed
        return renewed is not None and self._elapsed() - renewed < self._terms.deadline_seconds

    def seconds_left(self) -> float:
        """How long a write that begins now may take: it must be over before another one can lead.

        Raises: NotLeading: no write may begin.
        """
        renewed, now = self._renewed, self._elapsed()
        if renewed is None or now - renewed >= self._terms.deadline_seconds:
            raise NotLeading(
                self._me, found="no lease that is sure", expected="to lead", remedy="The leader goes on."
            )
        return renewed + self._terms.lease_seconds - now

    async def campaign(self) -> None:
        """Return once this process leads."""
        while not await self._try():
            await asyncio.sleep(self._terms.retry_seconds * random.uniform(0.8, 1.2))  # noqa: S311
        _log.info("leading as %s", self._me)

    async def hold(self) -> None:
        """Renew for ever.

        Raises: LeaseLost: this process may write no more.
        """
        pause = self._terms.renew_seconds
        while True:
            await asyncio.sleep(max(0.0, min(pause, self._certain_seconds())))
            try:
                async with asyncio.timeout(max(0.0, self._certain_seconds())):
                    renewed = await self._try()
            except TimeoutError:
                raise self._lost("no renewal within its deadline") from None
            pause = self._terms.renew_seconds if renewed else self._terms.retry_seconds

    async def resign(self) -> None:
        """Write no more, and give the lease back if it is ours: the next candidate leads at once."""
        self._renewed = None
        try:
            # Behind an attempt that may still be under way.
            await asyncio.get_running_loop().run_in_executor(self._thread, self._give_back)
        except BurnishError as error:
            _log.warning("the lease was not given back, and ends by itself: %s", error)

    async def _try(self) -> bool:
        sent = self._elapsed()
        try:
            mine = await asyncio.get_running_loop().run_in_executor(self._thread, self._attempt)
        except BurnishError as error:
            self._tell(f"no answer about the lease: {error}")
            return False
        if mine is None:
            self._check_still_ours()
            return False
        self._mine, self._renewed = mine, sent
        return True

    def _attempt(self) -> Stored | None:
        known = self._mine
        if known is not None:
            try:
                return self._claim(known)
            except ClusterConflict:
                # Our own write whose answer was lost, a label of someone's, or another leader: look.
                self._mine = None
        stored = self._store.read()
        if stored is None:
            return self._claim(None)
        self._seen = sight(self._seen, stored.record, self._elapsed())
        return self._claim(stored) if is_free(self._seen, self._me, self._elapsed()) else None

    def _claim(self, stored: Stored | None) -> Stored:
        record = None if stored is None else stored.record
        wanted = claimed(record, self._me, self._terms, self._stamp())
        return self._store.write(wanted, None if stored is None else stored.version)

    def _check_still_ours(self) -> None:
        holder = self._seen.record.holder if self._seen else ""
        if self._renewed is not None:
            raise self._lost(f"the lease held by {holder}")
        self._tell(f"standing by: {holder} leads")

    def _give_back(self) -> None:
        stored = self._store.read()
        if stored is not None and stored.record.holder == self._me:
            self._store.write(given_back(stored.record, self._stamp()), stored.version)
            _log.info("the lease is given back")

    def _certain_seconds(self) -> float:
        return (self._renewed or 0.0) + self._terms.deadline_seconds - self._elapsed()

    def _lost(self, found: str) -> LeaseLost:
        self._renewed = None
        return LeaseLost(
            self._me, found=found, expected="to lead", remedy="This process ends; the next one leads."
        )

    def _tell(self, message: str) -> None:
        if message != self._told:
            _log.info("%s", message)
        self._told = message
