"""One comparison: what structure proves of it at once, and what is tried, region by region."""

import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from burnish_engine.report import Guarantee
from burnish_optimizer.aside import Aside, Json
from burnish_optimizer.batches import by_size
from burnish_optimizer.gates import cut as cuts
from burnish_optimizer.gates.beside import Failures, Sides
from burnish_optimizer.gates.capture import Captures
from burnish_optimizer.gates.cut import Cut
from burnish_optimizer.gates.diff import Region, parts, regions
from burnish_optimizer.gates.kin import shares
from burnish_optimizer.gates.numbering import Tensors, same_by_structure
from burnish_optimizer.gates.twins import few_of_a_kind
from burnish_optimizer.gates.verdict import Verdict
from burnish_optimizer.rewrite.walk import nodes_of, subgraphs

MAX_GROWTH = 4
# Regions that are tried together: what they take in memory, and how many (sessions of thousands are slow).
CHUNK_BYTES = 64 << 20
CHUNK_REGIONS = 2000
# What is tried sooner than a fork is made for it: so many nodes, of a model that answers so soon.
FEW_NODES, FEW_SECONDS = 40, 0.002
# The proof is bounded: regions that need a closer look beyond this time are left as they were.
PASS_SECONDS = 30.0
LATE = "its gate was out of time"


