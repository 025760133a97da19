"""Judges the whole result against the untouched source, once, when all passes are through."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from burnish_engine.errors import one_line
from burnish_engine.report import GateResult
from burnish_optimizer.aside import Aside
from burnish_optimizer.errors import NoTruth, WorkerFailed
from burnish_optimizer.gates.equality import difference
from burnish_optimizer.gates.execute import Executable
from burnish_optimizer.gates.metamorphic import batch_laws
from burnish_optimizer.gates.probes import Probe
from burnish_optimizer.gates.rounding import disagreement, no_worse
from burnish_optimizer.gates.structure import fault
from burnish_optimizer.reference.fp64 import evaluate, values
from burnish_optimizer.rewrite.walk import constants

# The source's own answers move by this much when ONNX Runtime fuses it: what a deployment accepts today.
# A factor beyond it, and a floor in units of the last place of the largest value.
SPREAD_FACTOR = 16.0
FLOOR_ULPS = 256.0
CHECKER_LIMIT_BYTES = 1 << 30
# Beyond it no second opinion is asked of FP64: a run of the whole model there is slow.
TRUTH_LIMIT_BYTES = 256 << 20


def judge_whole(
    model: ir.Model,
    source: Executable,
    rewritten: ir.Model,
    probes: Sequence[Probe],
    *,
    exact: bool,
    base: Path | None = None,
    beside: bool = False,
) -> tuple[GateResult, ...]:
    """Structure, answers on every probe, and the laws of batches. Never raises for a wrong result.

    Args: beside: whether a fork of this process may try the laws while this one looks at the answers.
    """
    try:
        proto = ir.serde.serialize_model(rewritten)
        broken = fault(model, rewritten) or _checked(proto, base)
        found = Executable(proto, base)
    except Exception as error:  # noqa: BLE001 - whatever makes it invalid
        return (_gate("valid-model", one_line(error), "a model that ONNX Runtime takes"),)
    fused = cache(lambda: None if exact else _fused(model, base))
    truth = None if exact or _weight_bytes(model) > TRUTH_LIMIT_BYTES else model
    laws = _laws(source, found, probes, exact=exact, beside=beside)
    said = _answers(source, found, fused, probes, truth, exact=exact)
    return (
        _gate("valid-model", broken, "a model that ONNX's checker and ONNX Runtime take"),
        _gate(
            "answers",
            said,
            "byte-equal to the source" if exact else "the source's answers within rounding",
            f"{len(probes)} probes agree",
        ),
        *laws(),
    )


def _laws(
    source: Executable, found: Executable, probes: Sequence[Probe], *, exact: bool, beside: bool
) -> Callable[[], tuple[GateResult, ...]]:
    """The laws of batches, when they are asked for; none where none binds."""

    def tried() -> tuple[GateResult, ...]:
        result = batch_laws(source.run, found.run, probes, exact=exact)
        return (result,) if result else ()

    if not beside:
        return tried
    try:
        trying = Aside("batch laws", lambda: {"results": [one.model_dump(mode="json") for one in tried()]})
    except OSError:  # no process is to be had
        return tried

    def awaited() -> tuple[GateResult, ...]:
        try:
            return tuple(GateResult.model_validate(one) for one in trying.result()["results"])
        except WorkerFailed as error:
            return (_gate("batch-laws", error.found, "the laws of batches"),)

    return awaited


def _weight_bytes(model: ir.Model) -> int:
    return sum(tensor.nbytes for tensor in constants(model) if tensor.dtype != ir.DataType.STRING)


def _gate(name: str, wrong: str, expected: str, right: str = "holds") -> GateResult:
    return GateResult(name=name, passed=not wrong, found=wrong or right, expected=expected)


def _checked(proto: onnx.ModelProto, base: Path | None) -> str:
    if base is not None or proto.ByteSize() > CHECKER_LIMIT_BYTES:
        return ""  # ONNX's checker would read external data beside a file; ONNX Runtime has read it
    try:
        onnx.checker.check_model(proto)
    except onnx.checker.ValidationError as error:
        return one_line(error)
    return ""


def _fused(model: ir.Model, base: Path | None) -> Executable | None:
    """The source as ONNX Runtime runs it by default: how far rounding alone moves its answers."""
    try:
        return Executable(ir.serde.serialize_model(model), base, optimized=True)
    except Exception:  # noqa: BLE001 - without it the floor alone is allowed
        return None


def _answers(
    source: Executable,
    found: Executable,
    fused: Callable[[], Executable | None],
    probes: Sequence[Probe],
    truth: ir.Model | None,
    *,
    exact: bool,
) -> str:
    for probe in probes:
        expected = probe.answers or source.run(probe.feeds)
        try:
            answers = found.run(probe.feeds)
        except Exception as error:  # noqa: BLE001 - whatever breaks it
            return f"{probe.name}: {one_line(error, 200)}"
        moved = cache(lambda of=probe: _run(fused(), of))
        for name in expected:
            said = difference(answers[name], expected[name])
            if said and not exact and (said := _beyond(answers[name], expected[name], None)):
                said = _beyond(answers[name], expected[name], moved().get(name))
            if said and not (truth and _explained(truth, probe, name, answers[name], expected[name])):
                return f"{probe.name}: output {name!r}: {said}"
    return ""


def _explained(model: ir.Model, probe: Probe, name: str, found: Any, expected: Any) -> bool:
    """Whether FP64 allows the difference: where the source is ill-conditioned, rounding moves it far."""
    try:
        if no_worse(found, expected, values(model, probe.feeds, {name})[name]):
            return True
        return disagreement(found, expected, evaluate(model, probe.feeds, {name})[name]) is None
    except NoTruth:
        return False


def _run(session: Executable | None, probe: Probe) -> dict[str, Any]:
    if session is None:
        return dict(probe.answers)
    try:
        return session.run(probe.feeds)
    except Exception:  # noqa: BLE001 - ONNX Runtime's own fusions may fail where the source does not
        return {}


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
