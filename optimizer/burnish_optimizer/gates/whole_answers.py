"""A whole model's answers beside the source's: on every probe, equal or within rounding."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from burnish_engine.errors import one_line
from burnish_optimizer.errors import NoTruth
from burnish_optimizer.gates.equality import difference
from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.gates.extract import copied
from burnish_optimizer.gates.miniature import Miniature, without_sizes
from burnish_optimizer.gates.probes import Probe
from burnish_optimizer.gates.rounding import disagreement, no_worse
from burnish_optimizer.ingest.feeds import Feeds
from burnish_optimizer.reference.fp64 import evaluate, values
from burnish_optimizer.rewrite.walk import constants

# The source's own answers move by this much when ONNX Runtime fuses it: what a deployment accepts today.
# A factor beyond it, and a floor in units of the last place of the largest value.
SPREAD_FACTOR = 16.0
FLOOR_ULPS = 256.0
# Beyond it no second opinion is asked of FP64: a run of the whole model there is slow.
TRUTH_LIMIT_BYTES = 256 << 20
CAPTURED_PROBES = 3


@dataclass(frozen=True)
class Asked:
    """What a model answered.

    Args: probes: what it runs on; one at least.   small: it on smaller inputs than it declares, where it
        runs on any.   run_seconds: how long it takes for an answer.
    """

    probes: tuple[Probe, ...]
    small: Miniature | None = None
    run_seconds: float = 0.0


@dataclass(frozen=True)
class Source:
    """The untouched model, what runs it without optimizations, and what it answers.

    Args: proto: the model as ONNX has it.   ask: asks it, once, when that is first needed; may raise.
        base: of external data.
    """

    model: ir.Model
    proto: onnx.ModelProto
    session: Executable
    ask: Callable[[], Asked]
    base: Path | None = None

    @cached_property
    def asked(self) -> Asked:
        """See `Asked`."""
        return self.ask()

    @property
    def probes(self) -> tuple[Probe, ...]:
        """What it runs on."""
        return self.asked.probes

    @property
    def small(self) -> Miniature | None:
        """It on smaller inputs than it declares."""
        return self.asked.small

    def captured(self) -> list[Feeds]:
        """Those that regions are tried on: other sizes, other branches, large integers."""
        first, *others = (probe.in_full for probe in self.probes[:CAPTURED_PROBES])
        # What it took on small inputs it may refuse at the declared sizes.
        return [p.feeds for p in (first, *others) if p is first or p.answers or self.session.accepts(p.feeds)]


@dataclass
class Answers:
    """Those of a rewritten model, at declared sizes or without any.

    Args: proto: the rewritten model.   sized: whether sizes are as declared.   exact: no rounding is allowed.
    """

    source: Source
    proto: onnx.ModelProto
    exact: bool
    sized: bool = True

    @cached_property
    def found(self) -> Executable:
        """The rewritten model. Raises: whatever ONNX Runtime raises."""
        return Executable(self.proto, self.source.base)

    def wrong(self, probe: Probe) -> str:
        """How the answers differ; empty where they do not, and where the source has none."""
        try:
            expected = probe.answers or self.source.session.run(probe.feeds)
        except Exception:  # noqa: BLE001 - what it took on small inputs it may refuse at the declared sizes
            return ""
        try:
            answers = self.found.run(probe.feeds)
        except Exception as error:  # noqa: BLE001 - whatever breaks it
            return f"{probe.name}: {one_line(error, 200)}"
        for name in expected:
            if name not in answers:
                return f"{probe.name}: there is no output {name!r}"
            said = self._difference(probe, name, answers[name], expected[name])
            if said:
                return f"{probe.name}: output {name!r}: {said}"
        return ""

    def _difference(self, probe: Probe, name: str, found: Any, expected: Any) -> str | None:
        said = difference(found, expected)
        if said and not self.exact and (said := _beyond(found, expected, None)):
            said = _beyond(found, expected, self._moved(probe).get(name))
        return None if said and self._explained(probe, name, found, expected) else said

    def _explained(self, probe: Probe, name: str, found: Any, expected: Any) -> bool:
        """Whether FP64 allows the difference: where the source is ill-conditioned, rounding moves it far."""
        model = self.source.model
        if self.exact or self._is_heavy:
            return False
        try:
            if no_worse(found, expected, values(model, probe.feeds, {name})[name]):
                return True
            return disagreement(found, expected, evaluate(model, probe.feeds, {name})[name]) is None
        except NoTruth:
            return False

    @cached_property
    def _is_heavy(self) -> bool:
        sizes = (t.nbytes for t in constants(self.source.model) if t.dtype != ir.DataType.STRING)
        return sum(sizes) > TRUTH_LIMIT_BYTES

    def _moved(self, probe: Probe) -> Feeds:
        """The source's answers when ONNX Runtime optimizes it; its own fusions may fail where it does not."""
        if self._last is None or self._last[0] is not probe:
            try:
                answers = self._fused.run(probe.feeds) if self._fused else dict(probe.answers)
            except Exception:  # noqa: BLE001 - without them the floor alone is allowed
                answers = {}
            self._last = (probe, answers)
        return self._last[1]

    _last: tuple[Probe, Feeds] | None = None

    @cached_property
    def _fused(self) -> Executable | None:
        """The source as ONNX Runtime runs it by default: how far rounding alone moves its answers."""
        proto = self.source.proto if self.sized else without_sizes(copied(self.source.proto))
        try:
            return Executable(proto, self.source.base, optimized=True)
        except Exception:  # noqa: BLE001 - without it the floor alone is allowed
            return None


def _beyond(found: Any, expected: Any, moved: Any) -> str | None:
    """How far an answer is beyond what rounding explains; None where it is not."""
    if not isinstance(expected, np.ndarray) or expected.dtype.kind not in "fiub":
        return "values differ"
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return f"{found.dtype}{list(found.shape)} in the place of {expected.dtype}{list(expected.shape)}"
    finite = np.isfinite(expected)
    if bool((np.isfinite(found) != finite).any()):
        also = isinstance(moved, np.ndarray) and moved.shape == expected.shape
        if not also or bool((np.isfinite(moved) == finite).all()):
            return "NaN or infinity in other places"
        finite &= np.isfinite(found)
    wide = np.float64
    spread = _largest(moved, expected, finite)
    scale = float(np.max(np.abs(expected[finite].astype(wide)), initial=0.0))
    unit = float(np.finfo(expected.dtype).eps) if expected.dtype.kind == "f" else 0.0
    allowed = SPREAD_FACTOR * spread + FLOOR_ULPS * unit * scale
    worst = float(np.max(np.abs(found[finite].astype(wide) - expected[finite].astype(wide)), initial=0.0))
    return None if worst <= allowed else f"differs by {worst:.3g}, rounding explains {allowed:.3g}"


def _largest(moved: Any, expected: Any, finite: Any) -> float:
    if not isinstance(moved, np.ndarray) or moved.shape != expected.shape:
        return 0.0
    here = finite & np.isfinite(moved)
    return float(np.max(np.abs(moved[here].astype(np.float64) - expected[here]), initial=0.0))
