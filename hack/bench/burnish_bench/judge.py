"""Is a rewritten model still the same? Source and output run by ONNX Runtime, all optimizations disabled.

No tool is held to more than ONNX Runtime's own default optimization of the source keeps. The text detector
ends in a Sigmoid that ONNX Runtime computes in steps of 2^-24, with answers of 1e-5: its optimization moves
two of 102,400 by three steps, more than an element's own bound grants, and FP64 finds both equally near.

Runs inside a worker: what breaks ONNX Runtime breaks the judge's process, and is told as that.
"""

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx

from burnish_bench.counting import count
from burnish_bench.execute import execute

RTOL, ATOL = 1e-3, 1e-7  # what ONNX's own backend tests grant
STEPS = 2  # rounding steps of a narrow element type (float16 …), where they are more than that
SPREAD = 64 * 2**-23  # of the largest answer: rewrites reorder sums in float32
# The largest of 100 errors or more is more than twice that of as many others in 0.02 % of draws (normal, by
# simulation): both are roundings of one function.
DRAW = 2
Request = dict[str, Any]


def judge(request: Request) -> Request:
    """{"source", "output" or None, "folder"} → verdict, detail, nodes of both models (None: unreadable).

    Verdicts: ok, wrong, invalid (ONNX Runtime refuses it), malformed (the answer is right, and ONNX's checker
    refuses it); unjudged where ONNX Runtime cannot run the source.
    """
    source, output = Path(request["source"]), request["output"] and Path(request["output"])
    nodes: dict[str, Any] = {"before": _count(source)}
    if output:
        nodes["after"] = _count(output)
    try:
        truth = execute(source, request["folder"])
        again = execute(source, request["folder"])
    except Exception as error:  # noqa: BLE001 (ONNX Runtime raises its own types, numpy and protobuf theirs)
        return {"verdict": "unjudged", "detail": _short(error), **nodes}
    if not output:
        return {"verdict": "ok", "detail": "", **nodes}
    verdict, detail = _compare(source, output, request["folder"], truth, again)
    return {"verdict": verdict, "detail": detail, **nodes}


def _count(path: Path) -> dict[str, int] | None:
    try:
        return count(onnx.load(path, load_external_data=False))._asdict()
    except Exception:  # noqa: BLE001 (bytes that are no model have no nodes; loading them tells it as invalid)
        return None


def _compare(source: Path, output: Path, folder: str, truth: Any, again: Any) -> tuple[str, str]:
    try:
        found = execute(output, folder)
    except Exception as error:  # noqa: BLE001 (see `judge`)
        return "invalid", _short(error)
    if list(found) != list(truth):
        return "wrong", f"outputs {list(found)}, expected {list(truth)}"
    for name, expected in truth.items():
        steady = not difference(expected, again[name])
        why = difference(expected, found[name], numbers=steady)
        if why and not (steady and within_own(expected, found[name], _optimized(source, folder).get(name))):
            return "wrong", f"{name}: {why}"
    refusal = _checked(output)
    return ("malformed", refusal) if refusal and not _checked(source) else ("ok", "")


def _optimized(source: Path, folder: str) -> dict[str, Any]:
    """The source's answers under ONNX Runtime's defaults; nothing where those fail."""
    try:
        return execute(source, folder, optimized=True)
    except Exception:  # noqa: BLE001 (see `judge`)
        return {}


def within_own(expected: Any, found: Any, moved: Any) -> bool:
    """Whether ONNX Runtime's own optimization moves the source, to `moved`, as far as a tool moves it.

    Never beyond RTOL of the largest answer: that is no rounding, but a fault of ONNX Runtime's.
    """
    sides = (expected, found, moved)
    if not all(isinstance(each, np.ndarray) and each.dtype.kind == "f" for each in sides):
        return False
    if len({(each.dtype, each.shape) for each in sides}) > 1:
        return False
    wide, here = expected.astype(np.float64), np.isfinite(expected) & np.isfinite(moved)
    own = np.max(np.abs(moved - wide), where=here, initial=0.0)
    most = min(DRAW * own, RTOL * np.max(np.abs(wide), where=here, initial=0.0))
    return bool(np.isclose(found.astype(np.float64), wide, rtol=RTOL, atol=most, equal_nan=True).all())


def _checked(path: Path) -> str:
    """Why ONNX's checker refuses a model, empty where it does not."""
    try:
        onnx.checker.check_model(path)
    except onnx.checker.ValidationError as error:
        return _short(error)
    return ""


def difference(expected: Any, found: Any, *, numbers: bool = True) -> str:
    """Why two answers differ, empty where they do not. `numbers` False: kind, type and shape alone (dice)."""
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = zip(expected, found, strict=True)
        return next((why for a, b in pairs if (why := difference(a, b, numbers=numbers))), "")
    if type(expected) is not type(found) or isinstance(expected, list):
        return f"{_kind(found)}, expected {_kind(expected)}"
    if not isinstance(expected, np.ndarray):
        return "" if expected == found or not numbers else f"{found}, expected {expected}"
    if (expected.dtype, expected.shape) != (found.dtype, found.shape):
        return f"{found.dtype}{list(found.shape)}, expected {expected.dtype}{list(expected.shape)}"
    return _numeric(expected, found) if numbers else ""


def _kind(value: Any) -> str:
    return f"{len(value)} values" if isinstance(value, list) else type(value).__name__


def _numeric(expected: Any, found: Any) -> str:
    if expected.dtype.kind in "biuOSU" or "int" in expected.dtype.name:
        wrong = int(np.sum(expected != found))
        return f"{wrong} of {expected.size} elements differ" if wrong else ""
    steps = float(ml_dtypes.finfo(expected.dtype).eps) * STEPS  # type: ignore[no-untyped-call]
    expected, found = expected.astype(np.float64), found.astype(np.float64)
    largest = np.max(np.abs(expected), where=np.isfinite(expected), initial=0.0)
    atol = ATOL + SPREAD * largest
    close = np.isclose(found, expected, rtol=max(RTOL, steps), atol=atol, equal_nan=True)
    if close.all():
        return ""
    at = tuple(np.argwhere(~close)[0])
    return f"{int(np.sum(~close))} of {expected.size} differ, first {found[at]} for {expected[at]}"


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
