"""Two candidates never may write at one time: whatever is slow, lost, paused or set to another time."""

import asyncio
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from burnish_operator.errors import ClusterUnavailable, NotLeading
from burnish_operator.leader import Elector, LeaseLost
from burnish_operator.lease import Terms
from fakes.leases import FakeLease

TERMS = Terms(15)
Step = tuple[str, int, float, float, str]
# Delays of a request and of its answer: mostly short, now and then longer than a lease.
DELAYS = st.sampled_from((0.0, 0.0, 0.5, 2.0, 4.0, 8.0, 20.0))
STEPS = st.tuples(
    st.sampled_from(("try", "try", "try", "try", "pause", "pause", "resign")),
    st.integers(0, 1),
    DELAYS,
    DELAYS,
    st.sampled_from(("", "", "lost", "meanwhile")),
)


@dataclass
class Duel:
    """True time, two candidates with clocks of their own zero, and until when each one's writes may last."""

    offsets: tuple[float, float]
    now: float = 0.0
    until: list[float] = field(default_factory=lambda: [0.0, 0.0])
    ended: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.lease = FakeLease()
        self.electors = [
            Elector(self.lease, "ab"[i], TERMS, lambda i=i: self.now + self.offsets[i], lambda: f"{self.now}")
            for i in (0, 1)
        ]

    async def step(self, kind: str, who: int, before: float, after: float, trouble: str) -> None:
        """One move of one candidate; a request arrives after `before`, and its answer after `after`.

        trouble: the answer is lost, or the other one asks while it is under way.
        """
        if kind == "pause":
            self._pass(before)
        elif who in self.ended:
            self.electors[who] = self._reborn(who)
            self.ended.discard(who)
        elif kind == "resign":
            # Its turns are over by then.
            self.until[who] = 0.0
            await self._asked(who, 0.0, 0.0, "", resign=True)
        else:
            await self._asked(who, before, after, trouble)
        self.check()

    async def _asked(
        self, who: int, before: float, after: float, trouble: str, *, resign: bool = False
    ) -> None:
        def answered() -> None:
            if trouble == "meanwhile" and (1 - who) not in self.ended:
                hooks = self.lease.before, self.lease.after
                asyncio.run(self._asked(1 - who, 0.0, 0.0, ""))
                self.lease.before, self.lease.after = hooks
            self._pass(after)
            if trouble == "lost":
                raise ClusterUnavailable("lease", found="nothing", expected="an answer")

        self.lease.before, self.lease.after = (lambda: self._pass(before)), answered
        try:
            if resign:
                await self.electors[who].resign()
                self.ended.add(who)
            else:
                await self.electors[who]._try()
        except LeaseLost:
            self.ended.add(who)

    def _reborn(self, who: int) -> Elector:
        name = f"{'ab'[who]}{self.now}"
        return Elector(self.lease, name, TERMS, lambda: self.now + self.offsets[who], lambda: f"{self.now}")

    def _pass(self, seconds: float) -> None:
        self.check()
        self.now += seconds
        self.check()

    def check(self) -> None:
        """Whoever may write begins a write that lasts for as long as it may; the other one must be done."""
        for who, elector in enumerate(self.electors):
            try:
                seconds = elector.seconds_left()
            except NotLeading:
                continue
            other = 1 - who
            assert self.until[other] <= self.now, f"{other} may still write while {who} does"
            self.until[who] = max(self.until[who], self.now + seconds)


@settings(max_examples=100)
@given(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), st.lists(STEPS, min_size=20, max_size=60))
def test_never_two(offsets: tuple[float, float], steps: list[Step]) -> None:
    async def scenario() -> None:
        duel = Duel(offsets)
        for step in steps:
            await duel.step(*step)

    asyncio.run(scenario())