class Trial:
    """One comparison: what structure proves at once, and what is left to be tried."""

    def __init__(
        self,
        sides: Sides | None,
        captures: Sequence[Captures],
        run_seconds: float = 0.0,
        verdict: Verdict | None = None,
    ) -> None:
        """Args: sides: None where the verdict is known.   run_seconds: what an answer of the source takes."""
        self._run_seconds = run_seconds
        self._captures, self._verdict = captures, verdict or Verdict()
        self._changed: tuple[Region, ...] = ()
        self._left: list[Cut] = []
        self._whole: dict[Region, Cut] = {}
        self._tensors: Tensors = {}
        if sides is not None:
            self._sides = sides
            self._compare_structure()

    @property
    def is_long(self) -> bool:
        """Whether what is left to be tried is worth a fork."""
        return bool(self._left) and (self._run_seconds > FEW_SECONDS or self._nodes() > FEW_NODES)

    def _nodes(self) -> int:
        """Nodes to be tried, those of both sides and of subgraphs."""
        roots = (
            side.nodes[key]
            for cut in self._left
            for side, keys in zip(self._sides.views, (cut.before, cut.after), strict=True)
            for key in keys
        )
        return sum(1 + sum(1 for graph in subgraphs(node) for _ in nodes_of(graph)) for node in roots)

    def _compare_structure(self) -> None:
        views = self._sides.views
        self._changed = regions(*views)
        pending = [cut for region in self._changed if region.outputs for cut in self._cuts(region)]
        self._verdict.regions = len(pending) + sum(not region.outputs for region in self._changed)
        self._left = pending if self._rounds else [cut for cut in pending if not self._is_same(cut)]
        self._verdict.proved = len(pending) - len(self._left)

    @property
    def _rounds(self) -> bool:
        """Whether answers may move: what does that is hardly ever the same by its structure."""
        return self._sides.guarantee is Guarantee.ROUNDING

    def _is_same(self, cut: Cut) -> bool:
        return not cut.region.twin and same_by_structure(cut, *self._sides.views, self._tensors)

    def _cuts(self, region: Region) -> list[Cut]:
        """Where to cut a change: in parts where rounding is allowed."""
        views = self._sides.views
        whole = cuts.balanced(Cut(region), *views)
        if not self._rounds:
            return [whole]
        found = [cuts.balanced(Cut(part), *views) for part in parts(region, *views)]
        if len(found) == 1 or any(cut.common or not cut.region.outputs for cut in found):
            return [whole]
        self._whole.update(dict.fromkeys((cut.region for cut in found), whole))
        return found

    def run(self, processes: int = 1) -> Verdict:
        """The verdict. Never raises for what a pass did wrong.

        Args: processes: this one and forks of it, each of which tries a share of what rounds.
        """
        if not self._left:
            return self._verdict
        self._started = time.monotonic()
        pending = few_of_a_kind(self._left, self._sides.views, self._looks)
        mine, *theirs = shares(pending, self._sides.views, processes if self._rounds else 1)
        asides: list[Aside] = []
        for share in theirs:
            try:
                asides.append(Aside("a share of a verdict", partial(self._told_of, share)))
            except OSError:  # no process is to be had
                mine += share
        self._try(mine)
        for aside in asides:
            told = aside.result()
            self._verdict.trials += told["trials"]
            self._verdict.failed.update({self._changed[place]: said for place, said in told["failed"]})
        return self._verdict

    def _try(self, pending: Sequence[Cut]) -> None:
        for chunk in self._chunks(pending):
            self._settle(chunk)
        self._verdict.trials = self._sides.trials

    def _told_of(self, share: Sequence[Cut]) -> Json:
        self._try(share)
        failed = self._verdict.failed.items()
        return {
            "trials": self._verdict.trials,
            "failed": [(self._changed.index(region), said) for region, said in failed],
        }

    def _looks(self, names: list[str]) -> Mapping[str, Hashable]:
        for each in self._captures if names else ():
            with suppress(Exception):  # where it does not run on small inputs, the declared ones come next
                return each.looks(self._sides.models[0], names)
        return {}

    def _chunks(self, pending: Sequence[Cut]) -> Iterator[list[Cut]]:
        """Regions that are tried together, so that what they take stays small in memory."""
        values: dict[str, Any] = {}
        for each in self._captures if pending else ():
            with suppress(Exception):  # where it does not run on small inputs, the declared ones come next
                values = self._captured(each, pending)[0]
                break
        least = CHUNK_BYTES // CHUNK_REGIONS
        return by_size(pending, lambda one: max(self._bytes(one, values), least), CHUNK_BYTES)

    def _bytes(self, one: Cut, values: Mapping[str, Any]) -> int:
        at_cut = cuts.boundary([one], *self._sides.views)
        taken = sum(getattr(values.get(name), "nbytes", 0) for name in at_cut)
        return taken + cuts.constant_bytes(one, *self._sides.views)

    def _captured(self, captures: Captures, chunk: Sequence[Cut]) -> list[dict[str, Any]]:
        return captures.values(self._sides.models[0], cuts.boundary(chunk, *self._sides.views))

    def _settle(self, chunk: list[Cut]) -> None:
        """All together; where that does not hold, one by one; where that does not, cut wider.

        A trial that fails ends the others' trials, too: those are tried again without what failed, unless the
        verdict is clear.
        """
        while chunk and (failed := self._compare(chunk)):
            suspects = _suspects(chunk, failed)
            told = {self._whole.get(one.region, one): failed.get(one.region, LATE) for one in suspects}
            for one, evidence in told.items():
                late = time.monotonic() - self._started > PASS_SECONDS
                said = evidence if late else self._alone(one)
                if said:
                    self._verdict.failed[one.region] = said
            chunk = [] if self._verdict.failed else [one for one in chunk if one not in suspects]

    def _alone(self, one: Cut) -> str | None:
        """The evidence against one region; None where it holds once it is cut widely enough."""
        said: str | None = None
        for _ in range(MAX_GROWTH):
            failed = self._compare([one])
            if not failed:
                return None
            said = next(iter(failed.values()))
            if said.startswith("captured"):
                return said
            wider = cuts.grown(one, *self._sides.views, self._changed)
            if wider == one:
                return said
            one = wider
        return said

    def _compare(self, chunk: Sequence[Cut]) -> Failures:
        """What differs on small values is tried again on values of the declared sizes."""
        *small, declared = self._captures
        left = chunk
        for captures in small:
            with suppress(Exception):  # sizes that the source declares may be part of it by now
                left = self._unsettled(left, captures)
        return self._sides.compare(left, self._captured(declared, left)) if left else {}

    def _unsettled(self, chunk: Sequence[Cut], captures: Captures) -> list[Cut]:
        """What does not hold on small values, or shows too little on them. Raises: as `compare`."""
        found: list[Cut] = []
        rest = list(chunk)
        self._sides.seen.clear()
        while rest and (failed := self._sides.compare(rest, self._captured(captures, rest))):
            suspects = _suspects(rest, failed)
            found += suspects
            rest = [one for one in rest if one not in suspects]
        return found + [one for one in rest if self._turns_on_size(one)]

    def _turns_on_size(self, cut: Cut) -> bool:
        """Whether smaller inputs may tell nothing: of a branch not taken, of answers without elements."""
        branches = self._sides.views[0].any_body(cut.region.before)
        return branches or not self._sides.seen.issuperset(cut.region.outputs)


def _suspects(chunk: Sequence[Cut], failed: Failures) -> list[Cut]:
    """Those that failed; all where it cannot be told which."""
    return [one for one in chunk if one.region in failed or "" in failed]
