"""Runs changed regions beside what they were: on captured values, and on variations of them."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx
import onnx_ir as ir

from burnish_engine.errors import one_line
from burnish_engine.report import Guarantee
from burnish_optimizer.errors import NoTruth
from burnish_optimizer.gates import cut as cuts
from burnish_optimizer.gates.cut import Cut
from burnish_optimizer.gates.diff import Region
from burnish_optimizer.gates.equality import difference
from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.gates.extract import cut_names, model_of
from burnish_optimizer.gates.kin import Kin, Moved, by_output
from burnish_optimizer.gates.narrowing import narrowed
from burnish_optimizer.gates.probe_regions import MIXED
from burnish_optimizer.gates.probes import region_variations, varied_floats
from burnish_optimizer.gates.rounding import disagreement
from burnish_optimizer.gates.shrink import LARGE_ELEMENTS, elements, parts
from burnish_optimizer.gates.view import View
from burnish_optimizer.ingest.weights import find_in
from burnish_optimizer.reference.fp64 import Truth, evaluate

VARIATIONS = 6
# Regions of a kind that FP64 is asked about: on the first captured values, and on each other trial.
ASKED_FIRST, ASKED = 2, 1
FIRST = "captured values of probe 1"
# Of values that were tried in part before.
WHOLE = ", all of them"
# Ends the names of values that a region takes as they were captured, though another one makes them.
LINK = "/burnish-cut"
NOTHING = np.empty(0)
T = TypeVar("T")
Failures = dict[Region | str, str]


@dataclass
class Sides:
    """A model before and after a pass, and how its regions are compared.

    Args: kin: what FP64 said so far.   trials: inputs that were tried so far.
        seen: outputs that had anything in them, since this was emptied.
    """

    models: tuple[ir.Model, ir.Model]
    views: tuple[View, View]
    guarantee: Guarantee
    base: Path | None = None
    threads: int = 1
    seed: int = 0
    kin: Kin = field(default_factory=Kin)
    trials: int = 0
    seen: set[str] = field(default_factory=set)

    def compare(self, chunk: Sequence[Cut], captured: Sequence[dict[str, Any]]) -> Failures:
        """Regions that differ with their evidence; the key "" where it cannot be told which."""
        at_cut = captured[0] if captured else {}
        refused = self._narrowed(chunk, at_cut) or self._untensored(chunk, at_cut)
        if refused:
            return refused
        links = _Links.of(chunk, self.views[0])
        return _Beside(self, chunk, at_cut, links).compare([links.fed(values) for values in captured])

    def _untensored(self, chunk: Sequence[Cut], at_cut: Mapping[str, Any]) -> Failures:
        """Regions that take sequences, of which there are no variations: cut wider they may take none."""
        told: Failures = {}
        for one in chunk:
            names = cuts.boundary([one], *self.views)
            odd = sorted(name for name in names if not isinstance(at_cut.get(name, NOTHING), np.ndarray))
            if odd:
                told[one.region] = f"the value {odd[0]!r} at the cut is no tensor"
        return told

    def _narrowed(self, chunk: Sequence[Cut], at_cut: Mapping[str, Any]) -> Failures:
        """Regions that compute in a narrower type: numbers need not show it, see `gates/narrowing.py`."""
        old, new = self.views
        told: Failures = {}
        for one in chunk:
            fed = [at_cut[name] for name in cut_names(old, one.before) if _is_float(at_cut.get(name))]
            kinds = {ir.DataType.from_numpy(array.dtype) for array in fed}
            why = narrowed([old.nodes[k] for k in one.before], [new.nodes[k] for k in one.after], kinds)
            if why:
                told[one.region] = f"captured values: the rewritten part {why}"
        return told


class _Beside:
    """Some regions as two models, one of each side."""

    def __init__(
        self, sides: Sides, chunk: Sequence[Cut], at_cut: Mapping[str, Any], links: "_Links"
    ) -> None:
        self._sides, self._chunk, self._at_cut, self._links = sides, chunk, at_cut, links
        names = cuts.outputs(chunk)
        keys = ({k for c in chunk for k in c.before}, {k for c in chunk for k in c.after})
        self._truth: dict[str, Truth] = {}
        self._protos = [
            model_of(m, v, chosen, names, links.fed(at_cut), links.renamed)
            for m, v, chosen in zip(sides.models, sides.views, keys, strict=True)
        ]

    def compare(self, captured: Sequence[dict[str, Any]]) -> Failures:
        base, threads = self._sides.base, self._sides.threads
        source = Executable(self._protos[0], base, threads)
        try:
            found = Executable(self._protos[1], base, threads)
        except Exception as error:  # noqa: BLE001 - whatever makes it invalid
            why = f"captured values: ONNX Runtime refuses the rewritten part: {one_line(error)}"
            return {_only(self._chunk): why}
        before = self._sides.trials
        part = self._part(captured, source)
        failed = self._on((source, found), [part] if part else captured)
        if part:
            # The whole is its own part's kin: it may move as far. What fails on the part has another chance.
            failed = self._on((source, found), captured[:1], WHOLE, varied=bool(failed))
        tried = self._sides.trials > before
        untried: Failures = {_only(self._chunk): "captured values: the part itself runs on none of them"}
        return failed if tried else untried

    def _on(
        self,
        pair: tuple[Executable, Executable],
        captured: Sequence[dict[str, Any]],
        what: str = "",
        *,
        varied: bool = True,
    ) -> Failures:
        """What fails first, on these values and (`varied`) on variations of the first of them."""
        trials = self._trials(captured)
        for name, feeds in trials if varied else islice(trials, len(captured)):
            failed = self._try(pair, name + what, feeds)
            if failed:
                return failed
        return {}

    @cached_property
    def _region(self) -> ir.Model:
        """What was, as one model."""
        return _region_model(self._protos[0], self._sides.base)

    @cached_property
    def _kinds(self) -> dict[str, Hashable]:
        return by_output(self._chunk, self._sides.views)

    def _part(self, captured: Sequence[dict[str, Any]], source: Executable) -> dict[str, Any] | None:
        """For rounding passes: less to ask FP64 about, where that is much and the region runs on less."""
        if self._sides.guarantee is Guarantee.EXACT or elements(captured[0]) <= LARGE_ELEMENTS:
            return None
        return next((part for part in parts(captured[0]) if source.accepts(part)), None)

    def _trials(self, captured: Sequence[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
        for number, feeds in enumerate(captured):
            yield f"captured values of probe {number + 1}", feeds
        model, side = self._sides.models[0], self._sides.views[0]
        nodes = [side.nodes[key] for cut in self._chunk for key in cut.before]
        floats = self._links.fed(varied_floats(model, dict(self._at_cut), nodes))
        varied = region_variations(captured[0], floats, self._sides.seed, VARIATIONS + 1)
        yield from islice(varied, 1, None)

    def _try(self, pair: tuple[Executable, Executable], name: str, feeds: dict[str, Any]) -> Failures:
        try:
            expected = pair[0].run(feeds)
        except Exception:  # noqa: BLE001 - what the source itself refuses is no legal input
            return {}
        self._sides.trials += 1
        self._sides.seen.update(n for n, value in expected.items() if _has_any(value))
        try:
            found = pair[1].run(feeds)
        except Exception as error:  # noqa: BLE001 - whatever breaks it
            return {_only(self._chunk): f"{name}: the rewritten part fails: {one_line(error)}"}
        said = self._differences(found, expected, name, feeds)
        return {c.region: f"{name}: {said[o]}" for c in self._chunk for o in c.region.outputs if o in said}

    def _differences(
        self, found: dict[str, Any], expected: dict[str, Any], trial: str, feeds: dict[str, Any]
    ) -> dict[str, str]:
        differing = {n: s for n in expected if (s := difference(found[n], expected[n]))}
        if not differing or self._sides.guarantee is Guarantee.EXACT:
            return {n: f"{n}: {s}" for n, s in differing.items()}
        kin = self._sides.kin
        what = {name: (self._kinds[name], trial.removesuffix(WHOLE)) for name in differing}
        moved = {name: Moved.of(found[name], expected[name]) for name in differing}
        # What moves no further than captured values may is rounding, whatever the values are; but beside
        # numbers that are far larger, small ones could go anywhere unseen.
        alone = (
            {n: Moved.of(found[n], expected[n], by_itself=True) for n in differing}
            if _mixed(trial)
            else moved
        )
        left = {n for n in what if not kin.explains((self._kinds[n], FIRST), alone[n])}
        asked = ASKED_FIRST if trial == FIRST else ASKED
        first = set(kin.to_ask({n: what[n] for n in left}, found, asked))
        said = self._disagreements(first, found, expected, feeds)
        for name in first - set(said):
            kin.learn(what[name], self._truth[name], moved[name])
        rest = {n for n in left - first if not kin.explains(what[n], moved[n])}
        return said | self._disagreements(rest, found, expected, feeds)

    def _disagreements(
        self, names: set[str], found: dict[str, Any], expected: dict[str, Any], feeds: dict[str, Any]
    ) -> dict[str, str]:
        """Outputs that are further from FP64 than rounding explains."""
        if not names:
            return {}
        try:
            self._truth = evaluate(self._region, feeds, names)
        except NoTruth as error:
            return {n: f"{n}: no FP64 truth: {error.found}" for n in names}
        told = {n: disagreement(found[n], expected[n], self._truth[n]) for n in names}
        return {n: f"{n}: {s}" for n, s in told.items() if s}


@dataclass(frozen=True)
class _Links:
    """Values that one region of a chunk makes and another takes as they were captured.

    Args: renamed: by node, those that it takes, under the names that they are fed by.   inner: those names.
    """

    renamed: Mapping[str, Mapping[str, str]]
    inner: Mapping[str, str]

    @classmethod
    def of(cls, chunk: Sequence[Cut], side: View) -> "_Links":
        """Args: side: any of both; both make these values."""
        made = {v.name for cut in chunk for key in cut.region.before for v in side.nodes[key].outputs}
        renamed: dict[str, Mapping[str, str]] = {}
        for cut in chunk:
            taken = {name: f"{name}{LINK}" for name in cut.region.taken & made}
            renamed.update(dict.fromkeys((*cut.region.before, *cut.region.after) if taken else (), taken))
        return cls(renamed, {name: fed for taken in renamed.values() for name, fed in taken.items()})

    def fed(self, values: Mapping[str, T]) -> dict[str, T]:
        """Values by the names that they are fed by."""
        return {self.inner.get(name, name): value for name, value in values.items()}


def _region_model(proto: onnx.ModelProto, base: Path | None) -> ir.Model:
    model = ir.from_proto(proto)
    return model if base is None else find_in(model, base)


def _is_float(array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.dtype.kind == "f"


def _mixed(trial: str) -> bool:
    """Whether numbers of all sizes are side by side."""
    return trial.removesuffix(WHOLE) == MIXED


def _has_any(value: Any) -> bool:
    return bool(getattr(value, "size", 1)) if not isinstance(value, list) else bool(value)


def _only(chunk: Sequence[Cut]) -> Region | str:
    return chunk[0].region if len(chunk) == 1 else ""
