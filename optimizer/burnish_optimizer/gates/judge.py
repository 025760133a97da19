"""Judges one pass: every region that it changed, on values that the model really computes and harder ones."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from burnish_engine.errors import one_line
from burnish_engine.report import GateResult, Guarantee
from burnish_optimizer.batches import by_size
from burnish_optimizer.errors import NoTruth
from burnish_optimizer.gates import cut as cuts
from burnish_optimizer.gates.capture import Captures
from burnish_optimizer.gates.cut import Cut
from burnish_optimizer.gates.diff import Region, View, regions, view
from burnish_optimizer.gates.equality import difference
from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.gates.extract import cut_names, model_of
from burnish_optimizer.gates.narrowing import narrowed
from burnish_optimizer.gates.probes import region_variations, varied_floats
from burnish_optimizer.gates.rounding import disagreement
from burnish_optimizer.gates.shrink import LARGE_ELEMENTS, elements, shrunk
from burnish_optimizer.gates.structure import fault
from burnish_optimizer.ingest.weights import find_in
from burnish_optimizer.reference.fp64 import evaluate

MAX_GROWTH = 4
CHUNK_BYTES = 64 << 20
VARIATIONS = 6
ROUNDING_PROBES = 3
# The proof is bounded: regions that need a closer look beyond this time are left as they were.
PASS_SECONDS = 30.0
LATE = "its gate was out of time"


@dataclass
class Verdict:
    """What the gate saw. `failed`: regions with the figures that they failed by; `fault`: structural."""

    regions: int = 0
    trials: int = 0
    fault: str = ""
    failed: dict[Region, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether everything held."""
        return not self.fault and not self.failed

    def results(self, guarantee: Guarantee) -> tuple[GateResult, ...]:
        """As the report tells it."""
        what = "byte-equal" if guarantee is Guarantee.EXACT else "within-rounding"
        expected = {
            "byte-equal": "every changed region byte-equal on every input",
            "within-rounding": "every changed region within the rounding of its operands, judged in FP64",
        }
        found = f"{len(self.failed)} of {self.regions} regions differ, {self.trials} inputs tried"
        structure = self.fault or "signature, names, types and order hold"
        return (
            GateResult(
                name="structure",
                passed=not self.fault,
                found=structure,
                expected="a valid graph with the same inputs and outputs",
            ),
            GateResult(name=what, passed=not self.failed, found=found, expected=expected[what]),
        )


@dataclass
class Judge:
    """Keeps what the model computes on the probes between passes.

    Args: feeds: the probes.   base: folder of external data.   seed: of the variations.
    """

    feeds: Sequence[Mapping[str, Any]]
    base: Path | None = None
    threads: int = 1
    seed: int = 0
    captures: Captures = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is captured yet."""
        self.captures = Captures(self.feeds, self.base, self.threads)

    def judge(self, before: ir.Model, after: ir.Model, guarantee: Guarantee) -> Verdict:
        """Compare all that changed. Never raises for what a pass did wrong: that is the verdict."""
        broken = fault(before, after)
        if broken:
            return Verdict(fault=broken)
        return _Trial(self, before, after, guarantee).run()

    def accept(self, model: ir.Model) -> None:
        """`model` is the current one: forget what it no longer has."""
        side = view(model)
        self.captures.forget(set(side.producers) | {v.name or "" for v in model.graph.inputs})


class _Trial:
    def __init__(self, judge: Judge, before: ir.Model, after: ir.Model, guarantee: Guarantee) -> None:
        self._judge, self._models, self._guarantee = judge, (before, after), guarantee
        self._views: tuple[View, View] = (view(before), view(after))
        self._verdict = Verdict()
        self._started = time.monotonic()
        self._changed: tuple[Region, ...] = ()

    def run(self) -> Verdict:
        self._changed = regions(*self._views)
        self._verdict.regions = len(self._changed)
        pending = [cuts.balanced(Cut(r), *self._views) for r in self._changed if r.outputs]
        for chunk in self._chunks(pending):
            self._settle(chunk)
        self._load_whole()
        return self._verdict

    def _load_whole(self) -> None:
        """The rewritten model as a whole is one that ONNX Runtime takes: types and shapes fit."""
        if not self._verdict.passed:
            return
        try:
            Executable(ir.serde.serialize_model(self._models[1]), self._judge.base, self._judge.threads)
        except Exception as error:  # noqa: BLE001 - whatever makes it invalid
            self._verdict.fault = f"ONNX Runtime refuses the result: {one_line(error)}"

    def _chunks(self, pending: list[Cut]) -> Iterator[list[Cut]]:
        """Regions that are tried together, so that what they take stays small in memory."""
        values = self._captured(pending)[0] if pending else {}
        return by_size(pending, lambda one: self._bytes(one, values), CHUNK_BYTES)

    def _bytes(self, one: Cut, values: Mapping[str, Any]) -> int:
        at_cut = cuts.boundary([one], *self._views)
        taken = sum(getattr(values.get(name), "nbytes", 0) for name in at_cut)
        return taken + cuts.constant_bytes(one, *self._views)

    def _captured(self, chunk: Sequence[Cut]) -> list[dict[str, Any]]:
        return self._judge.captures.values(self._models[0], cuts.boundary(chunk, *self._views))

    def _settle(self, chunk: list[Cut]) -> None:
        """All together; where that does not hold, one by one; where that does not, cut wider."""
        failed = self._compare(chunk)
        if not failed:
            return
        for one in chunk:
            if one.region in failed or "" in failed:
                late = time.monotonic() - self._started > PASS_SECONDS
                said = failed.get(one.region, LATE) if late else self._alone(one)
                if said:
                    self._verdict.failed[one.region] = said

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
            wider = cuts.grown(one, *self._views, self._changed)
            if wider == one:
                return said
            one = wider
        return said

    def _compare(self, chunk: Sequence[Cut]) -> dict[Region | str, str]:
        """Regions that differ with their evidence; the key "" where it cannot be told which."""
        captured = self._captured(chunk)
        narrower = self._narrowed(chunk, captured[0] if captured else {})
        if narrower:
            return narrower
        names = cuts.outputs(chunk)
        sides = (
            {k for c in chunk for k in c.before},
            {k for c in chunk for k in c.after},
        )
        at_cut = captured[0] if captured else {}
        protos = [
            model_of(m, v, keys, names, at_cut)
            for m, v, keys in zip(self._models, self._views, sides, strict=True)
        ]
        source = Executable(protos[0], self._judge.base, self._judge.threads)
        try:
            found = Executable(protos[1], self._judge.base, self._judge.threads)
        except Exception as error:  # noqa: BLE001 - whatever makes it invalid
            return {
                _only(chunk): f"captured values: ONNX Runtime refuses the rewritten part: {one_line(error)}"
            }
        region = _region_model(protos[0], self._judge.base)
        for name, feeds in self._trials(self._bounded(captured, source), region):
            failed = self._try(chunk, (source, found), region, name, feeds)
            if failed:
                return failed
        return {}

    def _bounded(self, captured: list[dict[str, Any]], source: Executable) -> list[dict[str, Any]]:
        """For rounding passes: the first probes, in part where that is much and the region runs on it."""
        if self._guarantee is Guarantee.EXACT:
            return captured
        chosen = captured[:ROUNDING_PROBES]
        if elements(chosen[0]) <= LARGE_ELEMENTS:
            return chosen
        part = shrunk(chosen[0])
        try:
            source.run(part)
        except Exception:  # noqa: BLE001 - a region of one size alone
            return chosen[:1]
        return [part]

    def _narrowed(self, chunk: Sequence[Cut], at_cut: Mapping[str, Any]) -> dict[Region | str, str]:
        """Regions that compute in a narrower type: numbers need not show it, see `gates/narrowing.py`."""
        old, new = self._views
        told: dict[Region | str, str] = {}
        for one in chunk:
            fed = [at_cut[name] for name in cut_names(old, one.before) if _is_float(at_cut.get(name))]
            kinds = {ir.DataType.from_numpy(array.dtype) for array in fed}
            why = narrowed([old.nodes[k] for k in one.before], [new.nodes[k] for k in one.after], kinds)
            if why:
                told[one.region] = f"captured values: the rewritten part {why}"
        return told

    def _trials(
        self, captured: Sequence[dict[str, Any]], region: ir.Model
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for number, feeds in enumerate(captured):
            yield f"captured values of probe {number + 1}", feeds
        varying = varied_floats(region)
        floats = {name: kind for name, kind in varying.items() if _is_float(captured[0].get(name))}
        varied = region_variations(captured[0], floats, self._judge.seed, VARIATIONS + 1)
        yield from islice(varied, 1, None)

    def _try(
        self,
        chunk: Sequence[Cut],
        pair: tuple[Executable, Executable],
        region: ir.Model,
        name: str,
        feeds: dict[str, Any],
    ) -> dict[Region | str, str]:
        try:
            expected = pair[0].run(feeds)
        except Exception:  # noqa: BLE001 - what the source itself refuses is no legal input
            return {}
        self._verdict.trials += 1
        try:
            found = pair[1].run(feeds)
        except Exception as error:  # noqa: BLE001 - whatever breaks it
            return {_only(chunk): f"{name}: the rewritten part fails: {one_line(error)}"}
        said = self._differences(found, expected, region, feeds)
        return {c.region: f"{name}: {said[o]}" for c in chunk for o in c.region.outputs if o in said}

    def _differences(
        self, found: dict[str, Any], expected: dict[str, Any], region: ir.Model, feeds: dict[str, Any]
    ) -> dict[str, str]:
        differing = {n: s for n in expected if (s := difference(found[n], expected[n]))}
        if not differing or self._guarantee is Guarantee.EXACT:
            return {n: f"{n}: {s}" for n, s in differing.items()}
        try:
            truth = evaluate(region, feeds, set(differing))
        except NoTruth as error:
            return {n: f"{n}: no FP64 truth: {error.found}" for n in differing}
        told = {n: disagreement(found[n], expected[n], truth[n]) for n in differing}
        return {n: f"{n}: {s}" for n, s in told.items() if s}


def _region_model(proto: onnx.ModelProto, base: Path | None) -> ir.Model:
    model = ir.from_proto(proto)
    return model if base is None else find_in(model, base)


def _is_float(array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.dtype.kind == "f"


def _only(chunk: Sequence[Cut]) -> Region | str:
    return chunk[0].region if len(chunk) == 1 else ""
